"""One upstream server over TCP or TLS: a connection that is kept, many questions at a time on it.

Questions are pipelined and responses taken in any order (RFC 7766 section 6.2.1.1; RFC 7858 section 3.3 for TLS). The
certificate must bear the server's name and be vouched for, or nothing is asked. This module must not know tenants or
other servers.
"""

from __future__ import annotations

import asyncio
from secrets import randbits
from typing import cast

from resolver.answers.exchange import ExchangeError, NoAnswerError, belongs, question_of
from resolver.answers.upstream_tls import Trust, refusal
from resolver.framing import Deframer, frame
from resolver.tenant_view import Server

_MOST = 1000
"""Questions on one connection at a time; a further connection takes the rest."""
_IDLE = 10.0
_CONNECT = 3.0


class _ClosedError(ExchangeError):
    """The server closed the connection with questions on it, as it may at any time (RFC 7766 section 6.2.4)."""

    def __init__(self) -> None:
        super().__init__("network error")


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.pending: dict[int, tuple[asyncio.Future[bytes], bytes]] = {}
        self.open = True
        self.used = 0.0
        self._deframer = Deframer()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for response in self._deframer.receive_data(data):
            waiting = self.pending.get(int.from_bytes(response[:2], "big")) if len(response) > 1 else None
            if waiting is None or waiting[0].done():
                continue
            if belongs(response, waiting[1]):
                waiting[0].set_result(b"\0\0" + response[2:])
            else:
                waiting[0].set_exception(ExchangeError("malformed response"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the protocol's signature)
        self.open = False
        for future, _ in self.pending.values():
            if not future.done():
                future.set_exception(_ClosedError())

    def ask(self, message: bytes) -> tuple[int, asyncio.Future[bytes]]:
        loop = asyncio.get_running_loop()
        number = randbits(16)
        while number in self.pending:
            number = randbits(16)
        future: asyncio.Future[bytes] = loop.create_future()
        self.pending[number] = future, question_of(message)
        self.used = loop.time()
        assert self._transport is not None  # noqa: S101 (made before anyone can ask)
        self._transport.write(frame(number.to_bytes(2, "big") + message[2:]))
        return number, future

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.abort()


class TcpServer:
    """Asks one server over TCP; over TLS if its scheme is ``tls``.

    Args:
        server: where it is, and the name its certificate must bear.
        trust: contexts that check certificates.
    """

    def __init__(self, server: Server, trust: Trust) -> None:
        self._server, self._trust = server, trust
        self._connections: list[_Connection] = []
        self._connecting = asyncio.Lock()

    async def ask(self, message: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 (part of the interface of a server)
        """Send a query under an id of its own and return the response, with id 0.

        Args:
            message: with id 0.
            timeout: seconds, connecting included.

        Raises:
            ExchangeError: when nothing came in time, or the connection broke.
        """
        try:
            async with asyncio.timeout(timeout):
                try:
                    return await self._exchange(message)
                except _ClosedError:
                    return await self._exchange(message)  # once more, on a new connection
        except TimeoutError:
            raise NoAnswerError from None
        except OSError as error:
            raise ExchangeError(refusal(error)) from error

    async def _exchange(self, message: bytes) -> bytes:
        connection = await self._connection()
        number, future = connection.ask(message)
        try:
            return await future
        finally:
            connection.pending.pop(number, None)

    async def _connection(self) -> _Connection:
        async with self._connecting:
            for connection in self._connections:
                if connection.open and len(connection.pending) < _MOST:
                    return connection
            self._connections = [connection for connection in self._connections if connection.open]
            made = await self._connect()
            self._connections.append(made)
            return made

    async def _connect(self) -> _Connection:
        server, loop = self._server, asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT):
            if server.scheme != "tls":
                return (await loop.create_connection(_Connection, server.address, server.port))[1]
            context = await self._trust.context(server.ca_file, "dot")
            _, made = await loop.create_connection(
                _Connection, server.address, server.port, ssl=context, server_hostname=server.name
            )
            return made

    def close_idle(self, now: float) -> None:
        """Close connections without questions for ten seconds.

        Args:
            now: time of the event loop.
        """
        for connection in self._connections:
            if not connection.pending and connection.used + _IDLE < now:
                connection.close()
        self._connections = [connection for connection in self._connections if connection.open]

    def close(self) -> None:
        """Close all connections; what is on its way fails."""
        for connection in self._connections:
            connection.close()
