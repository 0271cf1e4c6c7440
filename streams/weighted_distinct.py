"""Weighted distinct count per domain in a sliding window: how many bytes of different things were said under each.

The table of information heavy hitters (Ozery, Nadler, Shabtai, NDSS 2024). Every element (a hash and a weight w) has
the rank -ln(u)/w, u uniform from its hash: of a domain's elements, the smallest rank is below t with probability 1 -
exp(-t * total weight). So

- the `domains` domains with the smallest least rank are a sample that prefers the heavy: the paper's admission by
  minimum hash;
- a domain with more than `per_domain` elements keeps those with rank below its limit t; each then stands for w / (1 -
  exp(-w t)) bytes (Horvitz-Thompson). Up to per_domain elements the count is exact; above, the relative error is
  about 1 / sqrt(per_domain / 2), 6 %.

The paper's weighted HyperLogLog is exact nowhere and, fed one hash per element instead of w, low until elements far
outnumber its 4,096 registers; this sample costs less memory for light domains, as much for heavy ones, and is exact
where thresholds lie. Memory is bounded by `domains` and `elements`. Must not know what an element is.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.distinct import inverse, member
from streams.elements import BUCKET, NONE, Elements, Floats, Ints
from streams.hashing import Hashes
from streams.sketches import locate

T = TypeVar("T", bound=np.generic)
IGNORED, REFRESHED, INSERTED = 0, 1, 2


class WeightedDistinct:
    """Sliding window of `seconds`; see the module."""

    def __init__(self, seconds: int, *, domains: int = 1000, elements: int = 40_000, per_domain: int = 512) -> None:
        self.seconds = seconds
        self._most = (domains, elements, per_domain)
        self._elements = NONE
        self._limits: Floats = np.empty(0)  # of each element: its domain's limit when it was last seen
        self.keys: Hashes = np.empty(0, np.uint64)
        self.totals: Floats = np.empty(0)
        """Estimated bytes of each domain in `keys`."""
        self._counts: Ints = np.empty(0, np.int64)
        self._least: Floats = np.empty(0)
        self._limit: Floats = np.empty(0)
        self.bucket = 0

    def add(self, elements: Elements, bucket: int) -> NDArray[np.int8]:
        """Take in elements; returns for each IGNORED, REFRESHED or INSERTED.

        Args:
            elements: distinct, sorted by hash.
            bucket: newest bucket of event time; what is older than the window leaves.
        """
        self.expire(bucket)
        if not len(elements):
            return np.empty(0, np.int8)
        at, found = locate(self._elements.hashes, elements.hashes)
        fate = np.full(len(elements), IGNORED, np.int8)
        fate[found] = np.where(self._refresh(at[found], elements.only(found)), REFRESHED, IGNORED)
        fresh = np.flatnonzero(~found & (elements.buckets > self.bucket - self.seconds // BUCKET))
        if len(fresh):
            fate[fresh] = np.where(self._insert(elements.only(fresh)), INSERTED, IGNORED)
        return fate

    def total(self, domains: Hashes) -> Floats:
        """Estimated bytes of each of these domains; 0 for one that is not in the sample."""
        at, found = locate(self.keys, domains)
        totals = np.zeros(len(domains))
        totals[found] = self.totals[at[found]]
        return totals

    def forget(self, domain: int) -> None:
        """Start anew for one domain."""
        self._keep_domains(self.keys != np.uint64(domain))

    def _refresh(self, at: Ints, elements: Elements) -> NDArray[np.bool_]:
        seen, newer = self._elements.buckets, elements.buckets
        later = newer > seen[at]
        seen[at[later]] = newer[later]
        slots = np.searchsorted(self.keys, elements.domains[later])
        self._limits[at[later]] = self._limit[slots]
        return later

    def _insert(self, fresh: Elements) -> NDArray[np.bool_]:
        ranks = fresh.ranks()
        at, known = locate(self.keys, fresh.domains)
        taken = np.ones(len(fresh), bool)
        taken[known] = ranks[known] < self._limit[at[known]]
        np.minimum.at(self._least, at[known], ranks[known])
        strange = np.flatnonzero(~known)
        if len(strange):
            strange = self._hopeful(fresh.domains, ranks, strange)
        if len(strange):
            self._admit(fresh.domains[strange], ranks[strange])
            at, known = locate(self.keys, fresh.domains)
        taken &= known
        if not taken.any():
            return taken
        at = at[taken]
        self._place(fresh.only(taken), self._limit[at])
        self._counts += np.bincount(at, minlength=len(self.keys))
        weights = _estimate(fresh.weights[taken], self._limit[at])
        self.totals += np.bincount(at, weights=weights, minlength=len(self.keys))
        self._thin(np.flatnonzero(self._counts > self._most[2]))
        while len(self._elements) > self._most[1]:
            self._thin(np.flatnonzero(self._counts >= max(2, int(self._counts.max()) // 2)))
        return taken

    def _hopeful(self, domains: Hashes, ranks: Floats, strange: Ints) -> Ints:
        """Those unknown elements whose domain has a rank small enough to enter a full sample."""
        if len(self.keys) < self._most[0]:
            return strange
        small = strange[ranks[strange] < self._least.max()]
        return strange[member(domains[strange], domains[small])] if len(small) else small

    def _admit(self, domains: Hashes, ranks: Floats) -> None:
        keys, place = inverse(domains)
        least = np.full(len(keys), np.inf)
        np.minimum.at(least, place, ranks)
        spare = self._most[0] - len(self.keys)
        if len(keys) > spare:
            every = np.concatenate([self._least, least])
            bound = np.partition(every, self._most[0] - 1)[self._most[0] - 1]
            self._keep_domains(self._least <= bound)
            keys, least = keys[least <= bound], least[least <= bound]
        order = np.argsort(np.concatenate([self.keys, keys]), kind="stable")
        none = np.zeros(len(keys))
        self.keys = np.concatenate([self.keys, keys])[order]
        self._least = np.concatenate([self._least, least])[order]
        self.totals = np.concatenate([self.totals, none])[order]
        self._counts = np.concatenate([self._counts, none.astype(np.int64)])[order]
        self._limit = np.concatenate([self._limit, none + np.inf])[order]

    def _place(self, fresh: Elements, limits: Floats) -> None:
        old = self._elements
        at = np.searchsorted(old.hashes, fresh.hashes)
        at += np.arange(len(at))
        kept = np.ones(len(old) + len(at), bool)
        kept[at] = False

        def between(before: NDArray[T], new: NDArray[T]) -> NDArray[T]:
            whole = np.empty(len(kept), before.dtype)
            whole[kept], whole[at] = before, new
            return whole

        self._elements = Elements(
            between(old.hashes, fresh.hashes),
            between(old.weights, fresh.weights),
            between(old.domains, fresh.domains),
            between(old.buckets, fresh.buckets),
        )
        self._limits = between(self._limits, limits)

    def _thin(self, slots: Ints) -> None:
        """Halve the samples of these domains."""
        if not len(slots):
            return
        owner = np.searchsorted(self.keys, self._elements.domains)
        rows = np.flatnonzero(member(owner, slots))
        ranks = self._elements.ranks()
        rows = rows[np.lexsort((ranks[rows], owner[rows]))]  # each domain's elements together, smallest rank first
        begins = np.searchsorted(owner[rows], slots)
        half = np.diff(np.append(begins, len(rows))) // 2
        self._limit[slots] = np.minimum(self._limit[slots], ranks[rows[begins + half]])
        keep = np.ones(len(ranks), bool)
        keep[rows] = ranks[rows] < self._limit[owner[rows]]
        touched = member(owner, slots)
        self._limits[touched] = np.minimum(self._limits[touched], self._limit[owner[touched]])
        self._keep_elements(keep)

    def _keep_domains(self, keep: NDArray[np.bool_]) -> None:
        if keep.all():
            return
        _, gone = locate(self.keys[~keep], self._elements.domains)
        if gone.any():
            self._elements, self._limits = self._elements.only(~gone), self._limits[~gone]
        self.keys, self._least, self.totals = self.keys[keep], self._least[keep], self.totals[keep]
        self._counts, self._limit = self._counts[keep], self._limit[keep]

    def _keep_elements(self, keep: NDArray[np.bool_]) -> None:
        """Drop elements and count again what is left; domains without any go."""
        self._elements, self._limits = self._elements.only(keep), self._limits[keep]
        owner = np.searchsorted(self.keys, self._elements.domains)
        weights = _estimate(self._elements.weights, self._limits)
        self._counts = np.bincount(owner, minlength=len(self.keys))
        self.totals = np.bincount(owner, weights=weights, minlength=len(self.keys)).astype(np.float64)
        self._least = np.full(len(self.keys), np.inf)
        np.minimum.at(self._least, owner, self._elements.ranks())
        self._keep_domains(self._counts > 0)

    def expire(self, bucket: int) -> None:
        """Let the window slide to this bucket; samples that became small may grow again."""
        if bucket <= self.bucket:
            return
        self.bucket = bucket
        if not len(self.keys):
            return
        self._keep_elements(self._elements.buckets > bucket - self.seconds // BUCKET)
        small = self._counts < self._most[2] // 4
        self._limit[small] = np.where(self._limit[small] > 8.0, np.inf, self._limit[small] * 2)

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        e = self._elements
        owner = np.searchsorted(self.keys, e.domains).astype(np.uint16)
        columns = (
            e.hashes,
            e.weights.astype(np.uint16),
            owner,
            e.buckets.astype(np.uint32),
            self._limits,
            self.keys,
            self.totals,
            self._counts,
            self._least,
            self._limit,
        )
        return [self.bucket, *(column.tobytes() for column in columns)]

    def unpack(self, packed: list[Any]) -> None:
        """Inverse of pack."""
        kinds = ("u8", "u2", "u2", "u4", "f8", "u8", "f8", "i8", "f8", "f8")
        hashes, weights, owner, buckets, limits, *domains = (
            np.frombuffer(column, kind).copy() for column, kind in zip(packed[1:], kinds, strict=True)
        )
        self.keys, self.totals, self._counts, self._least, self._limit = domains
        self._elements = Elements(hashes, weights.astype(np.float64), self.keys[owner], buckets.astype(np.int64))
        self._limits, self.bucket = limits, packed[0]


def _estimate(weights: Floats, limits: Floats) -> Floats:
    """Bytes each sampled element stands for."""
    estimates: Floats = weights / -np.expm1(-weights * limits)
    return estimates
