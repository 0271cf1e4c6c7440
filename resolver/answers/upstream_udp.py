"""One upstream server over UDP: connected sockets on random ports, questions told apart by random ids.

A connected socket takes datagrams from its server alone; with the random port and id and the question that makes what
RFC 5452 asks for. Ports are changed now and then. This module must not know tenants or other servers.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field

from resolver.answers.exchange import ExchangeError, NoAnswerError, belongs, question_of
from resolver.tenant_view import Server

_PORTS = 16
_PAGE = 4096
_SWEEP = 0.02
_USES = 4096
"""Questions after which a port is given up for another."""
_BURST = 64
_LONGEST = 65535
_BUFFER = 1 << 20


@dataclass(slots=True, eq=False)
class _Port:
    socket: socket.socket
    pending: dict[int, tuple[asyncio.Future[bytes], bytes, float]] = field(default_factory=dict)
    uses: int = 0


class _Dice:
    """Unpredictable 32-bit numbers, drawn from the kernel a page at a time."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def roll(self) -> int:
        if not self._numbers:
            self._numbers = memoryview(os.urandom(_PAGE)).cast("I").tolist()
        return self._numbers.pop()


class UdpServer:
    """Asks one server over UDP.

    Attributes:
        mismatched: datagrams that answered nothing we had asked.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ports: list[_Port] = []
        self._retired: set[_Port] = set()
        self._dice = _Dice()
        self._sweeping = False
        self.mismatched = 0

    async def ask(self, message: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 (a deadline, not a scope)
        """Send a query under an id of its own and return the response, with id 0.

        Args:
            message: with id 0.
            timeout: seconds; looked at every 20 ms.

        Raises:
            ExchangeError: when nothing came in time, or the network says it never will.
        """
        loop = asyncio.get_running_loop()
        port, number = self._place(loop)
        future: asyncio.Future[bytes] = loop.create_future()
        port.pending[number] = future, question_of(message), loop.time() + timeout
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP, self._sweep, loop)
        try:
            port.socket.send(number.to_bytes(2, "big") + message[2:])
            return await future
        except OSError as error:
            raise ExchangeError("network error") from error
        finally:
            port.pending.pop(number, None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what waited too long, close ports that are worn out; goes on while there is anything to look at."""
        now = loop.time()
        for port in (*self._ports, *self._retired):
            for future, _, deadline in port.pending.values():
                if deadline < now and not future.done():
                    future.set_exception(NoAnswerError())
        for port in [port for port in self._retired if not port.pending]:
            self._retired.remove(port)
            _shut(loop, port)
        self._sweeping = bool(self._retired) or any(port.pending for port in self._ports)
        if self._sweeping:
            loop.call_later(_SWEEP, self._sweep, loop)

    def close(self) -> None:
        """Close all sockets; what is on its way fails."""
        loop = asyncio.get_running_loop()
        for port in (*self._ports, *self._retired):
            _fail(port)
            _shut(loop, port)
        self._ports.clear()
        self._retired.clear()

    def _place(self, loop: asyncio.AbstractEventLoop) -> tuple[_Port, int]:
        """A socket, not always the same, and an id not in use on it."""
        roll = self._dice.roll()
        choice, number = (roll >> 16) % _PORTS, roll & 0xFFFF
        if choice >= len(self._ports):
            port = self._open(loop)
        else:
            port = self._ports[choice]
            if port.uses >= _USES:
                self._ports.remove(port)
                self._retired.add(port)  # takes no more questions; closed when the last one is answered
                port = self._open(loop)
        port.uses += 1
        while number in port.pending:
            number = self._dice.roll() & 0xFFFF
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

    def _drain(self, port: _Port) -> None:
        for _ in range(_BURST):
            try:
                response = port.socket.recv(_LONGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error: nobody listens there, for any of the questions on this socket
                _fail(port)
                return
            waiting = port.pending.get(int.from_bytes(response[:2], "big")) if len(response) > 1 else None
            if waiting is None or not belongs(response, waiting[1]):
                self.mismatched += 1  # late, forged or broken: not a reason to stop waiting (RFC 5452 section 9.1)
            elif not waiting[0].done():
                waiting[0].set_result(b"\0\0" + response[2:])


def _fail(port: _Port) -> None:
    for future, _, _ in port.pending.values():
        if not future.done():
            future.set_exception(ExchangeError("network error"))


def _shut(loop: asyncio.AbstractEventLoop, port: _Port) -> None:
    loop.remove_reader(port.socket)
    port.socket.close()
