"""Queries over a limit, on the whole path: what the client gets, what is counted, what becomes an event."""

from __future__ import annotations

import asyncio

import pytest
from dnslib import QTYPE, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from resolver.excess import truncated
from resolver.limits import InFlight
from resolver.policy.compiler import verify
from schemas.tenant_spec import Limits
from tests.resolver.path import Path, ask, ede_of
from tests.resolver.policy.written import objects

TENANTS = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec: {{default: allow, clients: [{{subnets: [127.0.1.0/24]}}], upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}], limits: {limits}}}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: globex}}
spec: {{default: allow, clients: [{{subnets: [127.0.2.0/24]}}], upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}]}}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: portal}}
spec: {{name: portal.internal, records: [{{type: A, data: 10.1.0.1}}]}}
"""


def limited(limits: str = "{clientQueriesPerSecond: 2, slip: 2}", **options: object) -> Path:
    """A path whose tenant acme has these limits."""
    return Path(TENANTS.format(limits=limits), **options)  # type: ignore[arg-type]


def shape(answer: bytes | None) -> str:
    """What an answer is: its address, ``TC`` or its rcode; ``-`` for silence."""
    if answer is None:
        return "-"
    parsed = DNSRecord.parse(answer)
    return "TC" if parsed.header.tc else str(parsed.rr[0].rdata) if parsed.rr else f"rcode {parsed.header.rcode}"


async def test_every_nth_is_truncated_the_rest_is_dropped() -> None:
    """Over UDP, for the client over its limit alone; a second later it is served again."""
    path = limited()
    message = ask("portal.internal")
    assert [shape(await path.raw(message)) for _ in range(7)] == ["10.1.0.1", "10.1.0.1", "-", "TC", "-", "TC", "-"]
    assert shape(await path.raw(message, "127.0.1.2")) == "10.1.0.1"
    path.now += 1
    assert [shape(await path.raw(message)) for _ in range(3)] == ["10.1.0.1", "10.1.0.1", "TC"]


async def test_tcp_is_refused_with_a_reason() -> None:
    """Over TCP a real client has a rate of its own, and is told when that is used up too."""
    path = limited()
    message = ask("portal.internal", edns=True)
    for _ in range(4):
        await path.raw(message)
    answers = [await path.raw(message, transport="tcp") for _ in range(3)]
    assert [shape(answer) for answer in answers] == ["10.1.0.1", "10.1.0.1", "rcode 5"]
    assert answers[2] is not None
    assert ede_of(DNSRecord.parse(answers[2])) == (0, "too many queries")
    fresh = limited()
    for _ in range(3):
        await fresh.raw(message, transport="tcp")
    event = fresh.events[-1]
    assert (event.answer_source, event.rcode, event.ede_text) == ("limit", "REFUSED", "too many queries")


async def test_one_tenant_over_its_limit_is_no_matter_of_another() -> None:
    """The bucket of the tenant is shared by its clients and by nobody else."""
    path = limited("{queriesPerSecond: 3, slip: 0}")
    message = ask("portal.internal")
    said = [shape(await path.raw(message, f"127.0.1.{number}")) for number in range(1, 6)]
    assert said == ["10.1.0.1"] * 3 + ["-"] * 2
    assert [shape(await path.raw(message, "127.0.2.1")) for _ in range(20)] == ["10.1.0.1"] * 20


async def test_all_are_counted_few_are_told() -> None:
    """Events are a sample, marked with the limit; the counts are exact."""
    path = limited("{queriesPerSecond: 1, slip: 4}")
    for _ in range(401):
        await path.raw(ask("portal.internal"))
    told = [event for event in path.events if event.answer_source == "limit"]
    assert [(event.tenant, event.client, event.verdict, event.tags, event.rcode, event.qname) for event in told] == [
        ("acme", "clear:127.0.1.1", "deny", ("limit-tenant",), "", "portal.internal")
    ]
    assert len(path.events) == 2
    assert list(path.meters.turned_away()) == [("acme", "tenant", "dropped", 300), ("acme", "tenant", "truncated", 100)]


async def test_unknown_clients_have_a_limit_each() -> None:
    """Their refusals are bounded: what is above is dropped, never truncated, and says nothing else over TCP."""
    path = limited(unknown=Limits(client_queries_per_second=2, slip=0))
    message = ask("portal.internal", edns=True)
    assert [shape(await path.raw(message, "127.0.9.1")) for _ in range(4)] == ["rcode 5", "rcode 5", "-", "-"]
    assert shape(await path.raw(message, "127.0.9.2")) == "rcode 5"
    refused = {await path.raw(message, "127.0.9.1", transport="tcp") for _ in range(4)}
    assert len(refused) == 1
    assert list(path.meters.turned_away()) == [("", "client", "dropped", 2), ("", "client", "refused", 2)]


async def test_garbage_counts_too() -> None:
    """What is no query uses up the limit like one, and is never answered beyond it."""
    path = limited("{clientQueriesPerSecond: 1, slip: 1}")
    await path.raw(b"")
    for message in (b"", b"\0" * 11, b"\0\1\x81\x80" + ask("portal.internal")[4:], ask("portal.internal")[:20]):
        assert await path.raw(message) is None
        assert await path.raw(message, transport="tcp") in {None, b""} or message[2:4] == b"\1\0"


async def test_limits_change_with_policy() -> None:
    """New limits hold for the next query; taken away, nothing is turned away any more."""
    path = limited("{clientQueriesPerSecond: 1, slip: 0}")
    message = ask("portal.internal")
    assert [shape(await path.raw(message)) for _ in range(2)] == ["10.1.0.1", "-"]
    path.apply(TENANTS.format(limits="{clientQueriesPerSecond: 3, slip: 1}"))
    assert [shape(await path.raw(message)) for _ in range(4)] == ["10.1.0.1"] * 3 + ["TC"]
    path.apply(TENANTS.format(limits="{}"))
    assert [shape(await path.raw(message)) for _ in range(9)] == ["10.1.0.1"] * 9


async def test_in_flight_of_a_tenant() -> None:
    """Beyond its limit a tenant gets SERVFAIL, as when the worker is full; others are asked for on."""
    path = limited("{inFlight: 2}")
    go = asyncio.Event()
    answer = path.upstream.query

    async def wait(*args: object, **named: object) -> tuple[bytes, str, int]:
        await go.wait()
        return await answer(*args, **named)  # type: ignore[arg-type]

    path.upstream.query = wait  # type: ignore[method-assign]
    tasks = [asyncio.ensure_future(path.get(f"a{n}.example.org", edns=True)) for n in range(4)]
    other = asyncio.ensure_future(path.get("b.example.org", client="127.0.2.1"))
    await asyncio.sleep(0)
    assert path.handler.in_flight.total == 3
    go.set()
    found = [(answer.header.rcode, ede_of(answer)) for answer in await asyncio.gather(*tasks)]
    assert found == [(3, None)] * 2 + [(2, (0, "too many queries in flight"))] * 2
    assert (await other).header.rcode == 3
    assert path.handler.in_flight.total == 0


async def test_a_tenant_without_a_limit_cannot_take_all() -> None:
    """Of the worker's bound a flood leaves a part to everybody else."""
    path = limited("{}")
    path.handler.in_flight = InFlight(9)
    go = asyncio.Event()

    async def wait(*_: object) -> tuple[bytes, str, int]:
        await go.wait()
        raise AssertionError

    path.upstream.query = wait  # type: ignore[method-assign]
    flood = [asyncio.ensure_future(path.get(f"a{n}.example.org")) for n in range(30)]
    await asyncio.sleep(0)
    assert sum(task.done() for task in flood) == 22
    quiet = asyncio.ensure_future(path.get("b.example.org", client="127.0.2.1"))
    await asyncio.sleep(0)
    assert not quiet.done()
    for task in (*flood, quiet):
        task.cancel()
    await asyncio.gather(*flood, quiet, return_exceptions=True)


