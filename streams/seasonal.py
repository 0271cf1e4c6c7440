"""What is normal for one tenant at this hour of the week; while it does not know yet, what is for tenants at large.

Values are queries a minute as y = log(1 + x): a factor is a difference, and deviations of busy and quiet hours compare.
For each of the 168 hours of the week (UTC, from Monday) the mean of y and the mean size of its residuals are learnt
minute by minute, averaging over MEMORY minutes, which is four visits; a common drift of hours follows growth. Steps
are clipped to three deviations (Huber), so that a burst teaches little. Between the middles of hours is interpolated.

An hour seen for n hours counts n/(n + BORROW), the global prior counts the rest (shrinkage towards the mean of a
population, as in empirical Bayes: Efron, Morris, 1975): the tenant's level plus the median shape of other tenants, with
the deviation these have from it. Without prior an hour that was not seen is not judged. Freezing is the caller's
business: it just does not learn then. Must not know what is measured, nor for whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, log1p, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.baselines import NORMAL

Hours = NDArray[np.float32]

HOURS = 168
MEMORY = 240.0
BORROW = 1.0
SEEN = 30.0
"""Minutes within an hour of the week from which the tenant's own mean says something."""
WHOLE = 120
"""Hours of the week that must have been seen before a tenant's shape counts in the prior."""
FEWEST_TENANTS = 3
"""Tenants that make a prior; the shape of one or two is theirs alone."""
_LEAST, _START = 0.15, 0.5
_LEVEL_MINUTES, _DRIFT_MINUTES = 1440.0, 240.0
_CLIP = 3.0
_MONDAY = 4 * 1440  # 1970-01-05 was a Monday


def hour_of_week(minute: int) -> int:
    """Hour of the week, 0 is Monday 00:00 UTC, of a minute since the epoch."""
    return (minute - _MONDAY) // 60 % HOURS


@dataclass(frozen=True, slots=True)
class Prior:
    """Shape of tenants' weeks: logarithms of factors by hour, how far tenants are off it, how many it was made of."""

    factors: tuple[float, ...]
    deviation: float
    tenants: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What a minute should hold. y, deviation: of log(1 + x); own: share that stems from the tenant's own past."""

    y: float
    deviation: float
    own: float

    @property
    def value(self) -> float:
        """The value in the middle."""
        return expm1(self.y)

    def z(self, value: float) -> float:
        """How many deviations a value is off."""
        return (log1p(value) - self.y) / self.deviation

    def at(self, z: float) -> float:
        """The value so many deviations off, never below zero."""
        return max(0.0, expm1(self.y + z * self.deviation))


class Seasonal:
    """The week of one tenant."""

    def __init__(self) -> None:
        self.means: Hours = np.zeros(HOURS, np.float32)
        self.spreads: Hours = np.full(HOURS, _START, np.float32)
        self.minutes: Hours = np.zeros(HOURS, np.float32)
        self.level = 0.0
        self.drift = 0.0
        self.deviation = _START
        self.learnt = 0

    @property
    def seen(self) -> int:
        """Hours of the week the tenant knows by itself."""
        return int(np.count_nonzero(self.minutes >= SEEN))

    def expect(self, minute: int, prior: Prior | None) -> Expected | None:
        """What a minute since the epoch should hold; None where nobody knows."""
        hour, own = hour_of_week(minute), 0.0
        if self.minutes[hour] >= SEEN:
            own = 1.0 if prior is None else float(self.minutes[hour] / (self.minutes[hour] + 60 * BORROW))
        if not own and (prior is None or self.learnt < SEEN):
            return None
        y = own * (self._between(minute) + self.drift) if own else 0.0
        variance = own * max(float(self.spreads[hour]), self.deviation, _LEAST) ** 2
        if prior is not None and own < 1:
            y += (1 - own) * (self.level + prior.factors[hour])
            variance += (1 - own) * prior.deviation**2
        y = max(0.0, y)
        # A count varies by its square root at least: in logarithms by one over it.
        return Expected(y, sqrt(variance + 1 / (expm1(y) + 1)), own)

    def _between(self, minute: int) -> float:
        """Mean of the hour, moving to that of its neighbour the nearer it is."""
        hour, past = hour_of_week(minute), minute % 60 - 30
        other = (hour + (1 if past > 0 else -1)) % HOURS
        if self.minutes[other] < SEEN:
            return float(self.means[hour])
        share = abs(past) / 60
        return float((1 - share) * self.means[hour] + share * self.means[other])

    def learn(self, minute: int, value: float, prior: Prior | None) -> None:
        """Take in one more quiet minute."""
        y, hour = log1p(value), hour_of_week(minute)
        expected = self.expect(minute, prior)
        if expected is not None:
            most = _CLIP * expected.deviation
            y = min(max(y, expected.y - most), expected.y + most)
        if expected is not None and expected.own:
            off = y - expected.y
            self.drift += off / _DRIFT_MINUTES
            self.deviation += (NORMAL * abs(off) - self.deviation) / min(self.learnt + 1, _LEVEL_MINUTES)
            self.spreads[hour] += (NORMAL * abs(off) - self.spreads[hour]) / min(self.minutes[hour] + 1, MEMORY)
        base = y - (prior.factors[hour] if prior else 0.0)
        self.level += (base - self.level) / min(self.learnt + 1, _LEVEL_MINUTES)
        self.minutes[hour] += 1
        rate = 1 / min(float(self.minutes[hour]), MEMORY)
        self.means[hour] += rate * (y - self.drift - self.means[hour])
        self.learnt += 1

    def accept(self, minute: int, value: float, prior: Prior | None) -> None:
        """Take a value that is off for normal from now on."""
        expected = self.expect(minute, prior)
        if expected is not None:
            self.drift += log1p(value) - expected.y
            self.level += log1p(value) - expected.y

    def shape(self) -> NDArray[np.float64] | None:
        """Logarithms of factors by hour, NaN where not seen; None while little of the week was seen or all is quiet."""
        known = self.minutes >= SEEN
        if np.count_nonzero(known) < WHOLE or self.means[known].max() < log1p(5):
            return None
        return np.where(known, self.means - np.median(self.means[known]), np.nan).astype(np.float64)

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        columns = [column.tobytes() for column in (self.means, self.spreads, self.minutes)]
        return [*columns, self.level, self.drift, self.deviation, self.learnt]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Seasonal:
        """Inverse of pack."""
        week = cls()
        week.means, week.spreads, week.minutes = (np.frombuffer(part, np.float32).copy() for part in packed[:3])
        week.level, week.drift, week.deviation, week.learnt = packed[3:]
        return week


def prior_of(shapes: Sequence[NDArray[np.float64]], deviations: Sequence[float]) -> Prior | None:
    """The prior that tenants make together: medians of their shapes, and what a tenant is typically off them.

    Args:
        shapes: of Seasonal.shape, one a tenant.
        deviations: of the same tenants from their own past.
    """
    if len(shapes) < FEWEST_TENANTS:
        return None
    every = np.array(shapes)
    known = ~np.all(np.isnan(every), axis=0)
    middle = np.zeros(HOURS)
    middle[known] = np.nanmedian(every[:, known], axis=0)
    between = float(np.nanmedian(np.abs(every - middle))) * 1.4826
    within = float(np.median(np.array(deviations)))
    return Prior(tuple(middle.round(4).tolist()), round(max(0.5, sqrt(between**2 + within**2)), 4), len(shapes))
