"""One upstream server over UDP: a few connected sockets on random ports, many questions on each, told apart by random ids.

A connected socket takes datagrams from its server alone; with the random port and id and the question that makes what
RFC 5452 asks for. Ports are changed now and then. This module must not know tenants or other servers.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from secrets import randbelow, randbits

from resolver.answers.exchange import ExchangeError, NoAnswerError, belongs, question_of
from resolver.tenants import Server

_SOCKETS = 16
_USES = 4096
"""Questions after which a socket is replaced by one on another port."""
_BURST = 64
_LONGEST = 65535
_BUFFER = 1 << 20


@dataclass(slots=True, eq=False)
class _Port:
    socket: socket.socket
    pending: dict[int, tuple[asyncio.Future[bytes], bytes]] = field(default_factory=dict)
    uses: int = 0


class UdpServer:
    """Asks one server over UDP.

    Attributes:
        mismatched: datagrams that answered nothing we had asked.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ports: list[_Port] = []
        self.mismatched = 0

    async def ask(self, message: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 (a timer per question, not a scope)
        """Send a query under an id of its own and return the response, with id 0.

        Args:
            message: with id 0.
            timeout: seconds.

        Raises:
            ExchangeError: when nothing came in time, or the network says it never will.
        """
        loop = asyncio.get_running_loop()
        port, number = self._place(loop)
        future: asyncio.Future[bytes] = loop.create_future()
        port.pending[number] = future, question_of(message)
        timer = loop.call_later(timeout, _expire, future)
        try:
            port.socket.send(number.to_bytes(2, "big") + message[2:])
            return await future
        except OSError as error:
            raise ExchangeError("network error") from error
        finally:
            timer.cancel()
            port.pending.pop(number, None)
            if not port.pending and port.uses >= _USES:
                self._retire(loop, port)

    def close(self) -> None:
        """Close all sockets; what is on its way fails."""
        loop = asyncio.get_running_loop()
        for port in list(self._ports):
            self._fail(port)
            self._retire(loop, port)

    def _place(self, loop: asyncio.AbstractEventLoop) -> tuple[_Port, int]:
        """A socket, not always the same, and an id not in use on it."""
        choice = randbelow(_SOCKETS)
        if choice >= len(self._ports):
            port = self._open(loop)
        else:
            port = self._ports[choice]
            if port.uses >= _USES:
                self._ports[choice] = self._ports[-1]  # no more questions here; closed when the last is answered
                self._ports.pop()
                port = self._open(loop)
        port.uses += 1
        number = randbits(16)
        while number in port.pending:
            number = randbits(16)
        return port, number

    def _open(self, loop: asyncio.AbstractEventLoop) -> _Port:
        family = socket.AF_INET6 if ":" in self._server.address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            made.connect((self._server.address, self._server.port))
        except OSError as error:
            made.close()
            raise ExchangeError("network error") from error
        port = _Port(made)
        loop.add_reader(made, self._drain, port)
        self._ports.append(port)
        return port

    def _retire(self, loop: asyncio.AbstractEventLoop, port: _Port) -> None:
        if port in self._ports:
            self._ports.remove(port)
        if port.socket.fileno() >= 0:
            loop.remove_reader(port.socket)
            port.socket.close()

    def _drain(self, port: _Port) -> None:
        for _ in range(_BURST):
            try:
                response = port.socket.recv(_LONGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error: nobody listens there, for any of the questions on this socket
                self._fail(port)
                return
            waiting = port.pending.get(int.from_bytes(response[:2], "big")) if len(response) > 1 else None
            if waiting is None or not belongs(response, waiting[1]):
                self.mismatched += 1  # late, forged or broken: not a reason to stop waiting (RFC 5452 section 9.1)
            elif not waiting[0].done():
                waiting[0].set_result(b"\0\0" + response[2:])

    def _fail(self, port: _Port) -> None:
        for future, _ in port.pending.values():
            if not future.done():
                future.set_exception(ExchangeError("network error"))


def _expire(future: asyncio.Future[bytes]) -> None:
    if not future.done():
        future.set_exception(NoAnswerError())