async def test_cached_entries_of_a_tenant() -> None:
    """`caching.entries` bounds what one tenant remembers, whatever room there is."""
    path = Path(TENANTS.format(limits="{}").replace("limits: {}", "caching: {entries: 3}"))
    for number in range(10):
        await path.get(f"a{number}.example.org")
        await path.get(f"a{number}.example.org", client="127.0.2.1")
    assert path.caches.entries == 3 + 10


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("{burst: 5}", "spec.limits.burst: expected queriesPerSecond beside it: a burst without a rate limits nothing"),
        (
            "{queriesPerSecond: 5, clientBurst: 5}",
            "spec.limits.clientBurst: expected clientQueriesPerSecond beside it: a burst without a rate limits nothing",
        ),
    ],
)
def test_a_burst_without_a_rate(limits: str, message: str) -> None:
    """It would limit nothing, which nobody means."""
    found = verify(objects(TENANTS.format(limits=limits)))
    assert [f"{problem.path}: {problem.message}" for problem in found] == [message]


def test_truncated_answers() -> None:
    """The question as asked, TC and RA, RD and CD as asked, an OPT record where there was one, DO as asked."""
    for edns, do in ((False, False), (True, False), (True, True)):
        wire = truncated(ask("Portal.Internal", ident=4711, edns=edns, do=do))
        assert wire is not None
        answer = DNSRecord.parse(wire)
        assert (answer.header.id, answer.header.qr, answer.header.tc, answer.header.ra, answer.header.rd) == (4711, 1, 1, 1, 1)
        assert (str(answer.q.qname), answer.rr, answer.auth) == ("Portal.Internal.", [], [])
        opts = [(record.rclass, record.ttl >> 15 & 1) for record in answer.ar if record.rtype == QTYPE.OPT]
        assert opts == ([(1232, int(do))] if edns else [])


@given(st.binary(max_size=80))
def test_truncated_reads_anything(message: bytes) -> None:
    """Whatever comes: None, or an answer no longer than the query that a parser can read."""
    wire = truncated(message)
    assert wire is None or (len(wire) <= len(message) and DNSRecord.parse(wire).header.tc)


@given(st.data())
def test_truncated_reads_mutated_queries(data: st.DataObject) -> None:
    """Bytes changed at random: no error, and never more bytes than came."""
    message = bytearray(ask("portal.internal", edns=True))
    for place in data.draw(st.lists(st.integers(0, len(message) - 1), max_size=4)):
        message[place] = data.draw(st.integers(0, 255))
    wire = truncated(bytes(message))
    assert wire is None or (len(wire) <= len(message) and wire[:2] == message[:2] and wire[2] & 0x82 == 0x82)
