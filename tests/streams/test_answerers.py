"""Who answered and how: counted by server and source, in panes, bounded."""

from __future__ import annotations

import pytest

from streams.answerers import MAX_SERVERS, PANE, PANES, Answerers, subject_of
from streams.columns import TenantRows
from tests.streams.events import START, batch, event

ONE, OTHER = "udp://192.0.2.53:53", "tls://[2001:db8::1]:853#dns.example"


@pytest.mark.parametrize(
    ("column", "text", "subject"),
    [
        ("upstream", ONE, "192.0.2.53:53"), ("upstream", OTHER, "[2001:db8::1]:853"), ("upstream", "https://192.0.2.1:443/dns-query#dns.example", "192.0.2.1:443"),
        ("upstream", "", ""), ("answer_source", "cache", "source:cache"), ("answer_source", "upstream", ""), ("answer_source", "none", ""),
    ],
)  # fmt: skip
def test_subjects(column: str, text: str, subject: str) -> None:
    """Address and port, as endpoints and signals are named; sources that answer by themselves."""
    assert subject_of(column, text) == subject


def test_servers_and_sources_are_counted_apart() -> None:
    """Queries, failures and their domains, the latency of what was answered: upstream's wait for servers, the whole for sources."""
    seen = Answerers()
    asked = [event(START + 1, f"d{i}.test", i, upstream=ONE, rcode="SERVFAIL" if i < 4 else "NOERROR", upstream_latency_us=20_000, latency_us=90_000) for i in range(10)]
    found = [event(START + 2, "a.test", 10 + i, upstream="", answer_source="cache", latency_us=200) for i in range(5)]
    seen.add(TenantRows.of(batch(asked + found)))
    doings = seen.between(START, START + PANE)
    assert list(doings) == ["192.0.2.53:53", "source:cache"]
    server, cache = doings.values()
    assert (server.asked, server.failed, len(server.domains), server.share) == (10, 4, 3, 0.4)
    assert (server.median_ms(), cache.median_ms()) == (pytest.approx(20, rel=0.03), pytest.approx(0.2, rel=0.03))
    assert (cache.asked, cache.failed, cache.share) == (5, 0, 0.0)
    assert list(seen.between(START, START + PANE, servers_only=True)) == ["192.0.2.53:53"]


def test_old_panes_and_more_servers_than_watched_are_let_go() -> None:
    """Traffic never grows it past its bounds; sources are counted however many servers there are."""
    seen = Answerers()
    for pane in range(PANES + 3):
        seen.add(TenantRows.of(batch([event(START + pane * PANE, "a.test", pane)])))
    assert seen.between(START, START + 3 * PANE) == {}
    many = [event(START + 300, "a.test", 100 + i, upstream=f"udp://10.0.0.{i}:53", answer_source="stale") for i in range(MAX_SERVERS + 5)]
    seen.add(TenantRows.of(batch(many)))
    assert len(seen.between(START + 300, START + 310)) == MAX_SERVERS + 1
