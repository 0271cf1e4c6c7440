"""Signals about upstream servers: when they are told, renewed and left to expire."""

from __future__ import annotations

import pytest

from schemas.signals import ContextSignal
from streams.analysis import TenantState
from streams.answerers import MAX_SERVERS, Answerers
from streams.columns import TenantRows
from streams.upstreams import LIFE, Upstreams
from tests.streams.events import START, batch, event

ONE, OTHER = "udp://192.0.2.53:53", "tls://[2001:db8::1]:853#dns.example"


def feed(upstreams: Upstreams, at: float, *, count: int = 20, failing: int = 0, took_us: int = 20_000, server: str = ONE, domains: int = 5) -> None:
    """Queries of one moment, the first of them failing, over so many domains."""
    upstreams.seen.add(TenantRows.of(batch([
        event(at, f"www.d{number % domains}.test", number, upstream=server, upstream_latency_us=took_us,
              rcode="SERVFAIL" if number < failing else "NOERROR")
        for number in range(count)
    ])))  # fmt: skip


def told(upstreams: Upstreams, at: float, kind: str = "health") -> list[tuple[str, str]]:
    """Subject and value of the signals of a kind that are due."""
    return [(signal.subject, signal.value) for signal in upstreams.due(at, at) if signal.kind == kind]


@pytest.mark.parametrize(
    ("failing", "domains", "value"),
    [(0, 5, []), (1, 5, []), (3, 5, ["degraded"]), (9, 5, ["degraded"]), (10, 5, ["down"]), (20, 5, ["down"]), (20, 1, [])],
)
def test_health_follows_the_share_of_failures(failing: int, domains: int, value: list[str]) -> None:
    """Half is down, a tenth degraded; that all is well is nothing to tell; one broken domain is not the server's fault."""
    upstreams = Upstreams("acme", Answerers())
    feed(upstreams, START, failing=failing, domains=domains)
    assert [health for _, health in told(upstreams, START + 1)] == value


def test_few_queries_say_nothing() -> None:
    """Ten within half a minute are the least."""
    upstreams = Upstreams("acme", Answerers())
    feed(upstreams, START, count=9, failing=9)
    assert upstreams.due(START + 1, START + 1) == []


def test_told_on_change_renewed_and_taken_back() -> None:
    """Once; again in the second half of its life while it goes on; up once when it is over."""
    upstreams = Upstreams("acme", Answerers())
    heard = []
    for second in range(0, 120, 5):
        feed(upstreams, START + second, failing=20 if second < 60 else 0)
        heard += [(second, value) for _, value in told(upstreams, START + second + 1)]
    assert heard == [(0, "down"), (30, "down"), (60, "down"), (80, "up")]


def test_what_nobody_asks_is_left_to_expire() -> None:
    """A server that is passed over shows nothing: its signal ends, traffic flows, and it is found again."""
    upstreams = Upstreams("acme", Answerers())
    feed(upstreams, START, failing=20)
    assert told(upstreams, START + 1) == [("192.0.2.53:53", "down")]
    assert [told(upstreams, START + second) for second in (35, 61, 200)] == [[], [], []]
    feed(upstreams, START + 300, failing=20)
    assert told(upstreams, START + 301) == [("192.0.2.53:53", "down")]


def test_latency_is_told_when_it_moves() -> None:
    """The median in milliseconds; jitter within half of it is no news."""
    upstreams = Upstreams("acme", Answerers())
    heard = []
    for second, took_us in ((0, 20_000), (2, 25_000), (4, 16_000), (40, 60_000), (42, 60_000)):
        feed(upstreams, START + second, took_us=took_us, server=OTHER)
        heard += told(upstreams, START + second + 1, "latency")
    assert [subject for subject, _ in heard] == ["[2001:db8::1]:853"] * 2
    assert [float(value) for _, value in heard] == [pytest.approx(20, rel=0.05), pytest.approx(60, rel=0.05)]
    feed(upstreams, START + 43 + LIFE["latency"] / 2, took_us=60_000, server=OTHER)
    assert told(upstreams, START + 44 + LIFE["latency"] / 2, "latency") == heard[1:]


def test_signals_say_whose_they_are_and_why() -> None:
    """Tenant, expiry and the figures behind it; through the door that agents use."""
    state = TenantState("acme")
    events = [event(START, f"d{number}.test", number, rcode="SERVFAIL", upstream=ONE) for number in range(20)]
    found = state.update(batch(events), START + 1)
    (signal,) = [one for one in found.signals if one.kind == "health"]
    assert isinstance(signal, ContextSignal)
    assert (signal.tenant, signal.source, signal.value) == ("acme", "upstreams", "down")
    assert signal.reason == "20 of 20 queries failed, half were answered within 0.0 ms"
    assert signal.expires.timestamp() == START + 1 + LIFE["health"]


def test_servers_are_bounded() -> None:
    """However many are named, so many are watched."""
    upstreams = Upstreams("acme", Answerers())
    for number in range(MAX_SERVERS + 5):
        feed(upstreams, START, failing=20, server=f"udp://10.0.0.{number}:53")
    assert len(told(upstreams, START + 1)) == MAX_SERVERS
