"""What upstream said, remembered per tenant: one tenant can never see, or time, what another resolved.

Stands below policy: a decision is made before the cache is asked, so a policy change needs no purge. Memory is bounded
over all tenants, and a tenant over its fair share pays with its own entries. Eviction within a tenant is SIEVE (Zhang
et al., NSDI 2024), which a flood of random names does not flush. This module must not know policy or wire formats.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from resolver.errors import DECIDED, Rcode
from resolver.query import Query, Response

_ANY_TYPE = -1
_SKEW = 2.0
"""Seconds a query may have been received before the answer that it finds was; more means the clock was set back."""
_ENTRY_OCTETS = 700
_RECORD_OCTETS = 200
Key = tuple[Hashable, ...]


@dataclass(slots=True, eq=False)
class _Entry:
    key: Key
    response: Response
    octets: int
    visited: bool = False
    newer: _Entry | None = None
    older: _Entry | None = None


@dataclass(slots=True, eq=False)
class TenantCache:
    """One tenant's entries, newest first, with SIEVE's hand."""

    index: dict[Key, _Entry] = field(default_factory=dict)
    octets: int = 0
    _newest: _Entry | None = None
    _oldest: _Entry | None = None
    _hand: _Entry | None = None

    def get(self, key: Key, now: float, beyond: float = 0.0) -> Response | None:
        """The answer kept under the key, None when there is none or its time is over (or the clock was set back).

        Args:
            key: what it was put under.
            now: Unix seconds.
            beyond: seconds behind its end for which an answer is found all the same; it may stand in (RFC 8767).
        """
        entry = self.index.get(key)
        if entry is None:
            return None
        born = entry.response.born or 0.0
        if not -_SKEW <= now - born < entry.response.lifetime + beyond:
            self.remove(entry)
            return None
        entry.visited = True
        return entry.response

    def put(self, key: Key, response: Response) -> None:
        """Keep an answer, in place of an older one."""
        old = self.index.get(key)
        if old is not None:
            self.remove(old)
        octets = _ENTRY_OCTETS + 2 * len(response.body) + _RECORD_OCTETS * len(response.records)
        entry = _Entry(key, response, octets, older=self._newest)
        if self._newest is not None:
            self._newest.newer = entry
        self._newest = entry
        self._oldest = self._oldest or entry
        self.index[key] = entry
        self.octets += octets

    def remove(self, entry: _Entry) -> None:
        """Take an entry out."""
        if self._hand is entry:
            self._hand = entry.newer
        if entry.newer is not None:
            entry.newer.older = entry.older
        else:
            self._newest = entry.older
        if entry.older is not None:
            entry.older.newer = entry.newer
        else:
            self._oldest = entry.newer
        entry.newer = entry.older = None
        del self.index[entry.key]
        self.octets -= entry.octets

    def evict(self) -> None:
        """Take out the first entry, from the hand towards newer ones, not asked for since the hand last passed."""
        entry = self._hand or self._oldest
        while entry is not None and entry.visited:
            entry.visited = False
            entry = entry.newer or self._oldest
        if entry is not None:
            self._hand = entry
            self.remove(entry)


class Caches:
    """The caches of all tenants of one worker.

    Args:
        entries: most entries over all tenants.
        octets: most bytes of memory they may hold, by estimate; by default 1 KiB an entry.
    """

    def __init__(self, entries: int, octets: int = 0) -> None:
        self._max_entries = entries
        self._max_octets = octets or entries * 1024
        self._tenants: dict[str, TenantCache] = {}
        self.entries = 0
        self.octets = 0
        self.evicted = 0

    def get(
        self, tenant: str, scope: Hashable, query: Query, now: float, beyond: float = 0.0
    ) -> Response | None:
        """The tenant's answer to this question, still to be aged by the reader, or None.

        An answer within its time goes before a failure (which is kept beside what was known before it).

        Args:
            tenant: name of the tenant.
            scope: what the answer was obtained from (the upstream group's servers); another scope is another answer.
            query: the question; DO and CD are part of it, since they change what upstream says.
            now: Unix seconds.
            beyond: seconds for which answers are kept behind their end, for `stale`.
        """
        cache = self._tenants.get(tenant)
        if cache is None:
            return None
        before = len(cache.index), cache.octets
        found = None
        for qtype in (query.qtype, _ANY_TYPE, ~query.qtype):
            answer = cache.get(_key(scope, query, qtype), now, beyond if qtype >= _ANY_TYPE else 0.0)
            if answer is not None and now < (answer.born or 0.0) + answer.lifetime:
                answer.asked += 1
                found = answer
                break
        self._account(cache, before)
        return found

    def stale(
        self, tenant: str, scope: Hashable, query: Query, now: float, beyond: float
    ) -> Response | None:
        """The latest answer to this question whose end is no longer ago than `beyond` seconds. Arguments as in get."""
        cache = self._tenants.get(tenant)
        if cache is None:
            return None
        before = len(cache.index), cache.octets
        found = [cache.get(_key(scope, query, qtype), now, beyond) for qtype in (query.qtype, _ANY_TYPE)]
        self._account(cache, before)
        return max((answer for answer in found if answer), key=lambda answer: answer.born or 0.0, default=None)

    def put(
        self, tenant: str, scope: Hashable, query: Query, response: Response, now: float, *, most: int = 0
    ) -> None:
        """Keep an answer for its lifetime, counted from now; one with lifetime 0 is not kept. Arguments as in get.

        most: entries this tenant may have; 0 is its fair share of all.
        """
        if response.lifetime <= 0:
            return
        # RFC 2308 section 5: a name error is kept for the name, anything else for name and type. With a CNAME in
        # the answer the name error is about the CNAME's target (section 2.1), so it is kept for name and type.
        whole_name = response.rcode == Rcode.NXDOMAIN and not response.counts[0]
        # A failure never displaces what may stand in for it; the complement of a type is no type.
        qtype = ~query.qtype if response.rcode not in DECIDED else _ANY_TYPE if whole_name else query.qtype
        kept = response.remembered(now)
        cache = self._tenants.setdefault(tenant, TenantCache())
        before = len(cache.index), cache.octets
        if response.rcode in DECIDED and (failure := cache.index.get(_key(scope, query, ~query.qtype))):
            cache.remove(failure)
        cache.put(_key(scope, query, qtype), kept)
        while most and len(cache.index) > most:
            cache.evict()
            self.evicted += 1
        self._account(cache, before)
        self._shrink(cache)

    def _account(self, cache: TenantCache, before: tuple[int, int]) -> None:
        self.entries += len(cache.index) - before[0]
        self.octets += cache.octets - before[1]

    def _shrink(self, own: TenantCache) -> None:
        while self.entries > self._max_entries or self.octets > self._max_octets:
            # Octets are the scarce thing: whoever holds its fair share of them pays, else the largest does.
            victim = own
            if own.octets * len(self._tenants) < self._max_octets:
                victim = max(self._tenants.values(), key=lambda cache: cache.octets)
            before = len(victim.index), victim.octets
            # The largest gives up 1 % at once, so that looking for it is rare.
            for _ in range(1 if victim is own else max(1, len(victim.index) // 100)):
                victim.evict()
                self.evicted += 1
            self._account(victim, before)


def _key(scope: Hashable, query: Query, qtype: int) -> Key:
    return query.qname, qtype, query.qclass, query.do, query.cd, scope
