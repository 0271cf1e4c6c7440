"""The most frequent items of a window, cheap to add to: what comes waits until there is enough to be ranked at once.

Of the few rows that a small tenant or a workload has at a time most are repetitions; ranking them together costs about
as much as ranking one handful. State of summary.py, over SpaceSaving (sketches.py), whose bounds hold. What waits is
saved as it waits, so that a checkpoint changes nothing. Must not know what is counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.hashing import Hashes
from streams.sketches import Counts, SpaceSaving, Texts

WAITING = 2
"""Items that may wait, as a multiple of the items kept."""


class TopList:
    """The `capacity` most frequent items, see SpaceSaving."""

    __slots__ = ("_counts", "_hashes", "_sketch", "_texts")

    def __init__(self, capacity: int) -> None:
        self._sketch = SpaceSaving(capacity)
        self._hashes: list[Hashes] = []
        self._counts: list[Counts] = []
        self._texts: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._texts) or len(self._sketch.hashes) > 0

    def add(self, hashes: Hashes, counts: Counts, texts: Texts) -> None:
        """Take in exact counts of distinct hashes; `texts(indices)` names some of them."""
        most = WAITING * self._sketch.capacity
        if len(hashes) > most:
            self._rank()
            self._sketch.add(hashes, counts, texts)
            return
        self._hashes.append(hashes)
        self._counts.append(counts)
        self._texts += texts(np.arange(len(hashes)))
        if len(self._texts) > most:
            self._rank()

    def _rank(self) -> None:
        """Let what waits into the sketch."""
        if not self._texts:
            return
        hashes, counts = np.concatenate(self._hashes), np.concatenate(self._counts)
        texts, self._hashes, self._counts, self._texts = self._texts, [], [], []
        self._sketch.add(hashes, counts, lambda some: [texts[at] for at in some.tolist()])

    def merge(self, other: TopList) -> None:
        """Become the list of both."""
        self._rank()
        other._rank()
        self._sketch.merge(other._sketch)

    def top(self, count: int) -> list[tuple[str, int, int]]:
        """See SpaceSaving."""
        self._rank()
        return self._sketch.top(count)

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        waiting = [b"".join(part.tobytes() for part in parts) for parts in (self._hashes, self._counts)]
        return [*self._sketch.pack(), *waiting, self._texts]

    @classmethod
    def unpack(cls, packed: list[Any]) -> TopList:
        """Inverse of pack."""
        found = cls(packed[0])
        found._sketch = SpaceSaving.unpack(packed[:6])
        if len(packed) > 6 and packed[8]:
            found._hashes, found._counts = [np.frombuffer(packed[6], np.uint64)], [np.frombuffer(packed[7], np.int64)]
            found._texts = list(packed[8])
        return found
