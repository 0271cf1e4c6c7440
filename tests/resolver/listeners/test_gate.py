"""Floods against one socket on loopback: kept away by the kernel, counted to the last datagram, let in when they end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from itertools import cycle

import pytest
import pytest_asyncio
from dnslib import DNSRecord

from resolver.listeners import gate
from resolver.listeners.udp import UdpListener, bind_udp
from resolver.tenants import PLAIN
from tests.resolver.listeners.test_udp import exchange
from tests.resolver.path import Path, ask

pytestmark = pytest.mark.skipif(not gate.sys.platform.startswith("linux"), reason="the packet filter is Linux's")

POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: flood}}
spec: {{default: allow, clients: [{{subnets: [127.0.1.0/24, "::1"]}}], limits: {limits}}}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: quiet}}
spec: {{default: allow, clients: [{{subnets: [127.0.2.0/24, 127.0.1.64/26]}}]}}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: portal}}
spec: {{name: portal.internal, records: [{{type: A, data: 10.1.0.1}}]}}
"""
CLIENT, TENANT = "{clientQueriesPerSecond: 100}", "{queriesPerSecond: 100}"
MESSAGE = ask("portal.internal", ident=7)


class Flooded:
    """A listener, and whoever floods it."""

    def __init__(self, limits: str, address: str = "127.0.0.1") -> None:
        self.path = Path(POLICY.format(limits=limits))
        self.bound = bind_udp(address, 0)
        of = self.path
        self.listener = UdpListener(self.bound, of.handler, of.fastpath, of.store, of.offer, of.clock, PLAIN)
        self.gate = self.listener.gate
        self.listener.start()
        self.clients: list[socket.socket] = []
        self.came: list[bytes] = []
        self.sent = 0

    def client(self, address: str) -> socket.socket:
        """A connected, non-blocking socket."""
        client = socket.socket(self.bound.family, socket.SOCK_DGRAM)
        client.bind((address, 0))
        client.connect(self.bound.getsockname()[:2])
        client.setblocking(False)
        self.clients.append(client)
        return client

    async def flood(self, addresses: list[str], ends: Callable[[], bool]) -> None:
        """Some 20,000 queries a second until something holds; what comes back is kept."""
        clients = [self.client(address) for address in addresses]
        turns = cycle(clients)
        async with asyncio.timeout(10):
            while not ends():
                for _ in range(40):
                    next(turns).send(MESSAGE)
                    self.sent += 1
                await asyncio.sleep(0.002)
                self.take(clients)

    def take(self, clients: list[socket.socket]) -> None:
        """Read what came, so that nothing is lost for want of room."""
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.came.append(client.recv(65535))

    @property
    def answers(self) -> list[DNSRecord]:
        """What came back to those who flood."""
        self.take(self.clients)
        return [DNSRecord.parse(answer) for answer in self.came]

    async def asked(self, address: str, times: int = 20) -> int:
        """How many of so many queries of a client are answered with data."""
        client = self.client(address)
        answers = [await exchange(client, MESSAGE) for _ in range(times)]
        self.sent += times
        return sum(bool(answer.rr) for answer in answers)

    @property
    def read(self) -> int:
        """Queries that came through: answered, truncated, dropped."""
        return len([event for event in self.path.events if event.answer_source != "limit"]) + self.turned_away

    @property
    def turned_away(self) -> int:
        """Of these, over a limit."""
        return sum(count for *_, count in self.path.meters.turned_away())

    @property
    def done(self) -> Counter[tuple[str, str]]:
        """What was done with the queries of the flooding tenant that were over a limit."""
        meter = self.path.meters.of(self.path.store.current.askers.entries["127.0.1.1"])
        assert meter is not None
        return meter.turned_away

    def filtered(self) -> bool:
        """Whether a filter is in force, and has something to show for it."""
        return self.gate.sources > 0 and self.gate.filtered > 1000

    async def settled(self) -> None:
        """Everything sent is accounted for, and nothing twice: there is nowhere else to be lost on loopback."""
        async with asyncio.timeout(5):
            while self.read + self.gate.filtered + self.gate.overflowed < self.sent:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.005)
        assert self.read + self.gate.filtered + self.gate.overflowed == self.sent
        assert self.gate.overflowed == 0

    async def free(self) -> None:
        """Nothing is filtered any more."""
        async with asyncio.timeout(5):
            while self.gate.sources:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.005)


@pytest_asyncio.fixture(name="flooded")
async def running() -> AsyncIterator[Callable[..., Flooded]]:
    """Makes listeners that are closed after the test."""
    made: list[Flooded] = []

    def make(limits: str = CLIENT, address: str = "127.0.0.1") -> Flooded:
        made.append(Flooded(limits, address))
        return made[-1]

    yield make
    for one in made:
        await one.listener.close()
        for client in one.clients:
            client.close()


