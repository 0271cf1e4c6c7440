"""Tumbling windows of event time, 10 s and 1 min, per tenant and workload: which row counts where, and until when.

Rows are counted once, in 10 s panes; a minute is the merge of its six panes. A pane closes when the tenant's clock
(event time) is LATENESS past its end. An event later than that counts in the oldest open pane, under ``late``.
Telemetry of the same (tenant, workload, window_start, window_seconds) overwrites. Must not know alerts or policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.signals import Telemetry
from streams.columns import TenantRows, tally
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

    def add(self, rows: TenantRows) -> None:
        """Count events in their panes."""
        if not len(rows):
            return
        panes = (rows.times // PANE).astype(np.int64) * PANE
        if self._told_until is None:
            self._told_until = int((rows.times.min() - LATENESS) // PANE) * PANE
        late = panes < self._told_until
        panes = np.maximum(panes, self._told_until)
        for start in np.unique(panes).tolist():
            here = panes == start
            pane = self._panes.setdefault(start, Window(start, PANE))
            self._count(pane, rows.only(here), late[here])
            self._touched.add(f"pane/{start}")

    def _count(self, pane: Window, rows: TenantRows, late: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        whole = pane.group(_TENANT)
        whole.add(rows)
        whole.count("late", int(np.count_nonzero(late)))
        texts = rows.batch.texts("workload")
        codes = rows.codes("workload")
        for code in tally(codes, len(texts))[0].tolist():
            if texts[code]:
                here = codes == code
                summary = pane.group(texts[code])
                summary.add(rows.only(here))
                summary.count("late", int(np.count_nonzero(late[here])))

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
        return {"until": self._told_until}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._told_until = rest["until"]
        for name, value in values.items():
            kind, _, start = name.partition("/")
            if kind in {"pane", "minute"}:
                (self._panes if kind == "pane" else self._minutes)[int(start)] = Window.unpack(value)
