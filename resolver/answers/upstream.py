"""Answers from the tenant's upstream servers: one after the other until one is usable, in the order a strategy says.

The last of the places where answers come from, and the only one that waits. Identical questions of one tenant travel
once. This module must not know caches or policy; it gives bytes back as they came.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from time import perf_counter

from resolver.answers.exchange import ExchangeError, rcode_of
from resolver.answers.upstream_link import Check, Link, ServerStats
from resolver.answers.upstream_tls import Trust
from resolver.errors import Rcode, UpstreamError
from resolver.tenant_view import Server, UpstreamGroupView

_ATTEMPTS = 4
_UNUSED = 60.0
_SWEEP = 5.0
_PROBE_AFTER = 10.0
"""Seconds after which a server that is not the fastest is measured again."""
_Outcome = tuple[bytes, str, UpstreamError | None]
_LAME = frozenset({Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})


class Upstreams:
    """Every server any tenant names, made when first asked, forgotten when unused for a minute."""

    def __init__(self) -> None:
        self._links: dict[Server, Link] = {}
        self._groups: dict[UpstreamGroupView, list[Link]] = {}
        self._trust = Trust()
        self._probes: set[asyncio.Task[None]] = set()
        self._running: dict[tuple[UpstreamGroupView, bytes], asyncio.Future[_Outcome]] = {}
        self.coalesced = 0

    async def query(
        self, group: UpstreamGroupView, message: bytes, timeout: float, check: Check = bytes  # noqa: ASYNC109
    ) -> tuple[bytes, str, int]:
        """Ask the servers of a group, one after the other.

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
        for link in self._order(group, message, timeout):
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

    def _order(self, group: UpstreamGroupView, message: bytes, timeout: float) -> list[Link]:
        """As the strategy says, but those that fail now come last; a single one is asked twice."""
        links = self._groups.get(group)
        if links is None:
            links = self._groups[group] = [self._link(server) for server in group.servers]
        if len(links) == 1:
            return links * 2
        now = asyncio.get_running_loop().time()
        if group.strategy == "random":
            links = random.sample(links, len(links))
        elif group.strategy == "fastest":
            links = sorted(links, key=lambda link: link.latency)
            self._probe(links[1:], now, message, timeout)
        return sorted(links, key=lambda link: link.suspect(now))[:_ATTEMPTS]

    def _probe(self, others: list[Link], now: float, message: bytes, timeout: float) -> None:
        """Measure a server that was not asked for a while by the same question; nobody waits for it."""
        for link in others:
            if link.used + _PROBE_AFTER < now:
                link.used = now
                task = asyncio.get_running_loop().create_task(_measure(link, message, timeout))
                self._probes.add(task)
                task.add_done_callback(self._probes.discard)

    def _link(self, server: Server) -> Link:
        link = self._links.get(server)
        if link is None:
            link = self._links[server] = Link(server, self._trust)
        return link

    def stats(self) -> dict[str, tuple[ServerStats, int]]:
        """By server URL: what was seen, and datagrams that answered nothing asked."""
        return {server.url: (link.stats, link.mismatched) for server, link in self._links.items()}

    async def run(self) -> None:
        """Close what is idle, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            now = loop.time()
            self._groups.clear()  # policy makes new ones; only those in use come back
            for server, link in list(self._links.items()):
                link.close_idle(now)
                if link.used + _UNUSED < now:
                    link.close()
                    del self._links[server]

    def close(self) -> None:
        """Close everything; questions on their way fail."""
        for task in self._probes:
            task.cancel()
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._groups.clear()


async def _measure(link: Link, message: bytes, timeout: float) -> None:  # noqa: ASYNC109 (handed down)
    with suppress(ExchangeError):
        await link.ask(message, timeout, bytes)


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
