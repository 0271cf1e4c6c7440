"""What clients get when upstream answers as it should not, on real sockets; the table of README's section Upstreams.

Each way to misbehave is tried by a server that is the only one, and by one with a good server behind it.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from struct import pack

import pytest
from dnslib import QTYPE, RR, DNSRecord

from resolver.answers.upstream import Upstreams
from resolver.framing import frame
from resolver.names import name_wire
from resolver.resolution import Resolution
from tests.peers.ports import free_port
from tests.resolver.answers.servers import OPT, Behaviour, Upstream, upstream
from tests.resolver.path import Path, ask, ede_of, texts

POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  default: allow
  clients: [{{subnets: [127.0.1.0/24]}}]
  rebinding: {{mode: "off"}}
  upstreams: [{{servers: [{servers}], timeoutMs: {timeout}}}]
"""
QNAME = "www.example.com"
POINTER = b"\xc0\x0c"
GOOD = RR.fromZone(f"{QNAME}. 300 IN A 192.0.2.1")


class Resolver(Path):
    """The path of tests with real sockets to upstream."""

    def __init__(self, *urls: str, timeout: int = 100) -> None:
        super().__init__(POLICY.format(servers=", ".join(f'"{url}"' for url in urls), timeout=timeout))
        self.real = Upstreams()
        self.resolution = Resolution(self.caches, self.real, self.background, self.clock)
        self.handler._resolution = self.resolution

    async def asked(self, qname: str = QNAME, qtype: str = "A", transport: str = "udp") -> DNSRecord:
        """The answer to a client with EDNS."""
        try:
            answer = await self.raw(ask(qname, qtype, edns=True), transport=transport)
        finally:
            self.real.close()
        assert answer is not None
        return DNSRecord.parse(answer)


def record(data: bytes = b"\xc0\0\2\1", *, owner: bytes = POINTER, kind: int = 1, ttl: int = 300, length: int | None = None) -> bytes:
    """One record on the wire; its length may lie."""
    return owner + pack("!HHIH", kind, 1, ttl, len(data) if length is None else length) + data


def message(query: bytes, body: bytes = b"", *, counts: tuple[int, int, int] = (1, 0, 0), flags: int = 0x8180, question: bytes | None = None) -> bytes:
    """A response; counts may lie."""
    asked = query[12 : query.index(0, 12) + 5] if question is None else question
    return query[:2] + pack("!HHHHH", flags, 1, *counts) + asked + body


def cname(owner: str, target: str) -> bytes:
    """A CNAME record."""
    return record(name_wire(target), owner=name_wire(owner), kind=5)


def good(query: bytes, _transport: str = "") -> bytes:
    """What a server should say."""
    return message(query, record() + OPT, counts=(1, 0, 1))


