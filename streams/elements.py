"""Elements of a weighted distinct count as columns: what was said, how many bytes it weighs, under which domain, when.

Detectors make them of events, tables count them, logs keep them. Must not know what an element stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.distinct import begins
from streams.hashing import Hashes, unit

BUCKET = 10
"""Seconds; how finely the table knows when an element was last seen."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Elements:
    """Distinct elements, sorted by hash: bytes they weigh, key of their domain, bucket they were last seen in."""

    hashes: Hashes
    weights: Floats
    domains: Hashes
    buckets: Ints

    def __len__(self) -> int:
        return len(self.hashes)

    def only(self, chosen: NDArray[Any]) -> Elements:
        """Some of them, in order."""
        return Elements(self.hashes[chosen], self.weights[chosen], self.domains[chosen], self.buckets[chosen])

    def ranks(self) -> Floats:
        """Exponential rank of each."""
        ranks: Floats = -np.log(unit(self.hashes)) / self.weights
        return ranks


NONE = Elements(np.empty(0, np.uint64), np.empty(0), np.empty(0, np.uint64), np.empty(0, np.int64))
"""No elements."""


def gather(hashes: Hashes, weights: Floats, domains: Hashes, buckets: Ints) -> Elements:
    """Elements from columns in any order, each hash once (the latest bucket wins)."""
    kept = np.flatnonzero(weights > 0)
    if not len(kept):
        return NONE
    order = kept[np.argsort(hashes[kept])]
    ordered = hashes[order]
    starts = np.flatnonzero(begins(ordered))
    chosen, latest = order[starts], np.maximum.reduceat(buckets[order], starts)
    return Elements(ordered[starts], np.minimum(weights[chosen], 65535.0), domains[chosen], latest)


def pack_elements(elements: Elements, names: Mapping[int, str]) -> list[Any]:
    """Plain values for msgpack, with the names of their domains."""
    columns = (elements.hashes, elements.weights, elements.domains, elements.buckets)
    return [*(column.tobytes() for column in columns), dict(names)]


def unpack_elements(packed: list[Any]) -> tuple[Elements, dict[int, str]]:
    """Inverse of pack_elements."""
    columns = [np.frombuffer(b, kind).copy() for b, kind in zip(packed[:4], ("u8", "f8", "u8", "i8"), strict=True)]
    return Elements(*columns), packed[4]
