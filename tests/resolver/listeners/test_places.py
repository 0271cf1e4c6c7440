"""Several places of one worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from resolver.listeners.places import BindError, Listeners, Place, bind_places
from resolver.listeners.stream import StreamLimits, StreamListener
from resolver.listeners.udp import UdpListener
from resolver.tenants import Arrival
from tests import peers
from tests.patience import PROCESS_S
from tests.peers.ports import free_port
from tests.resolver.path import Path


def test_a_place_that_is_taken() -> None:
    """The error names protocol, place and listener; what was bound before is free again."""
    first, second = free_port(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", second))
        taken.listen()
        with pytest.raises(BindError) as caught:
            bind_places([Place("127.0.0.1", first), Place("127.0.0.1", second, "edge")])
    assert str(caught.value) == f"tcp port 127.0.0.1:{second} of listener edge cannot be bound: address already in use"
    with socket.create_server(("127.0.0.1", first)):
        pass


def test_each_place_has_both_protocols() -> None:
    """UDP and TCP on the same port."""
    places = [Place("127.0.0.1", free_port()), Place("127.0.0.1", free_port(), "edge")]
    for place, udp, tcp in bind_places(places):
        with udp, tcp:
            assert udp.getsockname() == tcp.getsockname() == (place.address, place.port)
            assert (udp.type, tcp.type) == (socket.SOCK_DGRAM, socket.SOCK_STREAM)


LIMITED = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec: {default: allow, clients: [{subnets: [127.0.1.0/24]}], limits: {clientQueriesPerSecond: 1, slip: 1}}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: branch}
spec: {default: allow, clients: [{listeners: [edge]}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: portal-acme}
spec: {name: portal.internal, tenants: [acme], records: [{type: A, data: 10.1.0.1}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: portal-branch}
spec: {name: portal.internal, tenants: [branch], records: [{type: A, data: 10.2.0.1}]}
"""


@pytest_asyncio.fixture
async def ports() -> AsyncIterator[dict[str, int]]:
    """A path behind two places, by name; both are closed after the test."""
    path, udp, tcp = Path(LIMITED), [], []
    places = [Place("127.0.0.1", free_port()), Place("127.0.0.1", free_port(), "edge")]
    for place, datagrams, stream in bind_places(places):
        arrival = Arrival(place.name)
        udp.append(UdpListener(datagrams, path.handler, path.fastpath, path.store, path.offer, path.clock, arrival))
        tcp.append(StreamListener(stream, partial(path.handler.handle, arrival=arrival), path.clock, StreamLimits()))
    listeners = Listeners(udp, tcp)
    await listeners.start()
    yield {place.name: place.port for place in places}
    await listeners.close()


async def dig(port: int, *options: str) -> str:
    """What dig prints for the portal."""
    command = (peers.require("dig"), "-b", "127.0.1.1", "-p", str(port), "@127.0.0.1", "portal.internal", *options)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PROCESS_S):
        return (await process.communicate())[0].decode()


async def test_dig_comes_back_over_tcp(ports: dict[str, int]) -> None:
    """A client over its limit is told to use TCP, does, and is answered; told again, it is refused with the reason."""
    assert "10.1.0.1" in await dig(ports[""], "+short", "+tries=1")
    retried = await dig(ports[""], "+tries=1")
    assert "Truncated, retrying in TCP mode" in retried
    assert "10.1.0.1" in retried
    assert "(TCP)" in retried
    refused = await dig(ports[""], "+tries=1")
    assert "status: REFUSED" in refused
    assert "EDE: 0 (Other): (too many queries)" in refused


async def test_the_listener_says_whose_client_it_is(ports: dict[str, int]) -> None:
    """The same client at a listener that another tenant claims, over both protocols."""
    for protocol in ("+notcp", "+tcp"):
        assert await dig(ports["edge"], "+short", protocol) == "10.2.0.1\n"
