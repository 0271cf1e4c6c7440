"""Telemetry equals exact counts, closes by event time, and keeps late events."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import QueryEvent
from schemas.signals import Telemetry
from streams.columns import TenantRows, split_by_tenant
from streams.parts import Parts
from streams.summary import OTHER
from streams.telemetry import MAX_WORKLOADS, TelemetryWindows
from tests.streams.events import START, batch, event

ROW = st.tuples(
    st.floats(0, 80, width=32), st.sampled_from(["a.example.com", "b.example.com", "example.org", "x.test"]),
    st.sampled_from(["", "web", "db"]), st.sampled_from(["allow", "deny"]), st.sampled_from(["NOERROR", "NXDOMAIN", ""]),
    st.sampled_from(["10.0.0.1", "10.0.0.2", ""]), st.integers(1, 10**6),
)  # fmt: skip


def made(rows: list[tuple[float, str, str, str, str, str, int]]) -> list[QueryEvent]:
    """Events of generated rows, in the order of their time."""
    return [
        event(START + at, qname, index, workload=workload, verdict=verdict, rcode=rcode, client=client, latency_us=latency)
        for index, (at, qname, workload, verdict, rcode, client, latency) in enumerate(sorted(rows))
    ]


def told(events: list[QueryEvent], size: int) -> list[Telemetry]:
    """Telemetry of events that came in batches of a size, every window closed at the end."""
    windows = TelemetryWindows("acme")
    for first in range(0, len(events), size):
        windows.add(TenantRows.of(batch(events[first : first + size])))
    return windows.close(START + 1000)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=80), st.integers(1, 80))
def test_every_window_equals_exact_counts(rows: list[tuple[float, str, str, str, str, str, int]], size: int) -> None:
    """Per tenant and workload, 10 s and 1 min, whatever the batches: queries, bytes, counts, distinct, tops, quantiles."""
    events = made(rows)
    found = {(item.workload, item.window_seconds, item.window_start.timestamp()): item for item in told(events, size)}
    expected = {
        (group, seconds, item.time.timestamp() // seconds * seconds)
        for item in events for group in {"", item.workload} for seconds in (10, 60)
    }  # fmt: skip
    assert found.keys() == expected
    for (group, seconds, start), item in found.items():
        ours = [e for e in events if start <= e.time.timestamp() < start + seconds and group in {"", e.workload}]
        check(item, ours)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["acme", "globex", "initech"]), ROW), min_size=1, max_size=60), st.integers(1, 60), st.sampled_from([0.0, 15.0]))
def test_tenants_of_one_batch_are_told_as_if_each_came_alone(
    rows: list[tuple[str, tuple[float, str, str, str, str, str, int]]], size: int, back: float
) -> None:
    """What is counted for all of a batch at once, late rows among them, is what counting tenant by tenant says."""
    at = [one[0] - back * (place % 3 == 2) for place, (_, one) in enumerate(sorted(rows, key=lambda row: row[1][0]))]
    events = [
        msgspec.structs.replace(one, tenant=tenant, time=datetime.fromtimestamp(START + 100 + when, UTC))
        for (tenant, _), one, when in zip(rows, made([row for _, row in rows]), at, strict=True)
    ]
    together, alone = ({name: TelemetryWindows(name) for name in ("acme", "globex", "initech")} for _ in range(2))
    for first in range(0, len(events), size):
        some = events[first : first + size]
        for tenant, found in split_by_tenant(batch(some)):
            together[tenant].add(found)
            alone[tenant].add(TenantRows.of(batch([one for one in some if one.tenant == tenant])))
    for tenant, windows in together.items():
        assert windows.close(START + 1000) == alone[tenant].close(START + 1000)


def check(item: Telemetry, ours: list[QueryEvent]) -> None:
    """One message against the events of its window."""
    assert (item.queries, item.bytes_in, item.bytes_out) == (len(ours), 50 * len(ours), 90 * len(ours))
    counts = Counter(f"verdict:{e.verdict}" for e in ours) + Counter(f"rcode:{e.rcode or 'none'}" for e in ours)
    assert {key: n for key, n in item.counts.items() if key.startswith(("verdict:", "rcode:"))} == counts
    assert item.counts.get("upstream_failure", 0) == sum(not e.rcode for e in ours)
    assert (item.clients, item.names) == (len({e.client for e in ours} - {""}), len({e.qname for e in ours}))
    assert {top.item: top.count for top in item.top_names} == Counter(e.qname for e in ours)
    assert {top.item: top.count for top in item.top_denied} == Counter(e.qname for e in ours if e.verdict == "deny")
    assert {top.item: top.count for top in item.top_clients} == Counter(e.client for e in ours if e.client)
    assert not any(top.error for top in item.top_names + item.top_domains)
    exact = sorted(e.latency_us for e in ours)
    assert item.latency_us["p50"] == pytest.approx(exact[int(0.5 * (len(exact) - 1))], rel=0.03)
    assert item.upstream_latency_us.keys() == {"udp://192.0.2.53:53"}


def test_a_window_closes_when_the_clock_is_five_seconds_past_its_end() -> None:
    """Not before; and a minute only after its last pane."""
    windows = TelemetryWindows("acme")
    windows.add(TenantRows.of(batch([event(START + 1, "example.com", 0)])))
    assert windows.close(START + 9.9) == []
    assert [(item.window_seconds, item.queries) for item in windows.close(START + 10)] == [(10, 1)]
    assert windows.close(START + 59) == []
    assert [(item.window_seconds, item.queries) for item in windows.close(START + 60)] == [(60, 1)]


def test_late_events_count_in_the_oldest_open_window_and_as_late() -> None:
    """Nothing is lost, and the window already told is not told again."""
    windows = TelemetryWindows("acme")
    windows.add(TenantRows.of(batch([event(START + 1, "example.com", 0), event(START + 21, "example.com", 1)])))
    windows.close(START + 20)
    windows.add(TenantRows.of(batch([event(START + 2, "late.example.com", 2)])))
    ((pane, _),) = [(item, item.window_start) for item in windows.close(START + 30) if item.window_seconds == 10]
    assert (pane.window_start.timestamp(), pane.queries, pane.counts["late"]) == (START + 20, 2, 1)


def test_workloads_past_the_cap_share_one_bucket() -> None:
    """No traffic grows a window without bound."""
    events = [event(START + 1, "example.com", i, workload=f"w{i:03}") for i in range(MAX_WORKLOADS + 30)]
    panes = {item.workload: item for item in told(events, 1000) if item.window_seconds == 10}
    assert (len(panes), panes[OTHER].queries, panes[""].queries) == (MAX_WORKLOADS + 2, 30, MAX_WORKLOADS + 30)


def test_counters_per_type_are_capped() -> None:
    """A client that asks thousands of query types fills one counter for the rest."""
    events = [event(START + 1, "example.com", i, qtype=f"TYPE{i}") for i in range(2000)]
    pane = next(item for item in told(events, 1000) if item.window_seconds == 10)
    assert len(pane.counts) < 600
    assert sum(n for key, n in pane.counts.items() if key.startswith("qtype:")) == 2000


def test_audit_rules_and_truncation_are_counted() -> None:
    """Audit verdicts under the rule that gave them, truncation from the answer's header."""
    from schemas.events import AuditVerdict

    audits = (AuditVerdict("acme/no-com", "deny", "tenant"),)
    events = [event(START, "example.com", 0, audits=audits, rule="base/log"), event(START, "example.com", 1, flags=0x8380)]
    pane = told(events, 10)[0]
    assert (pane.counts["audit:acme/no-com"], pane.counts["rule:base/log"], pane.counts["truncated"]) == (1, 1, 1)