WRONG_QUESTION = name_wire("evil.example.com") + b"\0\1\0\1"
LOOP = cname(QNAME, "a.example.com") + cname("a.example.com", QNAME)
LONG = b"\0\0\x29\x04\xd0\0\0\0\0"
UNUSABLE: dict[str, tuple[Behaviour, int, tuple[int, str]]] = {
    "silence": (lambda q, _t: None, 2, (22, "timeout")),
    "wrong id": (lambda q, _t: bytes([q[0] ^ 1]) + good(q)[1:], 2, (22, "timeout")),
    "wrong question": (lambda q, _t: message(q, record(), question=WRONG_QUESTION), 2, (22, "timeout")),
    "wrong type asked": (lambda q, _t: message(q, record(), question=name_wire(QNAME) + b"\0\x1c\0\1"), 2, (22, "timeout")),
    "two questions": (lambda q, _t: good(q)[:4] + b"\0\2" + good(q)[6:], 2, (22, "timeout")),
    "echo of the query": (lambda q, _t: q, 2, (22, "timeout")),
    "shorter than a header": (lambda q, _t: good(q)[:11], 2, (22, "timeout")),
    "empty datagram": (lambda q, _t: b"", 2, (22, "timeout")),
    "record cut off": (lambda q, _t: message(q, record()[:-1]), 2, (23, "malformed response: record cut off")),
    "length that lies": (lambda q, _t: message(q, record(length=900)), 2, (23, "malformed response: record cut off")),
    "counts that promise more": (lambda q, _t: message(q, record(), counts=(65535, 0, 0)), 2, (23, "malformed response: name cut off")),
    "counts in other sections": (lambda q, _t: message(q, record(), counts=(1, 9, 9)), 2, (23, "malformed response: name cut off")),
    "owner that points to itself": (
        lambda q, _t: message(q, record(owner=b"\xc0" + bytes([len(message(q))]))), 2,
        (23, "malformed response: compression pointer that does not point back"),
    ),
    "owner that points ahead, in the authority section": (
        lambda q, _t: message(q, record() + record(owner=b"\xc1\0", kind=2), counts=(1, 1, 0)), 2,
        (23, "malformed response: compression pointer that does not point back"),
    ),
    "target that points to itself": (
        lambda q, _t: message(q, record(b"\xc0" + bytes([len(message(q)) + 12]), kind=5)), 2,
        (23, "malformed response: compression pointer that does not point back"),
    ),
    "label of unknown kind": (lambda q, _t: message(q, record(owner=b"\x80x")), 2, (23, "malformed response: label of unknown kind")),
    "another class": (lambda q, _t: message(q, POINTER + pack("!HHIH", 1, 3, 300, 4) + bytes(4)), 2, (23, "answer of another class")),
    "CNAMEs in a circle": (lambda q, _t: message(q, LOOP, counts=(2, 0, 0)), 2, (23, "CNAMEs in a circle")),
    "CNAME to itself": (lambda q, _t: message(q, cname(QNAME, QNAME)), 2, (23, "CNAMEs in a circle")),
    "foreign names alone": (lambda q, _t: message(q, record(owner=name_wire("evil.example"))), 2, (23, "answer about other names")),
    "EDNS option cut off": (
        lambda q, _t: message(q, record() + LONG + b"\0\3\0\x0a\xff", counts=(1, 0, 1)), 2, (23, "malformed response: EDNS option cut off")
    ),
    "EDNS longer than the message": (
        lambda q, _t: message(q, record() + LONG + b"\xff\xff", counts=(1, 0, 1)), 2, (23, "malformed response: record cut off")
    ),
    "TC over TCP too": (lambda q, _t: message(q, counts=(0, 0, 0), flags=0x8380), 2, (23, "not a complete response to a query")),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
async def test_what_cannot_be_used(name: str) -> None:
    """From the only server it is SERVFAIL with an EDE that says why; with another server behind, its answer."""
    behaviour, rcode, ede = UNUSABLE[name]
    async with upstream(behaviour) as bad, upstream(good) as other:
        alone = await Resolver(bad.server().url).asked()
        assert (alone.header.rcode, ede_of(alone), alone.rr) == (rcode, ede, [])
        answer = await Resolver(bad.server().url, other.server().url).asked()
        assert (answer.header.rcode, answer.rr, ede_of(answer)) == (0, GOOD, None)


@pytest.mark.parametrize("rcode", [2, 4, 5])
async def test_lame_servers(rcode: int) -> None:
    """SERVFAIL, NOTIMP, REFUSED: the next server is asked; of a single one it is what the client hears."""
    async with upstream(lambda q, _t: message(q, OPT, counts=(0, 0, 1), flags=0x8180 | rcode)) as bad, upstream(good) as other:
        alone = await Resolver(bad.server().url).asked()
        assert (alone.header.rcode, ede_of(alone)) == (rcode, None)
        assert (await Resolver(bad.server().url, other.server().url).asked()).rr == GOOD


@asynccontextmanager
async def spoofing() -> AsyncIterator[str]:
    """A UDP server that answers from another port than it was asked at."""
    loop = asyncio.get_running_loop()
    listening, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for made in (listening, other):
        made.setblocking(False)
        made.bind(("127.0.0.1", 0))

    def answer() -> None:
        with suppress(OSError):
            query, client = listening.recvfrom(4096)
            other.sendto(good(query), client)

    loop.add_reader(listening, answer)
    yield f"udp://127.0.0.1:{listening.getsockname()[1]}"
    loop.remove_reader(listening)
    listening.close()
    other.close()


async def test_another_source() -> None:
    """A right answer from another port is none (RFC 5452 section 9.1)."""
    async with spoofing() as url:
        assert ede_of(await Resolver(url).asked()) == (22, "timeout")


# What comes in one way or another


@pytest.mark.parametrize(
    ("body", "counts", "expected"),
    [
        (record(ttl=0), (1, 0, 0), [f"{QNAME}. 0 A 192.0.2.1"]),
        (record(ttl=2**31), (1, 0, 0), [f"{QNAME}. 0 A 192.0.2.1"]),
        (record(ttl=2**32 - 1), (1, 0, 0), [f"{QNAME}. 0 A 192.0.2.1"]),
        (record(ttl=2**31 - 1), (1, 0, 0), [f"{QNAME}. 86400 A 192.0.2.1"]),
        (record() + record(owner=name_wire("bank.example.com")), (2, 0, 0), [f"{QNAME}. 300 A 192.0.2.1"]),
        (record(owner=name_wire("bank.example.com")) + record(), (2, 0, 0), [f"{QNAME}. 300 A 192.0.2.1"]),
        (record() + OPT + OPT, (1, 0, 2), [f"{QNAME}. 300 A 192.0.2.1"]),
        (record() + b"\0\0\x29\0\0\0\xff\x80\0\0\0", (1, 0, 1), [f"{QNAME}. 300 A 192.0.2.1"]),
        (record() + b"garbage behind the end", (1, 0, 0), [f"{QNAME}. 300 A 192.0.2.1"]),
    ],
    ids=["TTL 0", "TTL 2^31", "TTL 2^32-1", "TTL 2^31-1", "foreign record", "foreign record first", "two OPTs", "EDNS version 255", "garbage behind"],
)
async def test_what_is_put_right(body: bytes, counts: tuple[int, int, int], expected: list[str]) -> None:
    """Odd but usable: the client gets what belongs to its question, with TTLs that can be."""
    async with upstream(lambda q, _t: message(q, body, counts=counts)) as one:
        answer = await Resolver(one.server().url).asked()
        assert (answer.header.rcode, texts(answer.rr), answer.auth, ede_of(answer)) == (0, expected, [], None)


async def test_zero_ttl_is_not_remembered() -> None:
    """Each question is asked again."""
    async with upstream(lambda q, _t: message(q, record(ttl=0))) as one:
        resolver = Resolver(one.server().url)
        await resolver.asked()
        await resolver.asked()
        assert len(one.asked) == 2


async def test_a_foreign_record_answers_nobody() -> None:
    """What a server said about another name is asked for when that name is asked for."""
    async with upstream(lambda q, _t: message(q, record() + record(b"\6\6\6\6", owner=name_wire("bank.example.com")), counts=(2, 0, 0)) if QNAME.encode()[:3] in q else good(q)) as one:
        resolver = Resolver(one.server().url)
        await resolver.asked()
        assert texts((await resolver.asked("bank.example.com")).rr) == ["bank.example.com. 300 A 192.0.2.1"]


async def test_twenty_cnames() -> None:
    """However long the chain, it comes whole and in order, and every hop is in the event."""
    names = [QNAME, *(f"h{n}.example.com" for n in range(1, 21))]
    chain = b"".join(cname(one, other) for one, other in itertools.pairwise(names))
    async with upstream(lambda q, _t: message(q, chain + record(owner=name_wire(names[-1])), counts=(21, 0, 0))) as one:
        resolver = Resolver(one.server("tcp").url)
        answer = await resolver.asked(transport="tcp")
        assert [(str(r.rname), QTYPE[r.rtype]) for r in answer.rr] == [*((f"{name}.", "CNAME") for name in names[:-1]), (f"{names[-1]}.", "A")]
        assert len(resolver.events[0].answers) == 21


async def test_letter_case_that_changed() -> None:
    """The question in capitals is the question (RFC 4343); the client sees its own spelling."""
    async with upstream(lambda q, _t: message(q, record(), question=name_wire(QNAME.upper()) + b"\0\1\0\1")) as one:
        assert texts((await Resolver(one.server().url).asked("wWw.example.com")).rr) == ["wWw.example.com. 300 A 192.0.2.1"]


# Streams


def long(query: bytes) -> bytes:
    """A response of 65,535 octets."""
    strings = b"".join(b"\xff" + bytes([65 + n % 26]) * 255 for n in range(255))
    room = 65535 - len(message(query)) - 12
    return message(query, record(strings[: room - room % 256] + bytes([room % 256 - 1]) + b"z" * (room % 256 - 1), kind=16))


async def test_64_kilobytes_over_tcp() -> None:
    """The longest message there is comes whole over TCP; over UDP the client is sent to TCP."""
    assert len(long(b"\0" * 12 + name_wire(QNAME) + b"\0\x10\0\1")) == 65535
    async with upstream(lambda q, t: long(q) if t == "tcp" else message(q, counts=(0, 0, 0), flags=0x8380)) as one:
        resolver = Resolver(one.server().url, timeout=2000)
        answer = await resolver.raw(ask(QNAME, "TXT"), transport="tcp")
        assert answer is not None
        assert (len(answer), answer[7]) == (65535, 1)
        short = await resolver.asked(qtype="TXT")
        assert (short.header.tc, short.rr) == (1, [])


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def scripted(answer: Callable[[bytes, asyncio.StreamWriter], object]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A TCP server that does with each query what it likes; its URL and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                asked.append(await reader.readexactly(size))
                done = answer(asked[-1], writer)
                if asyncio.iscoroutine(done):
                    await done
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


def _half(query: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(frame(good(query))[:-5])
    writer.close()


def _half_a_length(query: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\0")
    writer.close()


def _hang_up(query: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


def _reset(query: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize("end", [_half, _half_a_length, _hang_up, _reset])
async def test_a_connection_that_ends_in_the_middle(end: Callable[[bytes, asyncio.StreamWriter], None]) -> None:
    """Asked once more on a new connection; then the next server, or EDE 23."""
    async with scripted(end) as (url, asked), upstream(good) as other:
        alone = await Resolver(url, timeout=1000).asked()
        assert (alone.header.rcode, ede_of(alone), len(asked)) == (2, (23, "network error"), 4)
        assert (await Resolver(url, other.server().url, timeout=1000).asked()).rr == GOOD


async def test_half_a_message_and_then_nothing() -> None:
    """The connection stays open: the time is over, EDE 22."""
    async with scripted(lambda query, writer: writer.write(frame(good(query))[:-1])) as (url, _):
        assert ede_of(await Resolver(url).asked()) == (22, "timeout")


async def _drip(query: bytes, writer: asyncio.StreamWriter) -> None:
    for byte in frame(good(query)):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)


async def test_one_byte_at_a_time() -> None:
    """However it is cut, a message is a message."""
    async with scripted(_drip) as (url, _):
        assert (await Resolver(url, timeout=5000).asked()).rr == GOOD


@pytest.mark.parametrize(
    ("sent", "ede"),
    [
        (lambda q: frame(b"") + frame(b"x") + frame(bytes([q[0] ^ 1]) + good(q)[1:]) + frame(good(q)), None),
        (lambda q: frame(message(q, record(), question=WRONG_QUESTION)), (23, "malformed response")),
        (lambda q: frame(good(q)[:9]), (23, "malformed response")),
        (lambda q: frame(message(q, record()[:-1])), (23, "malformed response: record cut off")),
    ],
    ids=["noise before it", "wrong question", "short", "cut off"],
)
async def test_messages_on_a_stream(sent: Callable[[bytes], bytes], ede: tuple[int, str] | None) -> None:
    """A message under no id of ours is passed over; one under the id that is no answer fails the server at once."""
    async with scripted(lambda query, writer: writer.write(sent(query))) as (url, _):
        answer = await Resolver(url, timeout=2000).asked()
        assert (answer.header.rcode, ede_of(answer)) == ((0, None) if ede is None else (2, ede))


async def test_truncation_with_nobody_on_tcp() -> None:
    """A server that says TC and takes no TCP has failed; the next one answers."""
    cut = lambda q, _t: message(q, counts=(0, 0, 0), flags=0x8380)
    async with upstream(cut, tcp=False) as bad, upstream(good) as other:
        alone = await Resolver(bad.server().url).asked()
        assert (alone.header.rcode, ede_of(alone)) == (2, (23, "network error"))
        assert (await Resolver(bad.server().url, other.server().url).asked()).rr == GOOD


async def test_nobody_listens() -> None:
    """A closed port is known at once."""
    for scheme in ("udp", "tcp"):
        assert ede_of(await Resolver(f"{scheme}://127.0.0.1:{free_port()}", timeout=5000).asked()) == (23, "network error")


async def test_failures_are_counted_by_reason() -> None:
    """The counters of a server say in which ways it failed."""
    async with upstream(lambda q, _t: message(q, LOOP, counts=(2, 0, 0))) as one:
        assert isinstance(one, Upstream)
        resolver = Resolver(one.server().url)
        answer = await resolver.raw(ask(QNAME))
        assert answer is not None
        assert resolver.real.stats()[one.server().url][0].failed == {"CNAMEs in a circle": 2}
        resolver.real.close()
