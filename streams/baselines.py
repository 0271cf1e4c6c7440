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