def test_shares_of_tcp_and_of_cache_hits_follow_from_the_counts() -> None:
    """Every query counts under one transport and one answer source."""
    events = [event(START, "a.test", i, transport="tcp" if i < 2 else "udp", answer_source="cache" if i < 6 else "upstream") for i in range(8)]
    pane = told(events, 3)[0]
    assert pane.counts["transport:tcp"] / pane.queries == 0.25
    assert pane.counts["answer_source:cache"] / (pane.counts["answer_source:cache"] + pane.counts["answer_source:upstream"]) == 0.75


def test_what_is_approximate_says_how_much() -> None:
    """Few distinct values are exact; many have the standard error of their sketch, of which workloads have a smaller one."""
    few = told([event(START, "a.test", 0)], 1)[0]
    assert few.bounds == {"clients": 0.0, "names": 0.0, "latency_us": 0.02}
    many = {item.workload: item for item in told([event(START, f"n{i}.test", i, workload="web") for i in range(3000)], 500)}
    assert (many[""].bounds["names"], many["web"].bounds["names"], many[""].bounds["clients"]) == (0.0163, 0.0325, 0.0)
    assert many[""].names == pytest.approx(3000, rel=4 * many[""].bounds["names"])


def test_names_asked_for_the_first_time_are_counted_where_they_were_asked() -> None:
    """For the tenant and for the workload."""
    windows = TelemetryWindows("acme")
    rows = TenantRows.of(batch([event(START + at, f"n{at}.test", at, workload="web" if at < 2 else "") for at in range(14)]))
    windows.add(rows)
    windows.count_new(rows.only(rows.times >= START + 1))
    found = {(item.workload, item.window_seconds, item.window_start.timestamp() - START): item.newly_observed for item in windows.close(START + 100)}
    assert found == {("", 10, 0): 9, ("web", 10, 0): 1, ("", 10, 10): 4, ("", 60, 0): 13, ("web", 60, 0): 1}


def test_what_a_resolver_dropped_is_told_once_where_it_was_heard() -> None:
    """By source, only of resolvers that have rows of this tenant, kept over a restart."""
    windows, parts = TelemetryWindows("acme"), Parts()
    for at, dropped in ((0, 5), (2, 8), (12, 8), (13, 20)):
        rows = TenantRows.of(batch([event(START + at, "a.test", at)]))
        windows.add(rows)
        windows.lose(rows, {"r1": {1: dropped}, "r2": {1: dropped}})
    rest = windows.save(parts)
    again = TelemetryWindows("acme")
    again.load(rest, Parts.load(dict(parts.flush()).get)[1])
    again.lose(rows, {"r1": {1: 20}})
    found = {(item.window_seconds, item.window_start.timestamp() - START): item.dropped for item in again.close(START + 100)}
    assert found == {(10, 0): {"r1": 3}, (10, 10): {"r1": 12}, (60, 0): {"r1": 15}}
