"""Tumbling windows of event time, 10 s and 1 min, per tenant and workload: which row counts where, and until when.

Rows are counted once, in 10 s panes; a minute is the merge of its six panes. A pane closes when the tenant's clock
(event time) is LATENESS past its end. An event later than that counts in the oldest open pane, under ``late``.
Telemetry of the same (tenant, workload, window_start, window_seconds) overwrites. Must not know alerts or policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

import numpy as np

from schemas.signals import Telemetry
from streams.columns import Mask, TenantRows
from streams.distinct import close_together
from streams.losses import Losses
from streams.pane_tallies import tallied
from streams.parts import Parts, pack, unpack
from streams.summary import OTHER, Summary

PANE = 10
MINUTE = 60
LATENESS = 5.0
MAX_WORKLOADS = 50
_TENANT = ""


@dataclass(slots=True)
class Window:
    """Summaries of one window; key ``""`` is the whole tenant."""

    start: int
    seconds: int
    groups: dict[str, Summary] = field(default_factory=dict)

    def group(self, name: str) -> Summary:
        """Summary of the tenant or a workload; workloads past the cap share one."""
        if name and name not in self.groups and len(self.groups) > MAX_WORKLOADS:
            name = OTHER
        if name not in self.groups:
            self.groups[name] = Summary(p=10, capacity=32) if name else Summary()
        return self.groups[name]

    def merge(self, pane: Window) -> None:
        """Take in one of the panes it consists of."""
        for name, summary in pane.groups.items():
            self.group(name).merge(summary)

    def told(self, tenant: str) -> Iterator[Telemetry]:
        """Its messages, the tenant's first, then the workloads by name."""
        start = datetime.fromtimestamp(self.start, UTC)
        for name in sorted(self.groups):
            values = self.groups[name].values()
            yield Telemetry(tenant=tenant, workload=name, window_start=start, window_seconds=self.seconds, **values)

    def pack(self) -> bytes:
        """Bytes of the part that keeps it."""
        return pack([self.start, self.seconds, {name: summary.pack() for name, summary in self.groups.items()}])

    @classmethod
    def unpack(cls, value: bytes) -> Window:
        """Inverse of pack."""
        start, seconds, groups = unpack(value)
        return cls(start, seconds, {name: Summary.unpack(item) for name, item in groups.items()})


class TelemetryWindows:
    """Open windows of one tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._panes: dict[int, Window] = {}
        self._minutes: dict[int, Window] = {}
        self._told_until: int | None = None
        self._touched: set[str] = set()
        self._closed: set[str] = set()
        self._losses = Losses()

    def add(self, rows: TenantRows) -> None:
        """Count events in their panes."""
        if not len(rows):
            return
        if self._told_until is None:
            self._told_until = int((rows.times.min() - LATENESS) // PANE) * PANE
        late = rows.times < self._told_until
        for start, name, tally in tallied(rows, PANE, self._told_until):
            self._touched.add(f"pane/{start}")
            self._panes.setdefault(start, Window(start, PANE)).group(name).add(tally)
        if late.any():
            self._count_late(rows.only(late))

    def _count_late(self, rows: TenantRows) -> None:
        ((pane, _),) = self._panes_of(rows)
        pane.group(_TENANT).count("late", len(rows))
        for name, ours in _workloads(rows):
            pane.group(name).count("late", int(np.count_nonzero(ours)))

    def _panes_of(self, rows: TenantRows) -> Iterator[tuple[Window, Mask]]:
        """Open panes in which rows count, and which of them do."""
        panes = np.maximum((rows.times // PANE).astype(np.int64) * PANE, self._told_until or 0)
        for start in close_together(panes):
            self._touched.add(f"pane/{start}")
            yield self._panes.setdefault(start, Window(start, PANE)), panes == start

    def lose(self, rows: TenantRows, heard: Mapping[str, Mapping[int, int]]) -> None:
        """Count what the resolvers these rows came from dropped since they were heard last, where the newest row is.

        Args:
            rows: of batches whose headers were heard.
            heard: events dropped, by source and epoch, of all tenants of a resolver.
        """
        texts = rows.batch.texts("source")
        for code in rows.tally("source")[0].tolist():
            number = self._losses.hear(texts[code], heard.get(texts[code], {}))
            if number:
                *_, (pane, _) = self._panes_of(rows)
                pane.group(_TENANT).drop(texts[code], number)

    def count_new(self, rows: TenantRows) -> None:
        """Count rows that asked a name for the first time, one row a name."""
        for pane, here in self._panes_of(rows):
            chosen = rows.only(here)
            pane.group(_TENANT).newly_observed += len(chosen)
            for name, ours in _workloads(chosen):
                pane.group(name).newly_observed += int(np.count_nonzero(ours))

    def close(self, until: float) -> list[Telemetry]:
        """Tell and forget the windows that end by `until` (Unix seconds)."""
        if self._told_until is None or until < self._told_until + PANE:
            return []
        told: list[Telemetry] = []
        for start in sorted(start for start in self._panes if start + PANE <= until):
            pane = self._panes.pop(start)
            minute = start - start % MINUTE
            self._minutes.setdefault(minute, Window(minute, MINUTE)).merge(pane)
            told.extend(pane.told(self.tenant))
            self._touched.add(f"minute/{minute}")
            self._closed.add(f"pane/{start}")
        self._told_until = max(self._told_until, int(until // PANE) * PANE)
        for start in sorted(start for start in self._minutes if start + MINUTE <= self._told_until):
            told.extend(self._minutes.pop(start).told(self.tenant))
            self._closed.add(f"minute/{start}")
        return told

    def due(self) -> float:
        """When the next open window can close, Unix seconds; inf when none is open."""
        panes = (start + PANE for start in self._panes)
        return min((*panes, *(start + MINUTE for start in self._minutes)), default=inf) + LATENESS

    def touch(self) -> None:
        """Count every open window as changed."""
        self._touched |= {f"pane/{start}" for start in self._panes} | {f"minute/{start}" for start in self._minutes}

    def save(self, parts: Parts) -> dict[str, Any]:
        """Put changed windows into parts; the small rest is returned."""
        for name in sorted(self._touched - self._closed):
            kind, _, start = name.partition("/")
            window = (self._panes if kind == "pane" else self._minutes)[int(start)]
            parts.put(name, window.pack())
        for name in sorted(self._closed):
            parts.drop(name)
        self._touched.clear()
        self._closed.clear()
        return {"until": self._told_until, "losses": self._losses.save()}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._told_until = rest["until"]
        self._losses.load(rest.get("losses", {}))
        for name, value in values.items():
            kind, _, start = name.partition("/")
            if kind in {"pane", "minute"}:
                (self._panes if kind == "pane" else self._minutes)[int(start)] = Window.unpack(value)


def _workloads(rows: TenantRows) -> Iterator[tuple[str, Mask]]:
    """Workloads that have a name, and which rows are theirs."""
    texts, codes = rows.batch.texts("workload"), rows.codes("workload")
    for code in rows.tally("workload")[0].tolist():
        if texts[code]:
            yield texts[code], codes == code
