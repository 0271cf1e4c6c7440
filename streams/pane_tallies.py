"""Which rows count in which pane of which tenant and workload, and what they add up to.

On the path: between columns.py and telemetry.py. A batch is tallied once for all its tenants; rows that came late, or
are not all of a tenant's, are tallied by themselves. Must not know what is done with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streams.columns import EventBatch, Rows, TenantRows
from streams.distinct import begins, in_order
from streams.tallies import Tallies, Tally

Keys = NDArray[np.int64]


def tallied(rows: TenantRows, seconds: int, earliest: int) -> Iterator[tuple[int, str, Tally]]:
    """(start of the pane, workload or "" for all of them, what counts there), by pane, all first.

    Args:
        rows: of one tenant, at least one.
        seconds: length of a pane.
        earliest: start of the first pane that still takes rows, Unix seconds; what is late counts there.
    """
    batch = rows.batch
    if rows.whole and rows.times.min() >= earliest:
        found = batch.once(f"tallies {seconds}", lambda batch: PaneTallies.whole(batch, seconds))
    else:
        panes = np.maximum(_panes(rows.times, seconds), earliest // seconds)
        found = PaneTallies(batch, rows.rows, panes)
    yield from found.of(int(batch.codes("tenant")[rows.rows[0]]), seconds)


class PaneTallies:
    """Rows of a batch (positions) by tenant and pane (numbers), and by tenant, pane and workload."""

    def __init__(self, batch: EventBatch, rows: Rows, panes: Keys) -> None:
        self._workloads, workloads = batch.texts("workload"), batch.codes("workload")[rows]
        self._first, self._span = int(panes.min()), int(panes.max() - panes.min()) + 1
        keys = batch.codes("tenant")[rows].astype(np.int64) * self._span + (panes - self._first)
        self._all = _by_key(batch, rows, keys)
        named = workloads != batch.code_of("workload", "")
        self._each = _by_key(batch, rows[named], keys[named] * len(self._workloads) + workloads[named])

    @classmethod
    def whole(cls, batch: EventBatch, seconds: int) -> PaneTallies:
        """All rows of a batch."""
        return cls(batch, np.arange(batch.columns.num_rows), _panes(batch.seconds, seconds))

    def of(self, tenant: int, seconds: int) -> Iterator[tuple[int, str, Tally]]:
        """Of one tenant (its code): start of the pane, workload or "", what counts there."""
        for key, tally in _between(self._all, tenant * self._span, (tenant + 1) * self._span):
            yield self._start(key, seconds), "", tally
        many = len(self._workloads)
        for key, tally in _between(self._each, tenant * self._span * many, (tenant + 1) * self._span * many):
            yield self._start(key // many, seconds), self._workloads[key % many], tally

    def _start(self, key: int, seconds: int) -> int:
        return (self._first + key % self._span) * seconds


def _panes(times: NDArray[np.float64], seconds: int) -> Keys:
    panes: Keys = (times // seconds).astype(np.int64)
    return panes


def _by_key(batch: EventBatch, rows: Rows, keys: Keys) -> tuple[Keys, Tallies | None]:
    """Distinct keys, rising, and rows by them."""
    if not len(rows):
        return keys, None
    order = in_order(keys, int(keys.max()) + 1)
    ordered = keys[order]
    starts = begins(ordered)
    return ordered[starts], Tallies(batch, rows[order], np.cumsum(starts) - 1)


def _between(found: tuple[Keys, Tallies | None], first: int, end: int) -> Iterator[tuple[int, Tally]]:
    keys, tallies = found
    if tallies is not None:
        low, high = np.searchsorted(keys, (first, end)).tolist()
        for group, key in enumerate(keys[low:high].tolist(), low):
            yield key, tallies.of(group)
