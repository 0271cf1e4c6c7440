"""UDP on loopback sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest
import pytest_asyncio
from dnslib import DNSRecord

from resolver.listeners.udp import UdpListener, bind_udp
from resolver.tenants import Arrival
from tests.patience import PROCESS_S
from tests.resolver.path import Path, ask, texts


class Served:
    """A path behind a real socket; of another one too, when it is given, which comes in by a named listener."""

    def __init__(self, path: Path | None = None, listener: str = "") -> None:
        self.path = path or Path()
        bound = bind_udp("127.0.0.1", 0)
        self.port = bound.getsockname()[1]
        of = self.path
        self.listener = UdpListener(bound, of.handler, of.fastpath, of.store, of.offer, of.clock, Arrival(listener))
        self.listener.start()

    def client(self, address: str = "127.0.1.1") -> socket.socket:
        """A connected, non-blocking socket of a client."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind((address, 0))
        client.connect(("127.0.0.1", self.port))
        client.setblocking(False)
        return client


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    """A listener that is closed after the test."""
    served = Served()
    yield served
    await served.listener.close()


async def exchange(client: socket.socket, message: bytes) -> DNSRecord:
    """Send and wait for the answer."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, message)
    async with asyncio.timeout(PROCESS_S):
        return DNSRecord.parse(await loop.sock_recv(client, 65535))


async def until(condition: Callable[[], bool]) -> None:
    """Poll until something holds."""
    async with asyncio.timeout(PROCESS_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_upstream_cache_and_fast_path(served: Served) -> None:
    """The same question thrice: from upstream, from the cache, from the fast path; one event each, all answered alike."""
    with served.client() as client:
        answers = [await exchange(client, ask("www.example.org", ident=ident)) for ident in (1, 2, 3, 4)]
    assert [answer.header.id for answer in answers] == [1, 2, 3, 4]
    assert {tuple(texts(answer.rr)) for answer in answers} == {("www.example.org. 300 A 192.0.2.1",)}
    assert [event.answer_source for event in served.path.events] == ["upstream", "cache", "cache", "cache"]
    assert served.path.events[2] is served.path.events[3]


async def test_tenants_by_address(served: Served) -> None:
    """Clients are told apart by their address, on the fast path too."""
    seen = []
    for _ in range(3):
        for address in ("127.0.1.1", "127.0.2.1", "127.0.9.1"):
            with served.client(address) as client:
                answer = await exchange(client, ask("portal.internal"))
                seen.append((answer.header.rcode, [str(record.rdata) for record in answer.rr]))
    assert seen == [(0, ["10.1.0.1", "10.1.0.2"]), (0, ["10.2.0.1"]), (5, [])] * 3


async def test_listeners_are_not_mixed(served: Served) -> None:
    """The same client with the same bytes at two listeners is two tenants' client, on the fast path too."""
    served.path.apply("""
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: globex}
spec: {default: allow, clients: [{subnets: [127.0.2.0/24]}, {listeners: [edge]}]}
""")
    edge = Served(served.path, "edge")
    seen = []
    for _ in range(4):
        for here in (served, edge):
            with here.client() as client:
                answer = await exchange(client, ask("portal.internal"))
                seen.append([str(record.rdata) for record in answer.rr])
    await edge.listener.close()
    assert seen == [["10.1.0.1", "10.1.0.2"], ["10.2.0.1"]] * 4
    assert [(len(served.path.fastpath.table(name))) for name in ("", "edge")] == [1, 1]


async def test_limits_hold_on_the_fast_path(served: Served) -> None:
    """A known answer is given as often as the limit says; what is over it is truncated or dropped, and the next tenant is served."""
    served.path.apply("""
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec: {default: allow, clients: [{subnets: [127.0.1.0/24]}], limits: {clientQueriesPerSecond: 10, slip: 4}}
""")
    with served.client() as client, served.client("127.0.2.1") as other:
        for ident in range(50):
            client.send(ask("portal.internal", ident=ident))
        found: list[DNSRecord] = []
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PROCESS_S):
            while len(found) < 20:
                found.append(DNSRecord.parse(await loop.sock_recv(client, 4096)))
        assert (await exchange(other, ask("portal.internal"))).header.rcode == 0
        with pytest.raises(BlockingIOError):
            client.recv(512)
    found.sort(key=lambda answer: answer.header.id)  # who is turned away need not wait for the answers of others
    assert [answer.header.tc for answer in found] == [0] * 10 + [1] * 10
    assert [answer.header.id for answer in found] == [*range(10), *range(13, 50, 4)]
    assert list(served.path.meters.turned_away()) == [("acme", "client", "dropped", 30), ("acme", "client", "truncated", 10)]
    assert sum(event.answer_source == "limit" for event in served.path.events) == 1


async def test_a_swap_voids_the_fast_path(served: Served) -> None:
    """The next datagram after a swap is decided by the new policy."""
    with served.client() as client:
        for _ in range(3):
            assert (await exchange(client, ask("portal.internal"))).header.rcode == 0
        served.path.apply("""
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: late}
spec: {tier: platform, rules: [{name: shut, match: {qname: [portal.internal]}, action: deny}]}
""")
        assert (await exchange(client, ask("portal.internal"))).header.rcode == 3


