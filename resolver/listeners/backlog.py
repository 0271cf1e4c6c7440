"""Queries that wait for the worker's next free tenth of a millisecond: each tenant's apart, each in its turn.

Stands between the UDP listener, which reads faster than the handler works, and the handler. Memory is bounded, and
whoever has most waiting gives up its oldest: a tenant that sends more than can be worked off delays and loses its own
queries, never those of others. This module must not know messages, sockets or clocks.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 1024
"""Queries; at 8,000 a second worked off, an eighth of a second. What waits longer, its client asks again."""


class Backlog(Generic[T]):
    """What waits, by tenant.

    Args:
        most: queries of all tenants together.

    Attributes:
        shed: queries given up, by tenant.
    """

    __slots__ = ("_most", "_total", "_waiting", "shed")

    def __init__(self, most: int = MOST) -> None:
        self._most, self._total = most, 0
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self.shed: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._total

    def put(self, tenant: str, query: T) -> None:
        """Let a query wait; where there is no room, the oldest of the tenant with the most is given up."""
        own = self._waiting.get(tenant)
        if own is None:
            own = self._waiting[tenant] = deque()
        own.append(query)
        self._total += 1
        if self._total > self._most:
            self._shed(tenant, own)

    def _shed(self, tenant: str, own: deque[T]) -> None:
        if len(own) * len(self._waiting) <= self._most:  # who comes has no more than its share: look for who has
            tenant, own = max(self._waiting.items(), key=lambda item: len(item[1]))
        self._leave(tenant, own)
        self.shed[tenant] += 1

    def take(self) -> T:
        """The oldest query of the tenant whose turn it is; of `len` none is left to take at 0."""
        tenant, own = next(iter(self._waiting.items()))
        self._waiting.move_to_end(tenant)
        return self._leave(tenant, own)

    def _leave(self, tenant: str, own: deque[T]) -> T:
        query = own.popleft()
        self._total -= 1
        if not own:
            del self._waiting[tenant]
        return query

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._total = 0
