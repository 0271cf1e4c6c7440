"""TCP listener on real sockets: pipelining, order, half-close, limits, idle and slow clients."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from resolver.framing import Deframer, frame
from resolver.listeners.stream import StreamLimits, StreamListener, bind_tcp
from tests.patience import patient


class Echo:
    """Answers with the message; ``wait`` messages only when released, ``big`` ones with 60,000 bytes, ``drop`` never."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.asked: list[bytes] = []
        self.waiting = 0

    def __call__(self, message: bytes, address: str, port: int, transport: str, received_ns: int):
        """Answer as the message says."""
        assert transport == "tcp"
        assert address == "127.0.0.1"
        assert port
        assert received_ns
        self.asked.append(message)
        if message.startswith(b"wait"):
            return self._later(message)
        if message.startswith(b"big"):
            return message.ljust(60000, b".")
        return None if message.startswith(b"drop") else message

    async def _later(self, message: bytes) -> bytes:
        self.waiting += 1
        await self.release.wait()
        self.waiting -= 1
        return message


@asynccontextmanager
async def serving(limits: StreamLimits | None = None) -> AsyncIterator[tuple[StreamListener, Echo, int]]:
    """A listener on a free port."""
    echo = Echo()
    bound = bind_tcp("127.0.0.1", 0)
    listener = StreamListener(bound, echo, time.time_ns, limits or StreamLimits())
    port = bound.getsockname()[1]
    await listener.start()
    try:
        yield listener, echo, port
    finally:
        echo.release.set()
        await listener.close()


async def eventually(probe: Callable[[], object], within: float = 5.0) -> None:
    """Poll until the probe is true."""
    async with asyncio.timeout(patient(within)):
        while not probe():  # noqa: ASYNC110 (any state may be waited for)
            await asyncio.sleep(0.01)


async def read_messages(reader: asyncio.StreamReader, count: int, within: float = 5.0) -> list[bytes]:
    """So many messages from a connection."""
    deframer, found = Deframer(), []
    async with asyncio.timeout(patient(within)):
        while len(found) < count:
            chunk = await reader.read(65536)
            assert chunk, f"closed after {len(found)} of {count}"
            found += deframer.receive_data(chunk)
    return found


async def ended(reader: asyncio.StreamReader, within: float = 5.0) -> bool:
    """Whether the server closes within the time, by FIN or RST."""
    try:
        async with asyncio.timeout(patient(within)):
            while await reader.read(65536):
                pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


async def test_pipelined_queries_are_all_answered() -> None:
    """A thousand queries sent in one write come back, each once."""
    async with serving() as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked = [b"q%04d" % number for number in range(1000)]
        writer.write(b"".join(map(frame, asked)))
        assert await read_messages(reader, 1000) == asked
        writer.close()


async def test_a_slow_answer_does_not_hold_up_a_quick_one() -> None:
    """Answers leave in the order in which they are ready (RFC 7766 section 6.2.1.1)."""
    async with serving() as (_, echo, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(b"wait") + frame(b"quick"))
        assert await read_messages(reader, 1) == [b"quick"]
        echo.release.set()
        assert await read_messages(reader, 1) == [b"wait"]
        writer.close()


async def test_a_message_in_single_bytes_is_one_message() -> None:
    """Segmentation has no meaning (RFC 7766 section 8)."""
    async with serving() as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in frame(b"slowly") + frame(b"again"):
            writer.write(bytes([number]))
            await writer.drain()
            await asyncio.sleep(0)
        assert await read_messages(reader, 2) == [b"slowly", b"again"]
        writer.close()


async def test_a_half_closed_client_gets_its_answers() -> None:
    """FIN from the client ends its questions, not our answers; then we close."""
    async with serving() as (listener, echo, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(b"wait1") + frame(b"wait2") + frame(b"now"))
        writer.write_eof()
        assert await read_messages(reader, 1) == [b"now"]
        await eventually(lambda: echo.waiting == 2)
        echo.release.set()
        assert sorted(await read_messages(reader, 2)) == [b"wait1", b"wait2"]
        assert await ended(reader)
        await eventually(lambda: listener.open == 0)
        writer.close()


async def test_idle_connections_are_closed() -> None:
    """No query for the idle time: closed, also when single bytes keep dribbling in."""
    async with serving(StreamLimits(idle=0.6)) as (_, _, port):
        quiet, quiet_writer = await asyncio.open_connection("127.0.0.1", port)
        loris, loris_writer = await asyncio.open_connection("127.0.0.1", port)

        async def dribble() -> None:
            while True:
                loris_writer.write(b"\0")
                await asyncio.sleep(0.05)

        dribbling = asyncio.create_task(dribble())
        assert await ended(quiet)
        dribbling.cancel()
        assert await ended(loris)
        quiet_writer.close()
        loris_writer.close()


