"""The same path for an answer already known: bytes in, bytes out.

Stands before the handler, for UDP. A query of the same client with the same bytes behind its id gets the same answer
with its own id, as long as the policy epoch, the policy's schedules and the TTLs allow; TTLs count down because an
entry is rendered anew when a second has passed. Only the handler admits, and only what needed no upstream: a flood of
random names leaves nothing here. This module must not know how an answer is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import inf

from resolver.columns import Template
from resolver.event import Visit, aged
from resolver.query import Query, Response
from resolver.wire import encode_response

_FOREVER_NS = 2**63 - 1
_DOOR = 8192


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
    """

    tail: bytes
    until_ns: int
    epoch: int
    template: Template
    query: Query
    response: Response
    end: float
    limit: int


class FastPath:
    """Known answers of one worker.

    Args:
        capacity: most entries; the oldest make room.
    """

    __slots__ = ("_capacity", "_door", "_epoch", "entries")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._door: set[int] = set()
        self._epoch = -1
        self.entries: dict[tuple[str, bytes], Known] = {}
        """By client address and the query's bytes behind its id; the listener looks up here itself."""

    def admit(self, visit: Visit, response: Response, wire: bytes, template: Template, limit: int) -> None:
        """Remember an answer just given, from its second time on, or its first if the cache knew it."""
        key = visit.address, visit.message[2:]
        now, end = visit.received_ns / 1e9, min(visit.decision.valid_until, response.valid_until)
        if response.born is not None:
            end = min(end, response.born + response.lifetime)
        if end <= now:  # it holds for this one query
            return
        if response.source not in {"cache", "stale"} and not self._seen_before(hash(key)):
            return
        if visit.epoch != self._epoch:
            self.entries.clear()
            self._epoch = visit.epoch
        elif len(self.entries) >= self._capacity:
            for oldest in list(islice(self.entries, max(1, self._capacity // 8))):
                del self.entries[oldest]
        until = _next_change(response, end, now)
        self.entries[key] = Known(wire[2:], until, visit.epoch, template, visit.query, response, end, limit)

    def _seen_before(self, mark: int) -> bool:
        if mark in self._door:
            return True
        if len(self._door) >= _DOOR:
            self._door.clear()
        self._door.add(mark)
        return False

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
