"""DNSSEC passes through: signatures, proofs and unknown types unharmed, a validating client validates through us."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from dnslib import EDNS0, DNSHeader, DNSRecord

from resolver.listeners.connection import StreamLimits
from resolver.listeners.stream import StreamListener, bind_tcp
from resolver.query import Query
from resolver.sections import decode_response
from resolver.wire import decode_query, encode_query
from tests import peers
from tests.patience import PROCESS_S
from tests.peers.signed import ZONE, SignedZone, running
from tests.resolver.answers.servers import OPT, upstream
from tests.resolver.answers.test_upstream_hostile import Resolver, message, record
from tests.resolver.listeners.test_udp import Served

TYPES = {"A": 1, "NS": 2, "SOA": 6, "AAAA": 28, "TXT": 16, "DNAME": 39, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3PARAM": 51, "TYPE65280": 65280}
CD, AD = 0x10, 0x20


@pytest.fixture(scope="module", params=["NSEC", "NSEC3"])
def zone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedZone]:
    """The signed zone, its names proven absent in either way."""
    with running(tmp_path_factory.mktemp("zone"), nsec3=request.param == "NSEC3") as made:
        yield made


async def on_one_port(path: Resolver) -> tuple[Served, socket.socket]:
    """A UDP listener, and a TCP socket on its port: one that is free for UDP may be taken for TCP."""
    while True:
        made = Served(path)
        try:
            return made, bind_tcp("127.0.0.1", made.port)
        except OSError:
            await made.listener.close()


@pytest.fixture
async def served(zone: SignedZone) -> AsyncIterator[Served]:
    """Us, in front of it, over UDP and TCP (by which delv asks where a DNAME is in the answer)."""
    path = Resolver(f"udp://127.0.0.1:{zone.port}", timeout=2000)
    made, bound = await on_one_port(path)
    stream = StreamListener(bound, path.handler.handle, path.clock, StreamLimits())
    await stream.start()
    yield made
    await asyncio.gather(made.listener.close(), stream.close())
    path.real.close()


async def delv(served: Served, zone: SignedZone, name: str, kind: str) -> str:
    """What a validating client says, asking us."""
    command = [
        peers.require("delv"), "@127.0.0.1", "-p", str(served.port), "-b", "127.0.1.1", "-a", str(zone.anchors), f"+root={ZONE}", name, kind
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    return said.decode()


@pytest.mark.parametrize(
    ("name", "kind", "verdict"),
    [
        ("www", "A", "; fully validated"),
        ("www", "AAAA", "; fully validated"),
        ("text", "TXT", "; fully validated"),
        ("odd", "TYPE65280", "; fully validated"),
        ("alias", "A", "; fully validated"),
        ("www.tree", "A", "; fully validated"),
        ("child", "DS", "; fully validated"),
        ("www", "MX", "; negative response, fully validated"),
        ("missing", "A", "; negative response, fully validated"),
    ],
)
async def test_a_validating_client_validates(served: Served, zone: SignedZone, name: str, kind: str, verdict: str) -> None:
    """Positive, by alias, negative: first from upstream, then from memory."""
    for _ in range(2):
        said = await delv(served, zone, f"{name}.{ZONE}", kind)
        assert verdict in said, said
    assert "cache" in {event.answer_source for event in served.path.events}


async def test_a_client_that_validates_notices_a_forgery(zone: SignedZone) -> None:
    """We are not what makes it valid: with one octet of an address changed on the way validation fails."""
    real = Resolver(f"udp://127.0.0.1:{zone.port}", timeout=2000)

    def forge(query: bytes, _transport: str) -> bytes:
        response = DNSRecord.parse(query).send("127.0.0.1", zone.port, timeout=2)
        return bytes(response).replace(bytes([192, 0, 2, 1]), bytes([192, 0, 2, 66]))

    async with upstream(forge) as one:
        served = Served(Resolver(one.server().url, timeout=2000))
        said = await delv(served, zone, f"www.{ZONE}", "A")
        await served.listener.close()
    assert "fully validated" not in said
    assert "resolution failed" in said
    real.real.close()


def _query(name: str, kind: str, *, flags: int = 0x0100, do: bool = True) -> bytes:
    asked = DNSRecord(DNSHeader(id=7, bitmap=flags, q=1))
    asked.add_question(DNSRecord.question(name).q)
    asked.q.qtype = TYPES[kind]
    asked.add_ar(EDNS0(flags="do" if do else "", udp_len=1232))
    return bytes(asked.pack())


def _body(wire: bytes, query: Query) -> tuple[int, bytes]:
    """Rcode, and everything between question and OPT."""
    return wire[3] & 15, decode_response(wire, query).body


@pytest.mark.parametrize("name", ["", "www.", "odd.", "tree.", "child.", "missing.", "a.wild."])
async def test_every_octet_comes_through(served: Served, zone: SignedZone, name: str) -> None:
    """What the server says to a DO query for any type is what the client gets, records and compression alike."""
    for kind in TYPES:
        if (name, kind) == ("", "DS"):
            continue  # the parent's, which is not here
        wire = _query(name + ZONE, kind)
        query, _ = decode_query(wire)
        async with asyncio.timeout(PROCESS_S):
            direct = await ask_udp(zone.port, encode_query(query))
        ours = await served.path.raw(wire)
        assert ours is not None
        assert _body(ours, query) == _body(direct, query), kind
        assert ours[-11:] == b"\0\0\x29\x04\xd0\0\0\x80\0\0\0", "OPT stands last, DO in it"


async def ask_udp(port: int, wire: bytes) -> bytes:
    """One exchange with a server."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", port))
        await loop.sock_sendall(client, wire)
        return await loop.sock_recv(client, 65535)


