"""The same path for an answer already known: bytes in, bytes out.

Stands before the handler, for UDP. A query of the same client at the same listener with the same bytes behind its id
gets the same answer with its own id, as long as the policy epoch, the policy's schedules and the TTLs allow; TTLs count
down because an entry is rendered anew when a second has passed. Only the handler admits, and only what needed no
upstream: a flood of random names leaves nothing here. This module must not know how an answer is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import inf

from resolver.event import Visit, aged
from resolver.limits import Meter
from resolver.query import Query, Response
from resolver.rows import Template
from resolver.wire import encode_response

_FOREVER_NS = 2**63 - 1
_DOOR, _LEAST_DOOR = 8192, 16


@dataclass(slots=True, eq=False)
class Known:
    """A known answer.

    Args:
        tail: the answer without its id.
        until_ns: Unix nanoseconds until which the tail may be sent.
        epoch: policy epoch it was decided under.
        template: event of each query it answers.
        end: Unix seconds at which it cannot be rendered anew but must be decided again.
        limit: largest answer in bytes.
        meter: of the client's tenant, to be asked first; None without limits.
    """

    tail: bytes
    until_ns: int
    epoch: int
    template: Template
    query: Query
    response: Response
    end: float
    limit: int
    meter: Meter | None


Key = tuple[str, bytes]
"""Client address, and the query's bytes behind its id."""


class FastPath:
    """Known answers of one worker.

    A tenant that holds more than an eighth of the room pays for new entries with its own, so that a flood of one
    tenant's names leaves those of the others where they are.

    Args:
        capacity: most entries over all listeners.
    """

    __slots__ = ("_capacity", "_doors", "_epoch", "_held", "_tables")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._doors: dict[str, set[int]] = {}
        self._epoch = -1
        self._tables: dict[str, dict[Key, Known]] = {}
        self._held: dict[str, dict[tuple[str, Key], None]] = {}
        """By tenant: (listener, key) of its entries, the oldest first."""

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    def table(self, listener: str = "") -> dict[Key, Known]:
        """The entries of one listener, always the same dict; the listener looks up here itself."""
        return self._tables.setdefault(listener, {})

    def admit(self, visit: Visit, response: Response, wire: bytes, template: Template, limit: int) -> None:
        """Remember an answer just given, from its second time on, or its first if the cache knew it."""
        key, tenant = (visit.address, visit.message[2:]), template.tenant
        now, end = visit.received_ns / 1e9, min(visit.decision.valid_until, response.until, visit.again)
        if end <= now:  # it holds for this one query
            return
        if response.source not in {"cache", "stale"} and not self._seen_before(tenant, hash(key)):
            return
        if visit.epoch != self._epoch:
            self._clear(visit.epoch)
        elif len(self) >= self._capacity:
            self._make_room()
        until = _next_change(response, end, now)
        listener = visit.arrival.listener
        self._held.setdefault(tenant, {})[listener, key] = None
        known = Known(wire[2:], until, visit.epoch, template, visit.query, response, end, limit, visit.meter)
        self.table(listener)[key] = known

    def _seen_before(self, tenant: str, mark: int) -> bool:
        door = self._doors.setdefault(tenant, set())
        if mark in door:
            return True
        if len(door) >= max(_DOOR // len(self._doors), _LEAST_DOOR):
            door.clear()
        door.add(mark)
        return False

    def _clear(self, epoch: int) -> None:
        for table in self._tables.values():
            table.clear()
        self._held.clear()
        self._epoch = epoch

    def _make_room(self) -> None:
        """The older half of the tenant that holds most; where nobody stands out, the oldest of all."""
        most = max(self._held.values(), key=len)
        if len(most) > self._capacity // 8:
            leaving = list(islice(most, (len(most) + 1) // 2))
        else:
            listener, table = max(self._tables.items(), key=lambda item: len(item[1]))
            leaving = [(listener, key) for key in islice(table, self._capacity // 8)]
        for listener, key in leaving:
            known = self._tables[listener].pop(key)
            del self._held[known.template.tenant][listener, key]

    def renew(self, known: Known, now_ns: int) -> bool:
        """Render an entry whose second is over anew.

        Args:
            known: the entry; it is changed.
            now_ns: Unix nanoseconds.

        Returns:
            Whether it may be sent; if not, the query is the handler's.
        """
        now = now_ns / 1e9
        born = known.response.born
        if born is None or not born <= now < known.end:
            return False
        known.response.asked += 1
        known.tail = encode_response(known.query, known.response, now=now, limit=known.limit)[2:]
        known.template = aged(known.template, known.response.records, int(now - born))
        known.until_ns = _next_change(known.response, known.end, now)
        return True


def _next_change(response: Response, end: float, now: float) -> int:
    """Unix nanoseconds at which the rendered answer is no longer right."""
    if response.born is not None:
        end = min(end, response.born + int(now - response.born) + 1)
    return _FOREVER_NS if end == inf else int(end * 1e9)
