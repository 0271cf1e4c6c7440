"""Events between the answer and the flush: one template per distinct answer, four numbers per query, bounded.

``offer`` is the only part of publishing that runs inside the path of a query; it costs an attribute comparison and five
appends. This module must not know Arrow, Kafka or files.
"""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np

from resolver.rows import Rows, Template

EVENT_BYTES = 24
"""Bytes an event holds in the buffer beside its template."""

_OFTEN = 31
"""The bound on memory is looked at for every 32nd template: it may be passed by that many, some 30 kB."""


class Cell(Protocol):
    """A counter that may live in a mapped file."""

    value: int


class Offer(Protocol):
    """Signature of EventBuffer.offer."""

    def __call__(self, template: Template, time_ns: int, latency_us: int, upstream_us: int = 0) -> None:
        """See EventBuffer.offer."""


class EventBuffer:
    """Bounded buffer of events.

    ``max_events`` bounds all events of the worker that are not acknowledged yet, in this buffer or taken from it;
    ``max_bytes`` their estimated memory. Beyond either, new events are dropped and counted.

    Args:
        offered, dropped: cells that count.
        max_events, max_bytes: bounds.
    """

    __slots__ = (
        "_dropped",
        "_full_at",
        "_generation",
        "_latencies",
        "_max_bytes",
        "_max_events",
        "_offered",
        "_released",
        "_slots",
        "_taken_bytes",
        "_templates",
        "_times",
        "_total",
        "_upstreams",
        "_weight",
    )

    def __init__(self, offered: Cell, dropped: Cell, *, max_events: int, max_bytes: int) -> None:
        self._offered, self._dropped = offered, dropped
        self._max_events, self._max_bytes = max_events, max_bytes
        self._total = 0  # offered so far, kept here as a plain int
        self._released = 0  # events that left: acknowledged or given up
        self._taken_bytes = 0  # what the publisher holds of what it took
        self._generation = 0
        self._renew()

    def _renew(self) -> None:
        self._generation += 1
        self._weight = 0
        self._templates: list[Template] = []
        self._slots, self._times = array("I"), array("q")
        self._latencies, self._upstreams = array("I"), array("I")
        self._set_bound()

    def _set_bound(self) -> None:
        held = self._total - self._released
        room = min(self._max_events - held, (self._max_bytes - self.held_bytes()) // EVENT_BYTES)
        self._full_at = self._total + max(room, 0)

    def offer(self, template: Template, time_ns: int, latency_us: int, upstream_us: int = 0) -> None:
        """Take one event, or drop and count it when the buffer is full; never blocks.

        Args:
            template: what the event shares with others of the same answer; may be offered again and again.
            time_ns: arrival of the query, Unix nanoseconds.
            latency_us: microseconds from reading the query to handing over the answer, below 2**32.
            upstream_us: microseconds of these spent waiting for upstream.
        """
        total = self._total = self._total + 1
        self._offered.value = total
        if total > self._full_at:
            self._drop()
            return
        if template.generation != self._generation:
            self._admit(template)
        self._slots.append(template.slot)
        self._times.append(time_ns)
        self._latencies.append(latency_us)
        self._upstreams.append(upstream_us)

    def _admit(self, template: Template) -> None:
        template.generation = self._generation
        template.slot = len(self._templates)
        self._templates.append(template)
        self._weight += template.weight()
        if not template.slot & _OFTEN:
            self._set_bound()

    def _drop(self) -> None:
        self._dropped.value += 1
        self._released += 1
        self._full_at = self._total

    def __len__(self) -> int:
        return len(self._slots)

    def held(self) -> int:
        """Events not acknowledged, given up or dropped yet, wherever they are."""
        return self._total - self._released

    def held_bytes(self) -> int:
        """Estimated memory of these."""
        return self._weight + EVENT_BYTES * len(self._slots) + self._taken_bytes

    def take(self) -> Rows:
        """All events in the buffer, in order; they count as held until `release`, their bytes until `account`."""
        rows = Rows(
            self._templates,
            np.frombuffer(self._slots, np.uint32).astype(np.int64),
            np.frombuffer(self._times, np.int64),
            np.frombuffer(self._latencies, np.uint32),
            np.frombuffer(self._upstreams, np.uint32),
            self._weight + EVENT_BYTES * len(self._slots),
        )
        self._taken_bytes += rows.weight
        self._renew()
        return rows

    def account(self, change: int) -> None:
        """What was taken now needs so many bytes more (or, negative, less)."""
        self._taken_bytes += change
        self._set_bound()

    def release(self, events: int, size: int) -> None:
        """So many events were acknowledged or given up, and the bytes they needed are free."""
        self._released += events
        self._taken_bytes -= size
        self._set_bound()
