"""UDP: datagrams in, answers out.

One callback per wake-up reads until the socket is empty or 64 datagrams are done, the largest single gain there is over
a protocol object; what the fast path knows is answered right here. The rest waits until these are done, and is worked
off with a look at the socket every tenth of a millisecond: answers that cost microseconds do not wait behind those that
cost a hundred. This module must not know DNS.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from resolver.buffer import Offer
from resolver.fastpath import FastPath
from resolver.handler import Answering, Handler
from resolver.listeners.backlog import Backlog
from resolver.listeners.gate import Gate
from resolver.tenants import PLAIN, Arrival, Policies, identify

_BURST = 64
_BUFFER = 4 << 20
_LONGEST = 4096
"""Longest query read in bytes; what is longer is cut off and so answered FORMERR."""
_MAX_LATENCY_US = 2**32 - 1
_TURN_NS = 100_000
"""Nanoseconds of work until the socket is looked at again; a query that was begun is done."""
_STRETCH_NS = 500_000
"""Nanoseconds of it until others have their turn: a turn of the loop costs as much as a tenth of a query."""


def bind_udp(address: str, port: int) -> socket.socket:
    """A socket of its own for this worker: the kernel spreads clients over all that are bound with SO_REUSEPORT.

    Raises:
        OSError: if the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        bound.setblocking(False)  # noqa: FBT003 - the standard library has no other way
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


class UdpListener:
    """Serves one bound socket on the running loop.

    Args:
        bound: non-blocking UDP socket; closed by `close`.
        handler: answers what the fast path does not know.
        fastpath: known answers.
        policies: for the epoch under which a known answer must have been decided.
        offer: takes the event of a known answer.
        clock: Unix time in nanoseconds.
        arrival: what is known of every client that comes in here.

    Attributes:
        gate: keeps floods away.
        backlog: what was read and is not worked off yet.
        unsent: answers the socket did not take.
    """

    def __init__(  # noqa: PLR0917 - each is a part of its own
        self,
        bound: socket.socket,
        handler: Handler,
        fastpath: FastPath,
        policies: Policies,
        offer: Offer,
        clock: Callable[[], int],
        arrival: Arrival = PLAIN,
    ) -> None:
        self._socket, self._handler, self._fastpath = bound, handler, fastpath
        self._policies, self._offer, self._clock, self._arrival = policies, offer, clock, arrival
        self._waiting: dict[asyncio.Task[None], Answering] = {}
        self._loop = asyncio.get_running_loop()
        self.gate = Gate(bound, handler.excess, policies, arrival)
        self.backlog: Backlog[tuple[bytes, Any, int]] = Backlog()
        self._working, self._looked = False, 0
        self.unsent = 0

    def start(self) -> None:
        """Begin to serve."""
        self._loop.add_reader(self._socket, self._drain)

    async def close(self) -> None:
        """Stop reading, drop what still waits for upstream, close the socket; a second time does nothing."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        self.backlog.clear()
        for task in self._waiting:
            task.cancel()
        waiting = list(self._waiting.items())
        await asyncio.gather(*self._waiting, return_exceptions=True)
        for _, answering in waiting:
            answering.close()  # of a task that had not begun nobody else does
        self.gate.close()
        self._socket.close()

    def _drain(self) -> None:
        self._looked = self._read()
        if self.backlog and not self._working:
            self._work()

    def _glance(self) -> None:
        """Look at the socket if that was long ago: many callbacks may come between two turns of the loop."""
        if self._clock() - self._looked < _TURN_NS:
            return
        self._looked = self._read()
        if self.backlog and not self._working:
            self._working = True
            self._loop.call_soon(self._work)

    def _read(self) -> int:
        """Answer what is known, note what is not; the time (Unix nanoseconds) at which the socket was empty."""
        receive, send, clock, offer = self._socket.recvfrom, self._socket.sendto, self._clock, self._offer
        policies, renew, turn_away = self._policies, self._fastpath.renew, self._handler.excess.answer
        known_answers, meter_of = self._fastpath.table(self._arrival.listener).get, self._handler.meters.of
        before = clock()
        for _ in range(_BURST):
            try:
                message, client = receive(_LONGEST)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error about an earlier answer; the socket lives on
            known = known_answers((client[0], message[2:]))
            if (
                known is not None
                and known.epoch == policies.current.epoch
                and (before < known.until_ns or renew(known, before))
            ):
                meter = known.meter
            else:
                known, asker = None, identify(policies.current, client[0], self._arrival)
                meter = meter_of(asker)
            if meter is not None and (over := meter.over(client[0], "udp", before)):
                answer = turn_away(meter, over, message, client[0], "udp", before, self._arrival)
                if answer is not None:
                    self._send(answer, client)
                before = clock()
            elif known is not None:
                try:
                    send(message[:2] + known.tail, client)
                except OSError:
                    self.unsent += 1
                after = clock()
                latency = (after - before) // 1000
                offer(known.template, before, latency if 0 <= latency <= _MAX_LATENCY_US else 0)
                before = after
            else:
                self.backlog.put(asker.tenant.name if asker is not None else "", (message, client, before))
                before = clock()
        return before

    def _work(self) -> None:
        """Work off what waits, with looks at the socket; other work of the loop has its turn in between."""
        self._working = True
        end = self._clock() + _STRETCH_NS
        while self.backlog:
            self._pass_on(*self.backlog.take())
            if self._clock() >= end:
                break
            self._glance()
        self._working = bool(self.backlog)
        if self._working:
            self._loop.call_soon(self._work)

    def _pass_on(self, message: bytes, client: Any, received_ns: int) -> None:  # noqa: ANN401 - a socket address
        answer = self._handler.answer(message, client[0], "udp", received_ns, self._arrival)
        if isinstance(answer, bytes):
            self._send(answer, client)
        elif answer is not None:
            task = self._loop.create_task(self._wait(answer, client))
            self._waiting[task] = answer
            task.add_done_callback(self._waiting.pop)

    async def _wait(self, answering: Answering, client: Any) -> None:  # noqa: ANN401
        self._glance()
        if (answer := await answering) is not None:
            self._send(answer, client)
        self._glance()

    def _send(self, answer: bytes, client: Any) -> None:  # noqa: ANN401
        # A full send buffer or an unreachable client: a datagram lost, as networks lose them; the client asks again.
        try:
            self._socket.sendto(answer, client)
        except OSError:
            self.unsent += 1
