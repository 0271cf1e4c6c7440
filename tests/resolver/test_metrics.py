"""Metrics: what was turned away or given up, with a bounded number of tenants."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from resolver.listeners.backlog import Backlog
from resolver.metrics import WorkerMetrics
from resolver.tally import MOST_TENANTS, OTHER


def samples(*counted: tuple[str, str, str, int]) -> dict[tuple[str, ...], float]:
    """The samples of nameward_limited by their labels."""
    meters = SimpleNamespace(turned_away=lambda: iter(counted))
    family = WorkerMetrics(cast("Any", SimpleNamespace(meters=meters)))._turned_away()
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_by_tenant_limit_and_what_was_done() -> None:
    """Unknown clients are counted under no name."""
    counted = [("", "client", "dropped", 3), ("acme", "tenant", "truncated", 2), ("acme", "client", "refused", 1)]
    assert samples(*counted) == {tuple(labels): count for *labels, count in counted}


def test_many_tenants_are_counted_together() -> None:
    """Beyond a number they share one label."""
    found = samples(*((f"t{number}", "tenant", "dropped", 1) for number in range(MOST_TENANTS + 50)))
    assert len(found) == MOST_TENANTS + 1
    assert found[OTHER, "tenant", "dropped"] == 50


def test_what_was_given_up_is_counted_over_all_sockets() -> None:
    """By tenant."""
    sockets = [SimpleNamespace(backlog=Backlog[int](most=2)) for _ in range(2)]
    for one in sockets:
        for number in range(3):
            one.backlog.put("acme", number)
    sockets[0].backlog.put("globex", 1)
    parts = SimpleNamespace(listeners=SimpleNamespace(udp=sockets))
    found = WorkerMetrics(cast("Any", parts))._shed().samples
    assert {sample.labels["tenant"]: sample.value for sample in found} == {"acme": 3}
