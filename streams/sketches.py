"""Mergeable sketches with fixed memory: distinct counts and heavy hitters. All updates take whole arrays.

HyperLogLog with Ertl's improved estimator (arXiv:1702.01284), exact and small while it is young (the sparse form of
HyperLogLog++: Heule, Nunkesser, Hall, EDBT 2013), and SpaceSaving as a mergeable summary (Agarwal et al., PODS 2012).
Must not know what is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.distinct import begins, distinct
from streams.hashing import Hashes

Counts = NDArray[np.int64]
Texts = Callable[[NDArray[np.int64]], list[str]]
_NONE: Hashes = np.empty(0, np.uint64)


class HyperLogLog:
    """Number of distinct hashes; relative standard error 1.04 / sqrt(2**p): 1.6 % for p=12, 3.3 % for p=10.

    While there are fewer of them than fill the space of the registers, the hashes themselves are kept: exact, and
    a sketch of little is little.
    """

    __slots__ = ("_hashes", "_registers", "p")

    def __init__(self, p: int = 12, packed: bytes = b"") -> None:
        self.p = p
        dense = len(packed) == 1 << p
        self._registers = np.frombuffer(packed, np.uint8).copy() if dense else None
        self._hashes = _NONE if dense else np.frombuffer(packed, np.uint64)

    @property
    def bound(self) -> float:
        """Relative standard error of the estimate; 0 while it is exact."""
        return 0.0 if self._registers is None else float(1.04 / (1 << self.p) ** 0.5)

    def add(self, hashes: Hashes) -> None:
        """Take in hashes, repeated or not."""
        if self._registers is None:
            self._hashes = np.concatenate([self._hashes, hashes])
            if len(self._hashes) >= 1 << (self.p - 3):
                self._grow()
        else:
            self._raise(self._registers, hashes)

    def _grow(self) -> None:
        """Drop repetitions; past the space of the registers become these. What it becomes hangs on the set alone."""
        self._hashes = distinct(self._hashes)
        if len(self._hashes) >= 1 << (self.p - 3):
            self._registers = np.zeros(1 << self.p, np.uint8)
            self._raise(self._registers, self._hashes)
            self._hashes = _NONE

    def _raise(self, registers: NDArray[np.uint8], hashes: Hashes) -> None:
        index = (hashes & np.uint64((1 << self.p) - 1)).astype(np.int64)
        # The upper 52 bits, independent of the index.
        _, exponent = np.frexp((hashes >> np.uint64(12)).astype(np.float64))
        np.maximum.at(registers, index, (53 - exponent).astype(np.uint8))

    def merge(self, other: HyperLogLog) -> None:
        """Become the sketch of both; both must have the same p."""
        if other._registers is None:
            self.add(other._hashes)
        elif self._registers is None:
            mine, self._registers, self._hashes = self._hashes, other._registers.copy(), _NONE
            self._raise(self._registers, mine)
        else:
            np.maximum(self._registers, other._registers, out=self._registers)

    def estimate(self) -> float:
        """Estimated number of distinct hashes."""
        if self._registers is None:
            return float(len(distinct(self._hashes)))
        size, top = 1 << self.p, 52
        tally = np.bincount(self._registers, minlength=top + 2)
        z = size * _tau(1.0 - tally[top + 1] / size)
        for k in range(top, 0, -1):
            z = 0.5 * (z + int(tally[k]))
        z += size * _sigma(tally[0] / size)
        return float(size * size / (2.0 * log(2.0) * z))

    def pack(self) -> bytes:
        """The hashes, or the registers, as bytes."""
        return (distinct(self._hashes) if self._registers is None else self._registers).tobytes()


def _sigma(x: float) -> float:
    y, z, last = 1.0, x, -1.0
    while z != last:
        x, last = x * x, z
        z, y = z + x * y, y + y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, last = 1.0, 1.0 - x, -1.0
    while z != last:
        x, last, y = x**0.5, z, y * 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0


class SpaceSaving:
    """The `capacity` most frequent items.

    A true count lies in [count - error, count], exact until more items than capacity came.
    """

    __slots__ = ("capacity", "counts", "errors", "floor", "hashes", "texts")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.hashes: Hashes = np.empty(0, np.uint64)
        self.counts: Counts = np.empty(0, np.int64)
        self.errors: Counts = np.empty(0, np.int64)
        self.texts: dict[int, str] = {}
        self.floor = 0
        """Largest count an item outside the sketch can have."""

    def add(self, hashes: Hashes, counts: Counts, texts: Texts) -> None:
        """Take in exact counts of hashes, repeated or not.

        `texts(indices)` names some of them, asked only for items that stay.
        """
        self._join(hashes, counts, np.zeros(len(counts), np.int64), 0, texts)

    def merge(self, other: SpaceSaving) -> None:
        """Become the summary of both."""
        self._join(
            other.hashes,
            other.counts,
            other.errors,
            other.floor,
            lambda some: [other.texts[key] for key in other.hashes[some].tolist()],
        )

    def _join(self, hashes: Hashes, counts: Counts, errors: Counts, floor: int, texts: Texts) -> None:
        """Items both know count together; one that the other side does not know may have been there up to its floor."""
        if not len(hashes):
            self.counts += floor
            self.errors += floor
            self.floor += floor
            return
        ours = len(self.hashes)
        every = np.concatenate([self.hashes, hashes])
        order = np.argsort(every)
        every = every[order]
        starts = np.flatnonzero(begins(every))
        count = np.add.reduceat(np.concatenate([self.counts, counts])[order], starts)
        error = np.add.reduceat(np.concatenate([self.errors, errors])[order], starts)
        first = np.minimum.reduceat(order, starts)
        extra = np.where(first >= ours, self.floor, 0)
        if floor:
            extra += np.where(np.maximum.reduceat(order, starts) < ours, floor, 0)
        self.floor += floor
        self._keep(every[starts], count + extra, error + extra, first, texts)

    def _keep(self, every: Hashes, counts: Counts, errors: Counts, first: Counts, texts: Texts) -> None:
        """Of these items, sorted, those with the largest counts; `first` is below our number for who is here."""
        ours = len(self.hashes)
        if len(every) > self.capacity:
            worth = counts * 2 + (first < ours)  # of equals, who is here stays
            ranked = np.argpartition(-worth, self.capacity)
            keep, lost = np.sort(ranked[: self.capacity]), ranked[self.capacity :]
            self.floor = max(self.floor, int(counts[lost].max()))
            for key in every[lost[first[lost] < ours]].tolist():
                del self.texts[key]
            every, counts, errors, first = every[keep], counts[keep], errors[keep], first[keep]
        fresh = np.flatnonzero(first >= ours)
        if len(fresh):
            self.texts.update(zip(every[fresh].tolist(), texts(first[fresh] - ours), strict=True))
        self.hashes, self.counts, self.errors = every, counts, errors

    def top(self, count: int) -> list[tuple[str, int, int]]:
        """The most frequent items as (text, count, error), largest first, ties in the order of the text."""
        order = np.argsort(-self.counts, kind="stable")[: count * 2 + 16]
        rows = [(self.texts[int(self.hashes[i])], int(self.counts[i]), int(self.errors[i])) for i in order]
        return sorted(rows, key=lambda row: (-row[1], row[0]))[:count]

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        texts = [self.texts[key] for key in self.hashes.tolist()]
        return [self.capacity, self.floor, self.hashes.tobytes(), self.counts.tobytes(), self.errors.tobytes(), texts]

    @classmethod
    def unpack(cls, packed: list[Any]) -> SpaceSaving:
        """Inverse of pack."""
        sketch = cls(packed[0])
        sketch.floor = packed[1]
        sketch.hashes = np.frombuffer(packed[2], np.uint64).copy()
        sketch.counts = np.frombuffer(packed[3], np.int64).copy()
        sketch.errors = np.frombuffer(packed[4], np.int64).copy()
        sketch.texts = dict(zip(sketch.hashes.tolist(), packed[5], strict=True))
        return sketch


def locate(sorted_keys: Hashes, wanted: Hashes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each wanted key is (or belongs) in the sorted keys, and whether it is there."""
    at = np.searchsorted(sorted_keys, wanted)
    found = np.zeros(len(wanted), bool)
    inside = at < len(sorted_keys)
    found[inside] = sorted_keys[at[inside]] == wanted[inside]
    return at, found
