"""Answers of upstream that the tenant's own cache remembers.

One of the leaves that the handler calls: before asking upstream, and to keep what upstream said. It settles what an
answer belongs to: a tenant and the servers that gave it. This module must not know how upstream is asked.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

from resolver.cache import Caches
from resolver.query import Query, Response
from resolver.tenants import TenantView, UpstreamGroupView


@lru_cache(maxsize=1024)
def scope_of(group: UpstreamGroupView) -> Hashable:
    """What answers of this group are kept under: its servers, so that changed servers start with nothing remembered."""
    return tuple(server.url for server in group.servers)


def answer_cached(
    caches: Caches, tenant: TenantView, group: UpstreamGroupView, query: Query, now: float
) -> Response | None:
    """What this tenant was told by this group, None when nothing is remembered. `now`: Unix seconds."""
    return caches.get(tenant.name, scope_of(group), query, now)


def keep(  # noqa: PLR0917 - the same order as answer_cached
    caches: Caches, tenant: TenantView, group: UpstreamGroupView, query: Query, response: Response, now: float
) -> None:
    """Remember what this group told this tenant. `now`: Unix seconds at which the response came."""
    caches.put(tenant.name, scope_of(group), query, response, now)
