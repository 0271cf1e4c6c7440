"""Quantiles of skewed positive numbers in fixed memory: DDSketch (Masson, Rim, Lee, VLDB 2019), counts in log buckets.

A young sketch keeps the bucket of each value, two bytes; counters come when these would take as much. Must not know
what is measured.
"""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

Buckets = NDArray[np.uint16]
_NONE: Buckets = np.empty(0, np.uint16)


class LogHistogram:
    """Quantiles of positive numbers below 2**32 with a relative error of at most 2 %, in at most 560 counters."""

    __slots__ = ("_counts", "_young")

    ACCURACY = 0.02
    GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
    SIZE = 560
    YOUNG = SIZE * 4

    def __init__(self, buckets: bytes = b"", counts: bytes = b"") -> None:
        self._counts: NDArray[np.int64] | None = None
        self._young = _NONE
        if not buckets:
            return
        used, number = np.frombuffer(buckets, np.uint16), np.frombuffer(counts, np.int64)
        if number.sum() < self.YOUNG:
            self._young = np.repeat(used, number)
        else:
            self._counts = np.zeros(self.SIZE, np.int64)
            self._counts[used] = number

    @classmethod
    def bucket(cls, values: NDArray[Any]) -> Buckets:
        """Counter of each value; zero counts as one."""
        raised = np.ceil(np.log(np.maximum(values, 1)) / log(cls.GAMMA))
        buckets: Buckets = np.minimum(raised, cls.SIZE - 1).astype(np.uint16)
        return buckets

    def add(self, buckets: NDArray[Any]) -> None:
        """Take in values given by their counters (see bucket)."""
        if self._counts is None and len(self._young) + len(buckets) < self.YOUNG:
            self._young = np.concatenate([self._young, buckets.astype(np.uint16)])
            return
        if self._counts is None:
            self._counts, self._young = self.counts, _NONE
        self._counts += np.bincount(buckets, minlength=self.SIZE)

    def merge(self, other: LogHistogram) -> None:
        """Become the sketch of both."""
        if other._counts is None:
            self.add(other._young)
        else:
            self._counts, self._young = self.counts + other._counts, _NONE

    @property
    def counts(self) -> NDArray[np.int64]:
        """Values in each bucket."""
        return np.bincount(self._young, minlength=self.SIZE) if self._counts is None else self._counts

    def quantiles(self, *wanted: float) -> list[float]:
        """Value at each quantile (0..1); zeros for an empty sketch."""
        counts = self.counts
        total = int(counts.sum())
        if not total:
            return [0.0] * len(wanted)
        ranks = [min(total, int(q * (total - 1)) + 1) for q in wanted]
        found = np.searchsorted(np.cumsum(counts), ranks)
        return [round(2 * self.GAMMA ** int(i) / (self.GAMMA + 1), 1) for i in found]

    def pack(self) -> list[bytes]:
        """Plain values for msgpack, non-zero counters only."""
        counts = self.counts
        used = np.flatnonzero(counts)
        return [used.astype(np.uint16).tobytes(), counts[used].tobytes()]
