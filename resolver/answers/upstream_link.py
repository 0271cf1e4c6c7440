"""The way to one upstream server: which transports, how it behaves, and whether others should be asked first.

Between upstream.py, which knows groups, and the transports. This module must not know tenants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from resolver.answers.exchange import ExchangeError, rejects_edns, truncated, without_edns
from resolver.answers.upstream_https import HttpsServer
from resolver.answers.upstream_tcp import TcpServer
from resolver.answers.upstream_tls import Trust
from resolver.answers.upstream_udp import UdpServer
from resolver.errors import ResponseError
from resolver.tenant_view import Server

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram in seconds."""
Check = Callable[[bytes], object]
_SUSPECT_AFTER = 3
_SUSPECT_FOR = (1.0, 10.0)
_WEIGHT = 0.25
"""How much one latency counts in the average."""


class _Stream(Protocol):
    """A transport over connections."""

    async def ask(self, message: bytes, timeout: float) -> bytes: ...  # noqa: ASYNC109
    def close_idle(self, now: float) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class ServerStats:
    """What was seen of one server.

    Attributes:
        asked: attempts. failed: of these, without a usable response, by reason. latencies: responses by BUCKETS,
        the last slot for slower ones. seconds: sum of their latencies.
    """

    asked: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def count(self, reason: str) -> None:
        """Count an attempt that brought nothing usable."""
        self.failed[reason] = self.failed.get(reason, 0) + 1

    def answered(self, elapsed: float) -> None:
        """Count a response that took so many seconds."""
        self.seconds += elapsed
        self.latencies[sum(elapsed > bound for bound in BUCKETS)] += 1


class Link:
    """All ways to one server, and how it behaves.

    Attributes:
        used: event loop's time of the last question.
        latency: moving average in seconds, a failure counting as its timeout; 0 as long as nothing is known.
    """

    def __init__(self, server: Server, trust: Trust) -> None:
        self.server, self.stats = server, ServerStats()
        self.udp = UdpServer(server) if server.scheme == "udp" else None
        self._stream: _Stream = (
            HttpsServer(server, trust) if server.scheme == "https" else TcpServer(server, trust)
        )
        self.used = self.latency = 0.0
        self._failures = 0
        self._suspect_until = 0.0

    def suspect(self, now: float) -> bool:
        """Whether others should be asked first: it failed several times, and lately."""
        return now < self._suspect_until

    async def ask(self, message: bytes, timeout: float, check: Check) -> bytes:  # noqa: ASYNC109 (handed down)
        """One attempt.

        Raises:
            ExchangeError: if there is no usable response.
        """
        self.used, start = asyncio.get_running_loop().time(), perf_counter()
        self.stats.asked += 1
        try:
            response = await self._ask(message, timeout)
            if rejects_edns(response):
                response = await self._ask(without_edns(message), timeout)
        except ExchangeError as error:
            self._failed(error.reason, timeout)
            raise
        self._answered(perf_counter() - start)
        try:
            check(response)
        except ResponseError as error:
            # A server that is there may hand on what it was told: whoever owns a name must not make it look dead.
            self.stats.count(str(error))
            raise ExchangeError(str(error)) from error
        return response

    async def _ask(self, message: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 (handed down, not a scope)
        if self.udp is None:
            return await self._stream.ask(message, timeout)
        response = await self.udp.ask(message, timeout)
        return await self._stream.ask(message, timeout) if truncated(response) else response  # RFC 7766 section 5

    def _answered(self, elapsed: float) -> None:
        self.stats.answered(elapsed)
        self._failures, self._suspect_until = 0, 0.0
        self._measured(elapsed)

    def _failed(self, reason: str, timeout: float) -> None:
        self.stats.count(reason)
        self._failures += 1
        self._measured(timeout)
        if self._failures >= _SUSPECT_AFTER:
            shift = min(self._failures - _SUSPECT_AFTER, 8)
            now = asyncio.get_running_loop().time()
            self._suspect_until = now + min(_SUSPECT_FOR[0] * 2**shift, _SUSPECT_FOR[1])

    def _measured(self, elapsed: float) -> None:
        self.latency += _WEIGHT * (elapsed - self.latency) if self.latency else elapsed

    @property
    def mismatched(self) -> int:
        """Datagrams that answered nothing asked."""
        return self.udp.mismatched if self.udp else 0

    def close_idle(self, now: float) -> None:
        """Close connections nobody needs; `now`: the event loop's time."""
        self._stream.close_idle(now)

    def close(self) -> None:
        """Close everything; questions on their way fail."""
        if self.udp:
            self.udp.close()
        self._stream.close()
