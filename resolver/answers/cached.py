"""Answers of upstream that the tenant's own cache remembers, and what stands in when upstream fails.

One of the leaves: before asking upstream, and to keep what upstream said. It settles what an answer belongs to (a
tenant and the servers that gave it) and for how long a failure is believed. This module must not know how upstream is
asked.
"""

from __future__ import annotations

from resolver.cache import Caches
from resolver.errors import DECIDED
from resolver.query import Query, Response
from resolver.tenant_view import TenantView, UpstreamGroupView

STALE_TTL = 30
"""TTL in seconds of an answer behind its end (RFC 8767 section 5)."""
RECHECK = 30
"""Seconds for which upstream is left alone when something can stand in (RFC 8767 section 5: failure recheck timer)."""
_RENEW_AT = 0.9
_RENEW_LEAST = 10
"""Seconds an answer must live for to be renewed ahead of its end; others would be asked for all the time."""


def answer_cached(
    caches: Caches, tenant: TenantView, group: UpstreamGroupView, query: Query, now: float
) -> Response | None:
    """What this tenant was told by this group, None when upstream is to be asked. `now`: Unix seconds.

    While a failure is believed, the answer known before it stands in if there is one.
    """
    found = caches.get(tenant.name, group.scope, query, now, tenant.caching.serve_stale)
    if found is None or found.rcode in DECIDED:
        return found
    return answer_stale(caches, tenant, group, query, now, until=(found.born or now) + found.lifetime) or found


def answer_stale(
    caches: Caches, tenant: TenantView, group: UpstreamGroupView, query: Query, now: float, *, until: float
) -> Response | None:
    """The last answer, though its end is past, where the tenant wants that (RFC 8767).

    `until`: Unix seconds at which upstream is to be asked again.
    """
    beyond = tenant.caching.serve_stale
    found = caches.stale(tenant.name, group.scope, query, now, beyond) if beyond else None
    return None if found is None else found.stale(STALE_TTL, until)


def keep(  # noqa: PLR0917 - the same order as answer_cached
    caches: Caches, tenant: TenantView, group: UpstreamGroupView, query: Query, response: Response, now: float
) -> None:
    """Remember what this group told this tenant. `now`: Unix seconds at which the response came."""
    if response.rcode not in DECIDED:
        if answer_stale(caches, tenant, group, query, now, until=now) is not None:
            response.lifetime = RECHECK
    elif tenant.caching.prefetch and response.lifetime >= _RENEW_LEAST:
        response.valid_until = now + _RENEW_AT * response.lifetime
    caches.put(tenant.name, group.scope, query, response, now, most=tenant.caching.entries)
