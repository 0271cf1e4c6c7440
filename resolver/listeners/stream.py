"""TCP: many queries on a connection, answered as they are ready, within limits (RFC 7766).

Framing is framing.py, connections are connection.py; here is who may connect and for how long. This module must not
know DNS.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine

from resolver.listeners.connection import Connection, Handle, StreamLimits

__all__ = ["StreamLimits", "StreamListener", "bind_tcp"]

_BACKLOG = 1024
_SWEEP = 0.5
_GRACE = 2.0


def bind_tcp(address: str, port: int) -> socket.socket:
    """A listening socket of its own for this worker, bound with SO_REUSEPORT.

    Raises:
        OSError: if the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


class StreamListener:
    """Serves one bound socket.

    Args:
        bound: TCP socket; closed by `close`.
        handle: answers a message.
        clock: Unix time in nanoseconds.
        limits: bounds.

    Attributes:
        refused: connections closed at once because there were too many.
        cut: connections ended because the client did not keep to the limits.
    """

    def __init__(self, bound: socket.socket, handle: Handle, clock: Callable[[], int], limits: StreamLimits) -> None:
        self._socket, self.handle, self.clock, self.limits = bound, handle, clock, limits
        self._connections: set[Connection] = set()
        self._by_client: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self.refused = 0
        self.cut = 0

    @property
    def open(self) -> int:
        """Connections at the moment."""
        return len(self._connections)

    async def start(self) -> None:
        """Begin to serve on the running loop."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=self._socket, backlog=_BACKLOG)
        self._sweeper = loop.create_task(self._sweep())

    async def close(self) -> None:
        """Accept nothing more, give what is being answered two seconds, close every connection."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._connections):
            connection.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()
        self._socket.close()

    def admit(self, connection: Connection, client: str) -> bool:
        """Whether one more connection of this client is taken; counts it."""
        if len(self._connections) >= self.limits.connections or self._by_client[client] >= self.limits.per_client:
            self.refused += 1
            if not self._by_client[client]:
                del self._by_client[client]
            return False
        self._connections.add(connection)
        self._by_client[client] += 1
        return True

    def leave(self, connection: Connection, client: str) -> None:
        """A connection that was admitted has ended."""
        self._connections.discard(connection)
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]

    def spawn(self, answering: Coroutine[None, None, None]) -> None:
        """Run what waits for an answer; it goes on when its client is gone, for its event is owed."""
        task = asyncio.ensure_future(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            now = loop.time()
            for connection in list(self._connections):
                connection.check(now)
