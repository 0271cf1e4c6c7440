"""One TCP connection of a client: queries in, answers out in the order in which they are ready.

RFC 7766 section 6.2.1.1 wants that order. Reading stops while too many queries wait or the client leaves its answers
unread, so a connection holds a bounded amount of memory whatever the client does. This module must not know DNS.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol, cast

from resolver.framing import Deframer, frame

_HIGH_WATER = 64 * 1024


class Handle(Protocol):
    """Answers one message; see Handler.handle."""

    def __call__(  # noqa: D102
        self, message: bytes, address: str, port: int, transport: str, received_ns: int
    ) -> bytes | Coroutine[None, None, bytes | None] | None: ...


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of TCP service of one worker.

    Args:
        connections: at a time.
        per_client: of these, from one address.
        in_flight: queries of one connection waiting for an answer; reading pauses beyond.
        message: bytes of one query; a connection that sends more is cut.
        idle: seconds without a whole query, or an answer, after which a connection is closed (RFC 7766 section 6.2.3).
        stalled: seconds for which a client may leave its answers unread before it is cut.
    """

    connections: int = 1000
    per_client: int = 100
    in_flight: int = 100
    message: int = 4096
    idle: float = 10.0
    stalled: float = 10.0


class Host(Protocol):
    """The listener as its connections see it."""

    handle: Handle
    clock: Callable[[], int]
    limits: StreamLimits
    cut: int

    def admit(self, connection: Connection, client: str) -> bool:
        """Whether one more connection of this client is taken; counts it."""

    def leave(self, connection: Connection, client: str) -> None:
        """A connection that was admitted has ended."""

    def spawn(self, answering: Coroutine[None, None, None]) -> None:
        """Run what waits for an answer, to its end."""


class Connection(asyncio.Protocol):
    """Protocol of one connection."""

    def __init__(self, host: Host) -> None:
        self._host, self._limits = host, host.limits
        self._deframer = Deframer()
        self._queued: deque[bytes] = deque()
        self._in_flight = 0
        self._unread_since: float | None = None
        self._ended = self._admitted = self._held = self._working = False
        self._loop = asyncio.get_running_loop()
        self._active = self._loop.time()
        self._address, self._port = "", 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection or end it at once."""
        self._transport = made = cast("asyncio.Transport", transport)
        peer = made.get_extra_info("peername")
        if not peer:  # gone before it was accepted
            made.abort()
            return
        self._address, self._port = peer[0], peer[1]
        self._admitted = self._host.admit(self, self._address)
        if not self._admitted:
            made.abort()
            return
        made.set_write_buffer_limits(high=_HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the protocol's signature)
        """The client is gone; what waits for upstream goes on for its event's sake."""
        self._transport = None
        self._queued.clear()
        if self._admitted:
            self._host.leave(self, self._address)

    def data_received(self, data: bytes) -> None:
        """Answer what is whole, keep the rest."""
        messages = self._deframer.receive_data(data)
        if self._deframer.unfinished > self._limits.message + 2 or any(len(m) > self._limits.message for m in messages):
            self._cut()
            return
        if messages:
            self._active = self._loop.time()
            self._queued.extend(messages)
            self._work()

    def eof_received(self) -> bool:
        """The client asks nothing more but still reads: it gets its answers (RFC 7766 section 6.2.4)."""
        self.stop()
        return True

    def pause_writing(self) -> None:
        """The client does not read: neither do we."""
        self._unread_since = self._loop.time()
        self._hold()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._unread_since = None
        self._work()

    def stop(self) -> None:
        """Take no more queries; close when all answers are out."""
        self._ended = True
        self._close_if_done()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """End what idles or stalls.

        Args:
            now: time of the event loop.
        """
        if self._unread_since is not None:
            if now - self._unread_since > self._limits.stalled:
                self._cut()
        elif not self._in_flight and not self._queued and now - self._active > self._limits.idle and self._transport:
            self._transport.close()

    def _work(self) -> None:
        """Answer queued queries as far as the limits allow, then read on or not."""
        if self._working:
            return  # writing an answer may call resume_writing
        self._working = True
        while self._queued and self._unread_since is None and self._in_flight < self._limits.in_flight:
            answer = self._host.handle(self._queued.popleft(), self._address, self._port, "tcp", self._host.clock())
            if isinstance(answer, bytes):
                self._write(answer)
            elif answer is not None:
                self._in_flight += 1
                self._host.spawn(self._write_later(answer))
        self._working = False
        self._hold()
        self._close_if_done()

    async def _write_later(self, answering: Coroutine[None, None, bytes | None]) -> None:
        try:
            answer = await answering
        finally:
            self._in_flight -= 1
        if answer is not None:
            self._write(answer)
        self._work()

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            self._active = self._loop.time()
            self._transport.write(frame(answer))

    def _hold(self) -> None:
        """Read only while there is room."""
        full = bool(self._queued) or self._unread_since is not None or self._in_flight >= self._limits.in_flight
        if self._transport is None or full == self._held or self._transport.is_closing():
            return
        self._held = full
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _close_if_done(self) -> None:
        if self._ended and not self._queued and not self._in_flight and self._transport is not None:
            self._transport.close()

    def _cut(self) -> None:
        self._host.cut += 1
        self.abort()