async def test_a_flood_is_kept_away_and_counted(flooded: Callable[..., Flooded]) -> None:
    """What the limit grants is answered, some of the rest truncated, and answered + truncated + dropped are what was sent."""
    at = flooded()
    await at.flood(["127.0.1.1"], at.filtered)
    await at.settled()
    came = at.answers
    assert sum(bool(answer.rr) for answer in came) == 100
    assert sum(bool(answer.header.tc) for answer in came) == at.done["client", "truncated"] > 100
    assert at.gate.filtered > at.sent // 4


async def test_more_of_what_is_read_is_truncated_while_it_is_filtered(flooded: Callable[..., Flooded]) -> None:
    """A query that comes through stands for those that did not: nearly all over the limit are truncated then."""
    at = flooded()
    await at.flood(["127.0.1.1"], at.filtered)
    await at.settled()
    before, start = at.done.copy(), at.sent
    await at.flood(["127.0.1.1"], lambda: at.sent - start >= 4000 and at.gate.sources > 0)
    await at.settled()
    more = at.done - before
    assert more["client", "dropped"] < more["client", "truncated"]


async def test_others_are_answered_throughout(flooded: Callable[..., Flooded]) -> None:
    """A client of another tenant at the same socket, and one of the same tenant, while the flood is filtered."""
    at = flooded()
    end = asyncio.Event()
    flood = asyncio.create_task(at.flood(["127.0.1.1"], end.is_set))
    async with asyncio.timeout(10):
        while not at.filtered():  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.005)
    assert [await at.asked(address) for address in ("127.0.2.1", "127.0.1.2")] == [20, 20]
    end.set()
    await flood
    await at.settled()


async def test_it_is_released_when_it_calms_down(flooded: Callable[..., Flooded]) -> None:
    """Then it is a client like any other."""
    at = flooded()
    await at.flood(["127.0.1.1"], at.filtered)
    await at.free()
    at.path.now += 1
    assert await at.asked("127.0.1.1", 50) == 50
    await at.settled()


async def test_a_limit_raised_by_policy_releases_it(flooded: Callable[..., Flooded]) -> None:
    """Though it floods on: by the new limit it does not."""
    at = flooded()
    await at.flood(["127.0.1.1"], at.filtered)
    at.path.apply(POLICY.format(limits="{clientQueriesPerSecond: 1000000}"))
    await at.flood(["127.0.1.1"], lambda: not at.gate.sources)
    await at.settled()
    filtered, start = at.gate.filtered, at.sent
    await at.flood(["127.0.1.1"], lambda: at.sent - start > 3000)
    await at.settled()
    assert at.gate.filtered == filtered


async def test_very_many_addresses_of_one_tenant(flooded: Callable[..., Flooded]) -> None:
    """The subnet is filtered but for the part of it that another tenant claims, whose clients are all answered."""
    at = flooded(TENANT)
    end = asyncio.Event()
    flood = asyncio.create_task(at.flood([f"127.0.1.{host}" for host in range(128, 254)], end.is_set))
    async with asyncio.timeout(10):
        while not at.filtered():  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.005)
    assert at.gate.sources == 2
    assert [await at.asked(address) for address in ("127.0.2.1", "127.0.1.70")] == [20, 20]
    end.set()
    await flood
    await at.settled()
    await at.free()


async def test_ipv6(flooded: Callable[..., Flooded]) -> None:
    """The same on an IPv6 socket."""
    at = flooded(CLIENT, "::1")
    await at.flood(["::1"], at.filtered)
    await at.settled()
    assert sum(bool(answer.rr) for answer in at.answers) == 100


@pytest.mark.parametrize("lacking", ["the system", "the counter", "the filter"])
async def test_where_there_is_no_filter(
    flooded: Callable[..., Flooded], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, lacking: str
) -> None:
    """Everything is read and counted one by one; where the kernel refuses, one line says so."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if lacking == "the system":
        monkeypatch.setattr(gate.sys, "platform", "darwin")
    elif lacking == "the counter":
        monkeypatch.setattr(gate, "_MEMORY", 9999)
    else:
        monkeypatch.setattr(gate, "_attach", refuse)
    at = flooded()
    assert at.gate.works == (lacking == "the filter")
    await at.flood(["127.0.1.1"], lambda: at.sent > 6000)
    await at.settled()
    assert (at.gate.works, at.gate.filtered) == (False, 0)
    said = ["the kernel takes no packet filter, floods are read to their end: Operation not permitted"]
    assert [record.message for record in caplog.records] == (said if lacking == "the filter" else [])
