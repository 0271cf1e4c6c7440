"""Mergeable sketches with fixed memory: distinct counts, heavy hitters, quantiles. All updates take whole arrays.

HyperLogLog with Ertl's improved estimator (arXiv:1702.01284), SpaceSaving as a mergeable summary (Agarwal et al.,
PODS 2012), and a log-bucket quantile sketch (DDSketch: Masson, Rim, Lee, VLDB 2019). Must not know what is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.hashing import Hashes

Counts = NDArray[np.int64]
Texts = Callable[[NDArray[np.int64]], list[str]]


class HyperLogLog:
    """Number of distinct hashes; relative error about 1.04 / sqrt(2**p), 1.6 % for p=12."""

    __slots__ = ("p", "registers")

    def __init__(self, p: int = 12, registers: bytes = b"") -> None:
        self.p = p
        self.registers = np.frombuffer(registers, np.uint8).copy() if registers else np.zeros(1 << p, np.uint8)

    def add(self, hashes: Hashes) -> None:
        """Take in hashes, repeated or not."""
        index = (hashes & np.uint64((1 << self.p) - 1)).astype(np.int64)
        _, exponent = np.frexp(
            (hashes >> np.uint64(12)).astype(np.float64)
        )  # the upper 52 bits, independent of the index
        np.maximum.at(self.registers, index, (53 - exponent).astype(np.uint8))

    def merge(self, other: HyperLogLog) -> None:
        """Become the sketch of both; both must have the same p."""
        np.maximum(self.registers, other.registers, out=self.registers)

    def estimate(self) -> float:
        """Estimated number of distinct hashes."""
        size, top = 1 << self.p, 52
        tally = np.bincount(self.registers, minlength=top + 2)
        if tally[0] == size:
            return 0.0
        z = size * _tau(1.0 - tally[top + 1] / size)
        for k in range(top, 0, -1):
            z = 0.5 * (z + int(tally[k]))
        z += size * _sigma(tally[0] / size)
        return float(size * size / (2.0 * log(2.0) * z))

    def pack(self) -> bytes:
        """Registers as bytes."""
        return self.registers.tobytes()


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
        """Take in exact counts of distinct hashes.

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
        if not len(hashes):
            self.counts += floor
            self.errors += floor
            self.floor += floor
            return
        at, found = locate(self.hashes, hashes)
        here, fresh = at[found], np.flatnonzero(~found)
        if floor:  # items only we know may have been seen there up to its floor
            absent = np.ones(len(self.hashes), bool)
            absent[here] = False
            self.counts[absent] += floor
            self.errors[absent] += floor
        self.counts[here] += counts[found]
        self.errors[here] += errors[found]
        if len(fresh):
            self._admit(
                hashes[fresh], counts[fresh] + self.floor, errors[fresh] + self.floor, lambda some: texts(fresh[some])
            )
        self.floor = max(self.floor + floor, self.floor)

    def _admit(self, hashes: Hashes, counts: Counts, errors: Counts, texts: Texts) -> None:
        known = len(self.hashes)
        every = np.concatenate([self.hashes, hashes])
        count = np.concatenate([self.counts, counts])
        error = np.concatenate([self.errors, errors])
        keep = np.arange(len(every))
        if len(every) > self.capacity:
            worth = count * 2 + (np.arange(len(every)) < known)  # of equals, who is here stays
            ranked = np.argpartition(-worth, self.capacity)
            keep, lost = ranked[: self.capacity], ranked[self.capacity :]
            self.floor = max(self.floor, int(count[lost].max()))
            for key in every[lost[lost < known]].tolist():
                del self.texts[key]
        fresh = keep[keep >= known]
        if len(fresh):
            self.texts.update(zip(every[fresh].tolist(), texts(fresh - known), strict=True))
        keep = keep[np.argsort(every[keep])]
        self.hashes, self.counts, self.errors = every[keep], count[keep], error[keep]

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


class LogHistogram:
    """Quantiles of positive numbers below 2**32 with a relative error of at most 2 %, in at most 560 counters."""

    __slots__ = ("counts",)

    ACCURACY = 0.02
    GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
    SIZE = 560

    def __init__(self, buckets: bytes = b"", counts: bytes = b"") -> None:
        self.counts: Counts = np.zeros(self.SIZE, np.int64)
        if buckets:
            self.counts[np.frombuffer(buckets, np.uint16)] = np.frombuffer(counts, np.int64)

    @classmethod
    def bucket(cls, values: NDArray[Any]) -> NDArray[np.int64]:
        """Counter of each value; zero counts as one."""
        raised = np.ceil(np.log(np.maximum(values, 1)) / log(cls.GAMMA))
        buckets: NDArray[np.int64] = np.minimum(raised, cls.SIZE - 1).astype(np.int64)
        return buckets

    def add(self, buckets: NDArray[np.int64]) -> None:
        """Take in values given by their counters (see bucket)."""
        self.counts += np.bincount(buckets, minlength=self.SIZE)

    def merge(self, other: LogHistogram) -> None:
        """Become the sketch of both."""
        self.counts += other.counts

    def quantiles(self, *wanted: float) -> list[float]:
        """Value at each quantile (0..1); zeros for an empty sketch."""
        total = int(self.counts.sum())
        if not total:
            return [0.0] * len(wanted)
        ranks = [min(total, int(q * (total - 1)) + 1) for q in wanted]
        found = np.searchsorted(np.cumsum(self.counts), ranks)
        return [round(2 * self.GAMMA ** int(i) / (self.GAMMA + 1), 1) for i in found]

    def pack(self) -> list[bytes]:
        """Plain values for msgpack, non-zero counters only."""
        used = np.flatnonzero(self.counts)
        return [used.astype(np.uint16).tobytes(), self.counts[used].tobytes()]


def locate(sorted_keys: Hashes, wanted: Hashes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each wanted key is (or belongs) in the sorted keys, and whether it is there."""
    at = np.searchsorted(sorted_keys, wanted)
    found = np.zeros(len(wanted), bool)
    inside = at < len(sorted_keys)
    found[inside] = sorted_keys[at[inside]] == wanted[inside]
    return at, found
