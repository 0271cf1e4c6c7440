"""What each client usually does: an EWMA of one count per window and client, for a bounded number of clients.

    mean += ALPHA (x - mean);  variance = (1 - ALPHA) (variance + ALPHA (x - mean)^2)          (West's form of the EWMA)

A window in which a client did nothing teaches 0. A client known for n windows is judged by
(n mean + PRIOR m) / (n + PRIOR), m being the mean of all clients: newcomers borrow from their neighbours. Freezing is
the caller's business. Must not know what is counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.distinct import distinct, member
from streams.hashing import Hashes
from streams.sketches import locate

ALPHA = 0.1
PRIOR = 3.0
MOST = 2048
_GONE = 0.05
"""A mean below which a client is forgotten."""

Floats = NDArray[np.float64]


class Habits:
    """Baselines by client (hash), sorted."""

    def __init__(self) -> None:
        self.keys: Hashes = np.empty(0, np.uint64)
        self._mean, self._variance, self._windows = np.empty(0), np.empty(0), np.empty(0)

    def learn(self, keys: Hashes, counts: Floats, frozen: Hashes) -> None:
        """A window is over: distinct `keys`, sorted, came to `counts`; those in `frozen` learn nothing."""
        every = distinct(np.concatenate([self.keys, keys]))
        mean, variance, windows = np.zeros(len(every)), np.zeros(len(every)), np.zeros(len(every))
        known, value = np.searchsorted(every, self.keys), np.zeros(len(every))
        mean[known], variance[known], windows[known] = self._mean, self._variance, self._windows
        value[np.searchsorted(every, keys)] = counts
        learns = ~member(every, frozen)
        step = np.where(learns, value - mean, 0.0)
        rate = np.where(windows == 0, 1.0, np.maximum(ALPHA, 1 / (windows + 1)))  # the plain mean until ALPHA is slower
        self._mean = mean + rate * step
        self._variance = np.where(learns & (windows > 0), (1 - rate) * (variance + rate * step * step), variance)
        self._windows = windows + learns
        self.keys = every
        self._forget()

    def pass_idle(self, windows: int) -> None:
        """So many windows passed in which nobody did anything."""
        for _ in range(min(windows, 100)):
            if not len(self.keys):
                return
            self.learn(np.empty(0, np.uint64), np.empty(0), np.empty(0, np.uint64))

    def _forget(self) -> None:
        keep = self._mean >= _GONE
        if np.count_nonzero(keep) > MOST:
            keep &= self._mean >= np.partition(self._mean, -MOST)[-MOST]
        self.keys, self._mean = self.keys[keep], self._mean[keep]
        self._variance, self._windows = self._variance[keep], self._windows[keep]

    def usual(self, keys: Hashes) -> tuple[Floats, Floats]:
        """(mean, variance) by which these clients are judged."""
        at, known = locate(self.keys, keys)
        neighbours = float(self._mean.mean()) if len(self.keys) else 0.0
        mean, variance, windows = np.zeros(len(keys)), np.zeros(len(keys)), np.zeros(len(keys))
        mean[known], variance[known] = self._mean[at[known]], self._variance[at[known]]
        windows[known] = self._windows[at[known]]
        return (windows * mean + PRIOR * neighbours) / (windows + PRIOR), variance

    def limits(self, keys: Hashes, z: float, floor: float) -> Floats:
        """Counts from which on each client is out of its ordinary; never less certain than a Poisson count."""
        mean, variance = self.usual(keys)
        limits: Floats = np.maximum(floor, mean + z * np.sqrt(np.maximum(np.maximum(variance, mean), 1.0)))
        return limits

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        return [part.tobytes() for part in (self.keys, self._mean, self._variance, self._windows)]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Habits:
        """Inverse of pack."""
        habits = cls()
        habits.keys = np.frombuffer(packed[0], np.uint64).copy()
        habits._mean, habits._variance, habits._windows = (np.frombuffer(part).copy() for part in packed[1:])
        return habits
