"""What is nearly in order of time -> what is in order of time, for pairing and analysis run on the time of events.

Captures merged of several interfaces, logs written when an answer came: both are off by some. Bounded by a number and
by bytes; what lies further back than that is passed on as it comes, and counted. Must not know formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import TypeVar

from compose.imports.observed import Observed
from compose.imports.report import Report

T = TypeVar("T")
MOST = 30_000
MOST_BYTES = 64 << 20
TIME = "a time before 1970 or after 2099"
_END_NS = 4_102_444_800_000_000_000


def by_time(items: Iterable[T], time_ns: Callable[[T], int], size: Callable[[T], int] = lambda _: 0) -> Iterator[T]:
    """Items in order of time, as far as a heap of MOST items and MOST_BYTES bytes can see.

    Args:
        items: as they come.
        time_ns: of an item, Unix nanoseconds.
        size: of an item in bytes.
    """
    heap: list[tuple[int, int, T]] = []
    held = 0
    for number, item in enumerate(items):
        heappush(heap, (time_ns(item), number, item))
        held += size(item)
        while len(heap) > MOST or held > MOST_BYTES:
            oldest = heappop(heap)[2]
            held -= size(oldest)
            yield oldest
    while heap:
        yield heappop(heap)[2]


def in_order(events: Iterable[Observed], report: Report) -> Iterator[Observed]:
    """Events in order of time; counts them, and those that came too late to be put in their place."""
    latest = 0
    for event in by_time(_timely(events, report), lambda event: event.time_ns):
        report.events += 1
        report.disordered += event.time_ns < latest
        latest = max(latest, event.time_ns)
        yield event


def _timely(events: Iterable[Observed], report: Report) -> Iterator[Observed]:
    for event in events:
        if 0 <= event.time_ns < _END_NS:
            yield event
        else:
            report.spoiled(TIME, f"{event.template.qname} of {event.template.client}")
