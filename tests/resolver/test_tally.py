"""Figures of queries: counted by kind, bounded in tenants, latencies in buckets."""

from __future__ import annotations

import numpy as np

from resolver.policy.steps import finish
from resolver.rows import Rows
from resolver.tally import BOUNDS, MOST_TENANTS, OTHER, Tally
from tests.resolver.templates import template


def rows(tenants: list[str], latencies: list[int]) -> Rows:
    """One event for each latency; tenants take turns."""
    count = len(latencies)
    return Rows([template(0, tenant=tenant) for tenant in tenants], np.arange(count) % len(tenants), np.zeros(count, np.int64),
                np.array(latencies, np.uint32), np.zeros(count, np.uint32))  # fmt: skip


def test_queries_are_counted_by_kind() -> None:
    """Each event counts once under what it is."""
    tally = Tally()
    finish(tally.adding(rows(["acme", "globex"], [10] * 5)))
    finish(tally.adding(rows(["acme"], [10])))
    assert {kind.tenant: count for kind, count in tally.queries.items()} == {"acme": 4, "globex": 2}
    (kind,) = [kind for kind in tally.queries if kind.tenant == "acme"]
    assert kind == ("acme", "udp", "cache", "allow", "NOERROR")


def test_latencies_fall_into_their_buckets() -> None:
    """A bound belongs to its bucket; what is slower than all is in the last."""
    tally = Tally()
    finish(tally.adding(rows(["acme"], [100, 101, 250, 3_000_000])))
    assert (tally.latencies[0], tally.latencies[1], tally.latencies[-1]) == (1, 2, 1)
    assert sum(tally.latencies) == 4
    assert len(tally.latencies) == len(BOUNDS) + 1
    assert round(tally.seconds, 6) == 3.000451


def test_tenants_beyond_a_number_are_counted_together() -> None:
    """Ten thousand tenants are no reason for ten thousand series."""
    tally = Tally()
    finish(tally.adding(rows([f"t{number}" for number in range(1000)], [10] * 2000)))
    assert len(tally.queries) == MOST_TENANTS + 1
    assert {kind.tenant: count for kind, count in tally.queries.items()}[OTHER] == 2 * (1000 - MOST_TENANTS)


def test_counting_that_does_not_come_to_its_end_counts_nothing() -> None:
    """What is begun anew later is counted once."""
    tally, asked = Tally(), rows([f"t{number}" for number in range(300)], [10] * 300)
    for slices in range(4):
        begun = tally.adding(asked)
        for _ in range(slices):
            next(begun)
        begun.close()
        assert (sum(tally.queries.values()), sum(tally.latencies), tally.seconds) == (0, 0, 0)
    finish(tally.adding(asked))
    assert (sum(tally.queries.values()), sum(tally.latencies)) == (300, 300)
