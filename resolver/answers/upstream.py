"""Answers from the tenant's upstream servers: one after the other until one is usable, TCP when UDP was too small.

The last of the places where answers come from, and the only one that waits. Identical questions of one tenant travel
once. This module must not know caches or policy; it gives bytes back as they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from resolver.answers.exchange import ExchangeError, rcode_of, rejects_edns, truncated, without_edns
from resolver.answers.upstream_tcp import TcpServer
from resolver.answers.upstream_udp import UdpServer
from resolver.errors import Rcode, ResponseError, UpstreamError
from resolver.tenants import Server, UpstreamGroupView

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram in seconds."""
_ATTEMPTS = 4
_SUSPECT_AFTER = 3
_SUSPECT_FOR = (1.0, 10.0)
_UNUSED = 60.0
_SWEEP = 5.0
Check = Callable[[bytes], object]
_Outcome = tuple[bytes, str, UpstreamError | None]
_LAME = frozenset({Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})


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

    def answered(self, elapsed: float) -> None:
        """Count a response that took so many seconds."""
        self.seconds += elapsed
        self.latencies[sum(elapsed > bound for bound in BUCKETS)] += 1


class _Link:
    """Both ways to one server, and how it behaves."""

    def __init__(self, server: Server) -> None:
        self.server, self.udp, self.tcp = server, UdpServer(server), TcpServer(server)
        self.stats = ServerStats()
        self.used = 0.0
        self._failures = 0
        self._suspect_until = 0.0

    def suspect(self, now: float) -> bool:
        """Whether others should be asked first: it failed several times, and lately."""
        return now < self._suspect_until

    async def ask(self, message: bytes, timeout: float, check: Check) -> bytes:  # noqa: ASYNC109 (handed down, not a scope)
        """One attempt.

        Raises:
            ExchangeError: if there is no usable response.
        """
        loop = asyncio.get_running_loop()
        self.used, start = loop.time(), perf_counter()
        self.stats.asked += 1
        try:
            response = await self._ask(message, timeout)
            if rejects_edns(response):
                response = await self._ask(without_edns(message), timeout)
            _checked(response, check)
        except ExchangeError as error:
            self.stats.failed[error.reason] = self.stats.failed.get(error.reason, 0) + 1
            self._failures += 1
            if self._failures >= _SUSPECT_AFTER:
                shift = min(self._failures - _SUSPECT_AFTER, 8)
                self._suspect_until = loop.time() + min(_SUSPECT_FOR[0] * 2**shift, _SUSPECT_FOR[1])
            raise
        self.stats.answered(perf_counter() - start)
        self._failures, self._suspect_until = 0, 0.0
        return response

    async def _ask(self, message: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 (handed down, not a scope)
        if self.server.scheme == "tcp":
            return await self.tcp.ask(message, timeout)
        response = await self.udp.ask(message, timeout)
        return await self.tcp.ask(message, timeout) if truncated(response) else response  # RFC 7766 section 5

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


class Upstreams:
    """Every server any tenant names, made when first asked, forgotten when unused for a minute."""

    def __init__(self) -> None:
        self._links: dict[Server, _Link] = {}
        self._groups: dict[UpstreamGroupView, list[_Link]] = {}
        self._running: dict[tuple[UpstreamGroupView, bytes], asyncio.Future[_Outcome]] = {}
        self.coalesced = 0

    async def query(
        self, group: UpstreamGroupView, message: bytes, timeout: float, check: Check = bytes  # noqa: ASYNC109
    ) -> tuple[bytes, str, int]:
        """Ask the servers of a group, in order.

        Args:
            group: of one tenant; another tenant's is another object, so questions are not shared between tenants.
            message: query with id 0, its OPT record last and without options.
            timeout: seconds for each attempt.
            check: raises ResponseError for a response that cannot be used; the next server is asked then.

        Returns:
            the response with id 0, the URL of the server that gave it, microseconds waited.

        Raises:
            UpstreamError: when no server gave a usable response.
        """
        start, key = perf_counter(), (group, message)
        while (running := self._running.get(key)) is not None:
            self.coalesced += 1
            await asyncio.wait((running,))
            if not running.cancelled():
                return _shared(running, _us_since(start))
        self._running[key] = outcome = asyncio.get_running_loop().create_future()
        try:
            response, url = await self._ask(group, message, timeout, check)
            elapsed = _us_since(start)
            outcome.set_result((response, url, None))
        except UpstreamError as error:
            error.elapsed_us = _us_since(start)
            outcome.set_result((b"", error.upstream, error))
            raise
        finally:
            del self._running[key]
            outcome.cancel()  # does nothing to one that is done; else whoever waited asks itself
        return response, url, elapsed

    async def _ask(
        self, group: UpstreamGroupView, message: bytes, timeout: float, check: Check  # noqa: ASYNC109
    ) -> tuple[bytes, str]:
        lame: tuple[bytes, str] | None = None
        failure, failed = ExchangeError("no server"), ""
        for link in self._order(group):
            if lame is not None and lame[1] == link.server.url:
                continue  # the only server there is has spoken
            try:
                response = await link.ask(message, timeout, check)
            except ExchangeError as error:
                failure, failed = error, link.server.url
                continue
            if rcode_of(response) not in _LAME:
                return response, link.server.url
            lame = lame or (response, link.server.url)
        if lame is not None:
            return lame
        raised = UpstreamError(failure.reason, upstream=failed)
        raised.ede = failure.ede
        raise raised

    def _order(self, group: UpstreamGroupView) -> list[_Link]:
        """As the tenant wrote them, but those that fail now come last; a single one is asked twice."""
        links = self._groups.get(group)
        if links is None:
            links = self._groups[group] = [self._link(server) for server in group.servers[:_ATTEMPTS]]
        if len(links) == 1:
            return links * 2
        now = asyncio.get_running_loop().time()
        return sorted(links, key=lambda link: link.suspect(now))

    def _link(self, server: Server) -> _Link:
        link = self._links.get(server)
        if link is None:
            link = self._links[server] = _Link(server)
        return link

    def stats(self) -> dict[str, tuple[ServerStats, int]]:
        """By server URL: what was seen, and datagrams that answered nothing asked."""
        return {server.url: (link.stats, link.udp.mismatched) for server, link in self._links.items()}

    async def run(self) -> None:
        """Close what is idle, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            now = loop.time()
            self._groups.clear()  # policy makes new ones; only those in use come back
            for server, link in list(self._links.items()):
                link.tcp.close_idle(now)
                if link.used + _UNUSED < now:
                    link.close()
                    del self._links[server]

    def close(self) -> None:
        """Close everything; questions on their way fail."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._groups.clear()


def _checked(response: bytes, check: Check) -> None:
    try:
        check(response)
    except ResponseError as error:
        raise ExchangeError(str(error)) from error


def _us_since(start: float) -> int:
    return int((perf_counter() - start) * 1e6)


def _shared(running: asyncio.Future[_Outcome], elapsed_us: int) -> tuple[bytes, str, int]:
    """What an identical question brought, for one who waited for it."""
    response, url, error = running.result()
    if error is None:
        return response, url, elapsed_us
    own = UpstreamError(error.ede_text, upstream=url, elapsed_us=elapsed_us)
    own.ede = error.ede
    raise own
