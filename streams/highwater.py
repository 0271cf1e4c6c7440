"""How far a tenant's events were seen, per (source, epoch): what makes a replay harmless.

A tenant's events of one source and epoch arrive with rising sequences (one partition, one batch in flight). Bounded:
of a source the newest epochs are kept, and anything as old as a forgotten epoch counts as seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.columns import TenantRows
from streams.distinct import close_together, distinct

EPOCHS = 8
SOURCES = 4096


class HighWater:
    """Highest sequence seen."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, int]] = {}
        self._forgotten: dict[str, int] = {}

    def unseen(self, rows: TenantRows) -> TenantRows:
        """Rows above the high-water, which rises to them; a row repeated within the batch counts once."""
        if not len(rows):
            return rows
        sources, epochs, sequences = (
            rows.codes("source"),
            rows.numbers("epoch"),
            rows.numbers("sequence").astype(np.int64),
        )
        if (sources == sources[0]).all() and (epochs == epochs[0]).all():  # the usual batch: one worker
            fresh = self._take(rows.batch.texts("source")[sources[0]], int(epochs[0]), sequences)
            return rows if fresh.all() else rows.only(fresh)
        fresh = np.zeros(len(rows), bool)
        for source in close_together(sources):
            for epoch in distinct(epochs[sources == source]).tolist():
                ours = np.flatnonzero((sources == source) & (epochs == epoch))
                fresh[ours] = self._take(rows.batch.texts("source")[source], int(epoch), sequences[ours])
        return rows.only(fresh)

    def _take(
        self, source: str, epoch: int, sequences: np.ndarray[Any, np.dtype[np.int64]]
    ) -> np.ndarray[Any, np.dtype[np.bool_]]:
        if epoch <= self._forgotten.get(source, -1):
            return np.zeros(len(sequences), bool)
        epochs = self._seen.setdefault(source, {})
        before = np.concatenate([[epochs.get(epoch, -1)], sequences[:-1]])
        fresh = sequences > np.maximum.accumulate(before)
        epochs[epoch] = max(epochs.get(epoch, -1), int(sequences.max()))
        if len(epochs) > EPOCHS:
            oldest = min(epochs)
            del epochs[oldest]
            self._forgotten[source] = oldest
        while len(self._seen) > SOURCES:
            gone = next(iter(self._seen))
            self._forgotten[gone] = max(self._seen.pop(gone))
        return fresh

    def save(self) -> list[Any]:
        """Plain values for msgpack."""
        return [self._seen, self._forgotten]

    def load(self, packed: list[Any]) -> None:
        """Inverse of save."""
        self._seen, self._forgotten = packed