async def test_without_do_no_signatures(served: Served) -> None:
    """DO is handed on, and its absence too; the two answers are remembered apart."""
    for do, answers in ((True, 2), (False, 1), (True, 2)):
        wire = await served.path.raw(_query(f"www.{ZONE}", "A", do=do))
        assert wire is not None
        assert wire[7] == answers


@pytest.mark.parametrize(
    ("flags", "do", "shown"),
    [(0x0100, False, False), (0x0100 | AD, False, True), (0x0100, True, True), (0x0100 | CD, False, False)],
    ids=["plain", "AD", "DO", "CD"],
)
async def test_who_sees_ad(flags: int, do: bool, shown: bool) -> None:
    """AD of upstream is shown to who asked for it by AD or DO (RFC 6840 sections 5.7, 5.8), from memory and fast path too."""
    async with upstream(lambda q, _t: message(q, record() + OPT, counts=(1, 0, 1), flags=0x81A0)) as one:
        served = Served(Resolver(one.server().url, timeout=2000))
        with served.client() as client:
            for _ in range(3):
                await asyncio.get_running_loop().sock_sendall(client, _query("www.example.com", "A", flags=flags, do=do))
                wire = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5)
                assert bool(wire[3] & AD) == shown
        assert len(one.asked) == 1
        await served.listener.close()


@pytest.mark.parametrize(("flags", "do"), [(0x0100, False), (0x0100 | CD, False), (0x0100, True), (0x0100 | CD, True)])
async def test_do_and_cd_are_handed_on(flags: int, do: bool) -> None:
    """Upstream sees both as the client set them, and is always asked for AD."""
    async with upstream(lambda q, _t: message(q, record() + OPT, counts=(1, 0, 1))) as one:
        resolver = Resolver(one.server().url, timeout=2000)
        wire = await resolver.raw(_query("www.example.com", "A", flags=flags, do=do))
        assert wire is not None
        [(_, asked, _)] = one.asked
        assert (asked[3] & CD, asked[3] & AD, bool(asked[-4] & 0x80)) == (flags & CD, AD, do)
        assert wire[3] & CD == flags & CD
        resolver.real.close()