async def test_waiting_for_upstream_is_not_idle() -> None:
    """A connection whose answer takes longer than the idle time gets it."""
    async with serving(StreamLimits(idle=0.1)) as (_, echo, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(b"wait"))
        with pytest.raises(TimeoutError):
            await read_messages(reader, 1, within=1.5)
        echo.release.set()
        assert await read_messages(reader, 1) == [b"wait"]
        writer.close()


async def test_queries_in_flight_are_bounded() -> None:
    """Beyond the limit a connection's queries wait their turn; all are answered in the end."""
    async with serving(StreamLimits(in_flight=5)) as (_, echo, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(frame(b"wait%03d" % number) for number in range(50)))
        await eventually(lambda: echo.waiting == 5)
        assert len(echo.asked) == 5
        echo.release.set()
        assert len(await read_messages(reader, 50)) == 50
        writer.close()


async def test_connections_are_bounded_overall_and_by_client() -> None:
    """One too many is closed at once, the others live on, and room comes back."""
    async with serving(StreamLimits(per_client=2)) as (listener, _, port):
        first = await asyncio.open_connection("127.0.0.1", port)
        second = await asyncio.open_connection("127.0.0.1", port)
        await eventually(lambda: listener.open == 2)
        third = await asyncio.open_connection("127.0.0.1", port)
        assert await ended(third[0])
        assert listener.refused == 1
        first[1].write(frame(b"alive"))
        assert await read_messages(first[0], 1) == [b"alive"]
        second[1].close()
        await eventually(lambda: listener.open == 1)
        fourth = await asyncio.open_connection("127.0.0.1", port)
        fourth[1].write(frame(b"in"))
        assert await read_messages(fourth[0], 1) == [b"in"]
        for _, writer in (first, third, fourth):
            writer.close()


async def test_too_long_a_message_cuts_the_connection() -> None:
    """Neither a whole message above the limit nor an announced one is kept in memory."""
    async with serving(StreamLimits(message=1000)) as (listener, echo, port):
        for sent in (frame(b"x" * 1001), b"\xff\xff" + b"x" * 2000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert await ended(reader)
            writer.close()
        assert echo.asked == []
        assert listener.cut == 2


async def test_a_client_that_does_not_read_is_cut() -> None:
    """Unread answers stop the reading of queries, and after a while end the connection; memory stays bounded."""
    async with serving(StreamLimits(stalled=0.5)) as (listener, echo, port):
        loop = asyncio.get_running_loop()
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        queries = b"".join(frame(b"big%05d" % number) for number in range(2000))
        sending = asyncio.create_task(loop.sock_sendall(client, queries))
        await eventually(lambda: listener.cut == 1)
        assert len(echo.asked) < 500
        await asyncio.gather(sending, return_exceptions=True)
        client.close()


async def test_an_answer_for_a_client_that_left_is_dropped() -> None:
    """The query still runs to its end, for its event is owed; the listener lives on."""
    async with serving() as (listener, echo, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(b"wait"))
        await eventually(lambda: echo.waiting == 1)
        sock = writer.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave with RST, not FIN
        writer.transport.abort()
        await eventually(lambda: listener.open == 0)
        echo.release.set()
        await eventually(lambda: echo.waiting == 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(b"hello"))
        assert await read_messages(reader, 1) == [b"hello"]
        writer.close()


async def test_two_listeners_share_a_port() -> None:
    """SO_REUSEPORT: workers bind the same address."""
    first = bind_tcp("127.0.0.1", 0)
    second = bind_tcp("127.0.0.1", first.getsockname()[1])
    assert second.getsockname() == first.getsockname()
    first.close()
    second.close()


async def test_garbage_leaves_the_listener_alive() -> None:
    """Two hundred connections of random bytes, with random cuts, then an honest query."""
    dice = random.Random(7766)

    async def babble(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(dice.randrange(1, 5)):
            writer.write(dice.randbytes(dice.randrange(1, 3000)))
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()

    async with serving(StreamLimits(idle=1.0)) as (listener, _, port):
        results: list[Awaitable[None]] = [babble(port) for _ in range(200)]
        await asyncio.gather(*results, return_exceptions=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame(b"still there"))
        assert await read_messages(reader, 1) == [b"still there"]
        writer.close()
        await eventually(lambda: listener.open == 0, within=10)
