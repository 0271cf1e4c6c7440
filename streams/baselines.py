"""What is normal for one tenant: an exponentially weighted mean and variance of one value a minute, robustly started.

West's incremental form of the EWMA variance. The first WARM values only fill a sample whose median and median
deviation start the baseline, so that one wild first minute does not. Must not know what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from statistics import median

ALPHA = 0.05
WARM = 5
NORMAL = 1.2533
"""Standard deviation of a normal distribution by its mean absolute deviation."""


@dataclass(slots=True)
class Baseline:
    """EWMA of one value a minute; `frozen` is the caller's business: it just does not learn then."""

    mean: float = 0.0
    variance: float = 0.0
    minutes: int = 0
    first: list[float] = field(default_factory=list)

    @property
    def warm(self) -> bool:
        """Whether it has seen enough to judge."""
        return self.minutes >= WARM

    def learn(self, value: float) -> None:
        """Take in the value of one more quiet minute."""
        self.minutes += 1
        if self.minutes <= WARM:
            self.first.append(value)
            self.mean = float(median(self.first))
            deviation = float(median(abs(item - self.mean) for item in self.first))
            self.variance = (1.4826 * deviation) ** 2  # a normal distribution's deviation from its median deviation
            if self.minutes == WARM:
                self.first = []
            return
        step = value - self.mean
        self.mean += ALPHA * step
        self.variance = (1 - ALPHA) * (self.variance + ALPHA * step * step)

    def z(self, value: float) -> float:
        """How many deviations the value lies above the mean; never less certain than a Poisson count of that mean."""
        return (value - self.mean) / sqrt(max(self.variance, self.mean, 1.0))

    def limit(self, z: float) -> float:
        """The value that lies z deviations above the mean."""
        return self.mean + z * sqrt(max(self.variance, self.mean, 1.0))


@dataclass(slots=True)
class Level:
    """Level of one value a minute and the mean size of its deviations, both EWMA.

    Steps are clipped to three deviations once it is warm (Huber), so that a burst teaches little.
    """

    mean: float = 0.0
    deviation: float = 0.0
    minutes: int = 0

    def learn(self, value: float, least: float) -> None:
        """Take in one more quiet minute; least: deviation that is always granted."""
        rate, step = max(1 / (self.minutes + 1), ALPHA), value - self.mean
        if self.minutes >= WARM:
            most = 3 * max(NORMAL * self.deviation, least)
            step = min(max(step, -most), most)
        self.mean += rate * step
        self.deviation += rate * (abs(step) - self.deviation) if self.minutes else 0.0
        self.minutes += 1

    def z(self, value: float, least: float) -> float:
        """How many deviations the value lies above the level, deviations of at least this."""
        return (value - self.mean) / max(NORMAL * self.deviation, least)
