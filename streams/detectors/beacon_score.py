"""How much a series of contacts looks like a beacon: the score of RITA version 5, column by column.

RITA (Active Countermeasures), analysis/beacons.go and the modifiers of its default configuration. A quarter each:

- timestamps: mean of 1 - |Bowley's skewness| and of (median - MAD) / median of the intervals. The skewness
  (Q1 + Q3 - 2 Q2) / (Q3 - Q1) is 0 where Q3 - Q1 < 10 or the median equals a quartile; MAD is the median absolute
  deviation, negative scores are 0;
- sizes: the same of the bytes;
- histogram: of 24 bars, the larger of 1 - standard deviation / mean and, from 11 bars that are not empty, the share of
  these (less one) within the two commonest heights, heights being the same within 5 % of the highest bar;
- duration: from 6 bars on, the larger of (last - first) / range and the longest run of bars (it may wrap around) / 12.

Quartiles are the medians of the halves without the median. Must not know pairs, or where times come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BARS = 24
ALIKE = 0.05
BIMODAL_BARS, DURATION_BARS, IDEAL_RUN = 11, 6, 12
MODIFIER = 0.15
RARE, COMMON, CLIENTS = 0.02, 0.5, 10
"""Shares of clients that make a name rare or common, and how many clients there must be for that to say something."""
DAY = 86400.0
YOUNG, OLD = 7 * DAY, 30 * DAY

Floats = NDArray[np.float64]


def _median(ordered: Floats) -> Floats:
    width = ordered.shape[1]
    return np.asarray((ordered[:, (width - 1) // 2] + ordered[:, width // 2]) / 2)


def spread(values: Floats) -> tuple[Floats, Floats, Floats]:
    """(skewness score, MAD score, median) of each row; shape (n, at least 3)."""
    ordered = np.sort(values, axis=1)
    half = ordered.shape[1] // 2
    q1, q2, q3 = _median(ordered[:, :half]), _median(ordered), _median(ordered[:, -half:])
    wide = (q3 - q1 >= 10) & (q2 != q1) & (q2 != q3)
    skew = np.where(wide, (q1 + q3 - 2 * q2) / np.where(wide, q3 - q1, 1), 0.0)
    mad = _median(np.sort(np.abs(ordered - q2[:, None]), axis=1))
    return 1 - np.abs(skew), np.maximum(0.0, (q2 - mad) / np.maximum(q2, 1e-9)), q2


@dataclass(frozen=True, slots=True)
class Bars:
    """Contacts by time. counts: quarters of an hour, oldest first; first, last: of the contacts, Unix seconds."""

    counts: NDArray[np.int64]
    first: float
    last: float

    def heights(self) -> NDArray[np.int64]:
        """At most 24 bars of equal width; what does not fill a bar is left out at the old end."""
        width = -(-len(self.counts) // BARS)
        whole = len(self.counts) // width * width
        heights: NDArray[np.int64] = self.counts[-whole:].reshape(-1, width).sum(axis=1)
        return heights

    def histogram(self) -> float:
        """Score of the shape."""
        heights = self.heights()
        mean = heights.mean()
        flat = max(0.0, 1.0 - float(heights.std() / mean)) if mean else 0.0
        filled = heights[heights > 0]
        if len(filled) < BIMODAL_BARS:
            return flat
        step = np.ceil(heights.max() * ALIKE)
        _, alike = np.unique(filled // step, return_counts=True)
        return max(flat, min(1.0, float(np.sort(alike)[-2:].sum() / (len(filled) - 1))))

    def duration(self, start: float, end: float) -> float:
        """Score of how much of the range, Unix seconds, it covers."""
        filled = self.heights() > 0
        if np.count_nonzero(filled) < DURATION_BARS:
            return 0.0
        coverage = (self.last - max(self.first, start)) / (end - start)
        return float(min(1.0, max(coverage, _longest_run(filled) / IDEAL_RUN)))


def _longest_run(filled: NDArray[np.bool_]) -> int:
    if filled.all():
        return len(filled)
    empty = np.flatnonzero(~np.concatenate([filled, filled]))
    return int(np.diff(empty).max() - 1)


def prevalence_modifier(asking: int, clients: int) -> float:
    """Rare names up, common ones down."""
    if clients < CLIENTS:
        return 0.0
    share = asking / clients
    return MODIFIER if share <= RARE else -MODIFIER if share >= COMMON else 0.0


def age_modifier(age: float, watched: float) -> float:
    """Young contacts up, once the tenant was watched for longer than that; old ones down. Seconds."""
    if age >= OLD:
        return -MODIFIER
    return MODIFIER if age <= YOUNG < watched else 0.0
