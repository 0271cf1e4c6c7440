"""Garbage on the wire: 50,000 random and mutated messages over UDP and TCP.

The workers live through it, log no traceback, never answer a response, and do not grow. What comes before the queries is
not the subject, so one broker is enough.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration import dns
from tests.integration.stack import Stack

UDP_MESSAGES = 40_000
TCP_MESSAGES = 10_000
GROWTH_LIMIT_MB = 25.0
QR = 0x80
CLIENT = "127.0.1.20"


def mutated(draw: random.Random) -> bytes:
    """A query with a few faults: flipped bits, cut or grown, counts that lie, pointers that loop, or plain noise."""
    label = draw.choice(["www", "x" * 63, "\x00\xff", "_dmarc", "*"])
    message = bytearray(dns.question(f"{label}.mutated.test", draw.choice([1, 16, 28, 41, 250, 251, 252, 255, 65535]),
                                     ident=draw.getrandbits(16), edns=draw.random() < 0.5))
    kind = draw.randrange(7)
    if kind == 0:
        return draw.randbytes(draw.randrange(600))
    if kind == 1:
        return bytes(message[: draw.randrange(len(message))])
    if kind == 2:
        return bytes(message) + draw.randbytes(draw.randrange(1, 400))
    if kind == 3:
        message[4:12] = draw.randbytes(8)
    elif kind == 4:
        at = draw.randrange(12, len(message) - 1)
        message[at : at + 2] = struct.pack("!H", 0xC000 | draw.randrange(len(message) + 8))
    else:
        for _ in range(draw.randrange(1, 12)):
            message[draw.randrange(len(message))] ^= 1 << draw.randrange(8)
    return bytes(message)


def is_response(message: bytes) -> bool:
    """Whether the QR bit is set (RFC 1035 section 4.1.1)."""
    return len(message) > 2 and bool(message[2] & QR)


@pytest.fixture(scope="module")
def broker() -> None:
    """The embedded one."""


@pytest.fixture(scope="module")
def warm(stack: Stack) -> None:
    """As much garbage as the tests send: buffers, caches and the allocator have by then what they take once."""
    udp_flood(stack, random.Random(10))
    tcp_flood(stack, random.Random(11))


@pytest.fixture
def unharmed(stack: Stack, warm: None) -> Iterator[None]:
    """The same processes answer before and after, without a traceback, and have not grown."""
    assert stack.dig("portal.internal").data == ["10.1.0.10"]
    workers, before = stack.children(), stack.own_memory()
    yield
    assert stack.dig("portal.internal").data == ["10.1.0.10"]
    assert stack.children() == workers
    assert not stack.traces()
    after = stack.own_memory()
    grown = {name: after[name] - before[name] for name in before if name.startswith("r")}
    assert max(grown.values()) < GROWTH_LIMIT_MB, grown


def drain(sock: socket.socket) -> list[bytes]:
    """Everything that waits on a socket."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(sock.recv(65535))
    return found


def test_udp_survives_garbage(stack: Stack, unharmed: None) -> None:
    """40,000 datagrams; answers come for queries only, and each one is a response."""
    answered = udp_flood(stack, random.Random(20))
    assert len(answered) > UDP_MESSAGES / 10
    assert all(is_response(answer) for answer in answered)


def udp_flood(stack: Stack, draw: random.Random) -> list[bytes]:
    """Send the datagrams; what was answered to those that are queries. The others are answered by silence."""
    with contextlib.ExitStack() as opened:
        queries, responses = [[opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(4)] for _ in range(2)]
        for sock in [*queries, *responses]:
            sock.bind((CLIENT, 0))
            sock.connect(("127.0.0.1", stack.port))
            sock.setblocking(False)
        answered: list[bytes] = []
        for number in range(UDP_MESSAGES):
            message = mutated(draw)
            sent_by = responses if is_response(message) else queries
            with contextlib.suppress(BlockingIOError):
                sent_by[number % 4].send(message)
            if number % 200 == 199:
                # Ask something sane and wait for it: the flood never outruns the workers by much.
                assert dns.ask(stack.port, dns.question("portal.internal"), client=CLIENT) is not None
                answered += [answer for sock in queries for answer in drain(sock)]
        select.select(queries, [], [], 1)
        answered += [answer for sock in queries for answer in drain(sock)]
        assert [drain(sock) for sock in responses] == [[], [], [], []]
        return answered


def test_tcp_survives_garbage(stack: Stack, unharmed: None) -> None:
    """10,000 messages, framed well or badly, several to a connection; whatever comes back is a response."""
    tcp_flood(stack, random.Random(21))


def tcp_flood(stack: Stack, draw: random.Random) -> None:
    """Send the messages and read what comes back."""
    sent = 0
    while sent < TCP_MESSAGES:
        with contextlib.suppress(ConnectionError, TimeoutError), socket.create_connection(
                ("127.0.0.1", stack.port), 3, source_address=(CLIENT, 0)) as sock:
            burst = [mutated(draw) for _ in range(draw.randrange(1, 60))]
            sent += len(burst)
            stream = b"".join(struct.pack("!H", len(message)) + message for message in burst)
            if draw.random() < 0.3:
                stream = stream[: draw.randrange(len(stream) + 1)] + draw.randbytes(draw.randrange(40))
            sock.sendall(stream)
            sock.shutdown(socket.SHUT_WR)
            with sock.makefile("rb") as answers:
                while size := answers.read(2):
                    answer = answers.read(int.from_bytes(size, "big"))
                    assert is_response(answer)


@given(message=st.binary(max_size=300), stream=st.booleans())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_any_octets_leave_the_resolver_alive(stack: Stack, message: bytes, stream: bool) -> None:
    """Whatever hypothesis finds, a sane query right behind it is answered, and no response is ever answered."""
    if stream:
        with contextlib.suppress(ConnectionError), socket.create_connection(
                ("127.0.0.1", stack.port), 3, source_address=(CLIENT, 0)) as sock:
            sock.sendall(struct.pack("!H", len(message)) + message)
    else:
        answer = dns.ask(stack.port, message, client=CLIENT, timeout=0.01)
        assert answer is None or (is_response(answer) and not is_response(message))
    assert dns.ask(stack.port, dns.question("portal.internal"), client=CLIENT) is not None


def test_a_response_to_a_resolvers_own_question_is_never_answered(stack: Stack) -> None:
    """A well-formed response, the shape of a reflection loop, gets silence over UDP."""
    response = dns.question("portal.internal", flags=0x8180)
    assert dns.ask(stack.port, response, client=CLIENT, timeout=0.5) is None
