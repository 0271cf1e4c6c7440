"""What upstream says to one question of one tenant: remembered, asked for, or what it said last.

Between the handler and the leaves `cached` and `upstream`, because not only clients walk this way: a popular answer is
renewed ahead of its end without one, and a question goes on being asked when its client was given a stale answer. What
comes out here still has to pass policy. This module must not know clients, rules or how waiting is done.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from math import inf
from typing import Any, Protocol

from resolver.answers.cached import RECHECK, answer_cached, answer_stale, keep
from resolver.bailiwick import in_bailiwick
from resolver.cache import Caches
from resolver.errors import DECIDED, ResponseError, UpstreamError
from resolver.query import Query, Response
from resolver.sections import FAILURE_TTL, decode_response
from resolver.tenant_view import TenantView, UpstreamGroupView
from resolver.wire import encode_query
from schemas.tenant_spec import Caching

Asking = tuple[TenantView, UpstreamGroupView, Query]
"""Whose question to whom."""
PATIENCE = 1.8
"""Seconds a client waits for upstream when a stale answer is at hand (RFC 8767 section 5: client response timer)."""
_POPULAR = 3
"""An answer asked for at least so often is renewed ahead of its end."""


class Upstreams(Protocol):
    """Asks servers; see answers/upstream.py."""

    async def query(  # noqa: D102
        self, group: UpstreamGroupView, message: bytes, timeout: float, check: Callable[[bytes], object]  # noqa: ASYNC109
    ) -> tuple[bytes, str, int]: ...


class Background(Protocol):
    """Does work beside the path; see background.py."""

    def start(self, key: Hashable, start: Callable[[], Coroutine[Any, Any, Response]]) -> object: ...  # noqa: D102
    async def within(  # noqa: D102
        self, seconds: float, key: Hashable, start: Callable[[], Coroutine[Any, Any, Response]]
    ) -> Response | None: ...


class _Reader:
    """Reads responses to one query, and remembers the last: what was checked need not be read again."""

    __slots__ = ("_answer", "_caching", "_query", "_raw")

    def __init__(self, query: Query, caching: Caching) -> None:
        self._query, self._caching = query, caching
        self._raw, self._answer = b"", Response(0, "none")

    def read(self, raw: bytes) -> Response:
        """The answer in a response; raises ResponseError if there is none."""
        if raw is not self._raw:
            self._answer = in_bailiwick(self._query, decode_response(raw, self._query, self._caching))
            self._raw = raw
        return self._answer


class Resolution:
    """Answers of upstream, by way of the cache.

    Args:
        caches: answers remembered, per tenant.
        upstreams: asks servers.
        background: does what no client waits for.
        clock: Unix time in nanoseconds.

    Attributes:
        renewals: answers asked for ahead of their end. stale: questions for which upstream failed or was slow and an
        earlier answer stood in.
    """

    def __init__(
        self, caches: Caches, upstreams: Upstreams, background: Background, clock: Callable[[], int]
    ) -> None:
        self.caches = caches
        self._upstreams, self._background, self._clock = upstreams, background, clock
        self.renewals = 0
        self.stale = 0

    def known(self, tenant: TenantView, group: UpstreamGroupView, query: Query, now: float) -> Response | None:
        """What need not be asked, None if it must; a popular answer near its end is renewed on the way."""
        found = answer_cached(self.caches, tenant, group, query, now)
        if found is not None and found.valid_until <= now and found.source == "cache":
            self._near_end(tenant, group, query, found)
        return found

    def _near_end(self, tenant: TenantView, group: UpstreamGroupView, query: Query, found: Response) -> None:
        if not tenant.caching.prefetch:
            found.valid_until = inf
        elif found.asked >= _POPULAR and query.rd:
            found.valid_until = inf  # once; the fast path may repeat it to its end
            self.renewals += 1
            self._background.start(_key(tenant, group, query), lambda: self._fetch(tenant, group, query))

    async def ask(self, tenant: TenantView, group: UpstreamGroupView, query: Query) -> Response:
        """Ask the group, and remember what it says.

        Raises:
            UpstreamError: when no server gave a usable response and nothing can stand in.
        """
        now = self._clock() / 1e9
        if answer_stale(self.caches, tenant, group, query, now, until=now) is None:
            return await self._fetch(tenant, group, query)
        key = _key(tenant, group, query)
        answer = await self._background.within(PATIENCE, key, lambda: self._fetch(tenant, group, query))
        if answer is not None and answer.rcode in DECIDED:
            return answer
        now = self._clock() / 1e9
        if answer is None:
            self._keep_failure(tenant, group, query, UpstreamError("no answer in time"), now)
        stale = answer_stale(self.caches, tenant, group, query, now, until=now + RECHECK)
        if stale is None:  # its place was taken meanwhile
            return answer or await self._fetch(tenant, group, query)
        self.stale += 1
        return stale

    async def _fetch(self, tenant: TenantView, group: UpstreamGroupView, query: Query) -> Response:
        reader, server, elapsed_us = _Reader(query, tenant.caching), "", 0
        try:
            raw, server, elapsed_us = await self._upstreams.query(
                group, encode_query(query), group.timeout, reader.read
            )
            answer = reader.read(raw)
        except ResponseError as error:
            failure = UpstreamError(str(error), upstream=server, elapsed_us=elapsed_us)
            self._keep_failure(tenant, group, query, failure, self._clock() / 1e9)
            raise failure from error
        except UpstreamError as error:
            self._keep_failure(tenant, group, query, error, self._clock() / 1e9)
            raise
        now = self._clock() / 1e9
        answer.born, answer.upstream, answer.upstream_us = now, server, elapsed_us
        keep(self.caches, tenant, group, query, answer, now)
        return answer

    def _keep_failure(
        self, tenant: TenantView, group: UpstreamGroupView, query: Query, error: UpstreamError, now: float
    ) -> None:
        failed = Response(error.rcode, "error", ede=error.ede, ede_text=error.ede_text, lifetime=FAILURE_TTL)
        keep(self.caches, tenant, group, query, failed, now)


def same(one: Asking, other: Asking) -> bool:
    """Whether the answer to one is the answer to the other: questions of one tenant to the same servers."""
    return one == other or _key(*one) == _key(*other)


def _key(tenant: TenantView, group: UpstreamGroupView, query: Query) -> Hashable:
    return tenant.name, group.scope, query.question.lower(), query.do, query.cd