async def test_a_burst_longer_than_one_wake_up(served: Served) -> None:
    """More datagrams than one wake-up drains are all answered, each with its id."""
    with served.client() as client:
        for ident in range(300):
            client.send(ask("portal.internal", ident=ident))
        found: set[int] = set()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PROCESS_S):
            while len(found) < 300:
                found.add(int.from_bytes((await loop.sock_recv(client, 4096))[:2], "big"))
    assert found == set(range(300))
    assert len(served.path.events) == 300


async def test_a_known_answer_does_not_wait(served: Served) -> None:
    """What came behind forty queries of another tenant that nothing is known about is answered before the first of them."""
    with served.client() as many, served.client("127.0.2.1") as client:
        for ident in range(3):
            await exchange(client, ask("portal.internal", ident=ident))
        served.path.events.clear()
        for number in range(40):
            many.send(ask(f"n{number}.example.org"))
        client.send(ask("portal.internal", ident=9))
        await until(lambda: len(served.path.events) == 41)
    assert served.path.events[0].tenant == "globex"


async def test_tenants_take_turns(served: Served) -> None:
    """Of those nothing is known about, one of each tenant after the other: a tenant's second query goes before another's fortieth."""
    with served.client() as many, served.client("127.0.2.1") as client:
        for number in range(40):
            many.send(ask(f"n{number}.example.org"))
        for number in range(2):
            client.send(ask(f"m{number}.example.org"))
        await until(lambda: len(served.path.events) == 42)
    assert [event.tenant for event in served.path.events][:5].count("globex") == 2


async def test_work_is_done_in_turns(served: Served) -> None:
    """While many queries are worked off, one by one here, the socket is looked at in between: what is known is answered then."""
    def soon() -> int:
        served.path.now += 0.001
        return served.path.clock()

    with served.client() as many, served.client("127.0.2.1") as client:
        for ident in range(3):
            await exchange(client, ask("portal.internal", ident=ident))
        served.path.events.clear()
        served.listener._clock = soon
        for number in range(40):
            many.send(ask(f"n{number}.example.org"))
        served.listener._drain()
        client.send(ask("portal.internal", ident=9))
        await until(lambda: len(served.path.events) == 41)
    assert served.path.events[0].tenant == "globex"
    assert len(served.listener.backlog) == 0


async def test_a_client_that_is_gone(served: Served) -> None:
    """Answers to closed ports come back as ICMP errors; the listener serves on."""
    for _ in range(20):
        with served.client() as client:
            client.send(ask("portal.internal"))
    await until(lambda: len(served.path.events) >= 20)
    with served.client() as client:
        assert (await exchange(client, ask("portal.internal"))).header.rcode == 0


async def test_garbage(served: Served) -> None:
    """Random and mutated datagrams are survived, responses are never answered, and good queries get through between."""
    random = Random(7)
    with served.client() as noisy, served.client() as client:
        for number in range(2000):
            packet = bytearray(random.randbytes(random.randrange(80)) if number % 2 else ask("www.example.org", edns=True))
            for _ in range(random.randrange(4) if packet else 0):
                packet[random.randrange(len(packet))] = random.randrange(256)
            noisy.send(packet)
            if number % 100 == 0:
                assert (await exchange(client, ask("portal.internal", ident=number))).header.id == number
        noisy.send(b"\0\1\x81\x80" + bytes(20))
        assert (await exchange(client, ask("portal.internal", ident=9))).header.id == 9


async def test_nothing_is_answered_that_is_a_response(served: Served) -> None:
    """A datagram with QR set gets silence."""
    with served.client() as client:
        client.send(b"\0\1\x81\x80" + ask("portal.internal")[4:])
        assert (await exchange(client, ask("portal.internal", ident=5))).header.id == 5
        with pytest.raises(BlockingIOError):
            client.recv(512)
    assert served.path.handler.ignored == 1


async def test_close_ends_what_waits(served: Served) -> None:
    """Closing cancels queries that still wait for upstream and frees the port."""
    waits = asyncio.Event()

    async def never(*_: object) -> tuple[bytes, str, int]:
        waits.set()
        await asyncio.Event().wait()
        raise AssertionError

    served.path.upstream.query = never  # type: ignore[method-assign]
    with served.client() as client:
        client.send(ask("www.example.org"))
        async with asyncio.timeout(PROCESS_S):
            await waits.wait()
        await served.listener.close()
        assert served.path.handler.in_flight.total == 0
    bind_udp("127.0.0.1", served.port).close()


async def test_close_ends_what_was_not_begun(served: Served, recwarn: pytest.WarningsRecorder) -> None:
    """Closing right after queries were read leaves none of them half begun: no task, no coroutine, nothing in flight."""
    with served.client() as client:
        for number in range(200):
            client.send(ask(f"n{number}.example.org"))
        served.listener._drain()
        assert served.listener._waiting
        await served.listener.close()
    assert not served.listener.backlog
    assert not served.listener._waiting
    assert served.path.handler.in_flight.total == 0
    gc.collect()
    assert [str(warning.message) for warning in recwarn if "never awaited" in str(warning.message)] == []


def test_workers_share_a_port() -> None:
    """Two sockets may be bound to one port with SO_REUSEPORT; an address that is not ours is an error."""
    with bind_udp("127.0.0.1", 0) as first, bind_udp("127.0.0.1", first.getsockname()[1]) as second:
        assert first.getsockname() == second.getsockname()
    with pytest.raises(OSError, match="assign"):
        bind_udp("192.0.2.1", 0)
