"""What belongs to whom lately: distinct items by key (failed domains of a client, addresses of a name), bounded.

Rows wait in the pane of event time that is open and are merged into the table when it closes, so that what a detector
sees does not depend on how batches were cut, and a batch costs little. Of a key the newest items are kept, of the keys
those with the most items, then the newest. Must not know what keys and items are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.distinct import begins, counted, distinct
from streams.hashing import Hashes
from streams.parts import Parts, pack, unpack

SHARDS = 16
_SHARD = np.uint64(60)


class Items(NamedTuple):
    """Rows. hashes: key, item, kind of item, a hash that comes with it; times: first seen, Unix seconds."""

    hashes: Hashes
    times: NDArray[np.float64]

    @classmethod
    def none(cls) -> Items:
        """No rows."""
        return cls(np.empty((0, 4), np.uint64), np.empty(0))

    def only(self, chosen: NDArray[Any] | slice) -> Items:
        """Some of them."""
        return Items(self.hashes[chosen], self.times[chosen])

    def distinct(self) -> Items:
        """By key, kind and item, each once, as it was first seen."""
        key, item, kind, _ = self.hashes.T
        order = np.lexsort((self.times, item, kind, key))
        rows = self.hashes[order, :3]
        fresh = np.ones(len(order), bool)
        fresh[1:] = (rows[1:] != rows[:-1]).any(1)
        return self.only(order[fresh])

    def referred(self) -> list[int]:
        """Hashes whose texts matter: keys, and what comes with items; each once, rising."""
        found: list[int] = distinct(self.hashes[:, [0, 3]].ravel()).tolist()
        return found


def together(many: list[Items]) -> Items:
    """One after the other."""
    if not many:
        return Items.none()
    return Items(np.concatenate([items.hashes for items in many]), np.concatenate([items.times for items in many]))


@dataclass(slots=True)
class Recent:
    """The table of a detector.

    name: of its parts; keys: most keys; items: most items of a key; life: seconds an item counts; waiting: most rows
    that wait for their pane to close; beyond it those with the smallest hashes are taken, whatever came first.
    """

    name: str
    keys: int
    items: int
    life: float
    waiting: int
    table: Items = field(default_factory=Items.none)
    texts: dict[int, str] = field(default_factory=dict)
    _open: list[Items] = field(default_factory=list)
    _rows: int = 0
    _changed: set[int] = field(default_factory=set)
    _opened: bool = False

    def add(self, items: Items, texts: Mapping[int, str]) -> None:
        """Let rows wait, and remember what hashes stand for."""
        self._open.append(items)
        self._rows += len(items.times)
        self.texts.update(texts)
        self._opened = True
        if self._rows > 2 * self.waiting:
            self._open = [self._smallest()]
            self._rows = len(self._open[0].times)
            self._prune()

    @property
    def waits(self) -> bool:
        """Whether anything does."""
        return self._rows > 0

    def _smallest(self) -> Items:
        every = together(self._open).distinct()
        if len(every.times) <= self.waiting:
            return every
        return every.only(np.argsort(every.hashes[:, 1], kind="stable")[: self.waiting])

    def close(self, clock: float) -> list[int]:
        """Merge what waits; keys that got something, rising."""
        before = self._sizes()
        fresh = self._smallest()
        merged = together([self.table, fresh]).distinct()
        self.table = self._bounded(merged.only(merged.times > clock - self.life))
        self._open, self._rows, self._opened = [], 0, True
        touched = distinct(fresh.hashes[:, 0])
        self._changed |= set((touched >> _SHARD).tolist()) | set(np.flatnonzero(before != self._sizes()).tolist())
        self._prune()
        found: list[int] = touched.tolist()
        return found

    def _bounded(self, every: Items) -> Items:
        order = np.lexsort((every.hashes[:, 1], -every.times, every.hashes[:, 0]))
        sorted_keys = every.hashes[order, 0]
        starts = np.flatnonzero(begins(sorted_keys))
        keys, counts = sorted_keys[starts], np.diff(starts, append=len(order))
        kept = np.arange(len(order)) - np.repeat(starts, counts) < self.items
        if len(keys) > self.keys:
            newest = every.times[order[starts]]
            best = np.zeros(len(keys), bool)
            best[np.lexsort((keys, -newest, -counts))[: self.keys]] = True
            kept &= np.repeat(best, counts)
        return every.only(np.sort(order[kept]))

    def _sizes(self) -> NDArray[np.int64]:
        return np.bincount((self.table.hashes[:, 0] >> _SHARD).astype(np.int64), minlength=SHARDS)

    def _prune(self) -> None:
        wanted = together([self.table, *self._open]).referred()
        if len(self.texts) > len(wanted):
            self.texts = {key: self.texts[key] for key in wanted if key in self.texts}

    def counts(self, *, waiting: bool = False) -> dict[int, int]:
        """Items of each key in the table, and in the open pane too if asked."""
        every = together([self.table, *self._open]).distinct() if waiting else self.table
        keys, counts = counted(every.hashes[:, 0])
        return dict(zip(keys.tolist(), counts.tolist(), strict=True))

    def of(self, key: int) -> Items:
        """Items of a key in the table."""
        keys, wanted = self.table.hashes[:, 0], np.uint64(key)
        return self.table.only(slice(int(np.searchsorted(keys, wanted)), int(np.searchsorted(keys, wanted, "right"))))

    def drop(self, key: int) -> None:
        """Forget a key, or an item of whatever key."""
        self.table, *self._open = (
            items.only((items.hashes[:, :2] != np.uint64(key)).all(1)) for items in (self.table, *self._open)
        )
        self.touch()

    def touch(self) -> None:
        """Count everything as changed."""
        self._changed |= set(range(SHARDS))
        self._opened = True

    def save(self, parts: Parts) -> None:
        """Changed shards of the table, and what waits."""
        shards = self.table.hashes[:, 0] >> _SHARD
        for shard in sorted(self._changed):
            self._put(parts, f"{self.name}/{shard:x}", self.table.only(shards == np.uint64(shard)))
        if self._opened:
            self._put(parts, f"{self.name}/open", together(self._open))
        self._changed, self._opened = set(), False

    def _put(self, parts: Parts, name: str, items: Items) -> None:
        if not len(items.times):
            parts.drop(name)
            return
        known = {key: self.texts[key] for key in items.referred() if key in self.texts}
        parts.put(name, pack([items.hashes.tobytes(), items.times.tobytes(), known]))

    def load(self, values: Mapping[str, bytes]) -> None:
        """Inverse of save."""
        for name in sorted(name for name in values if name.startswith(f"{self.name}/")):
            hashes, times, known = unpack(values[name])
            items = Items(np.frombuffer(hashes, np.uint64).reshape(-1, 4), np.frombuffer(times))
            self.texts |= known
            if name.endswith("/open"):
                self._open, self._rows = [items], len(items.times)
            else:
                self.table = together([self.table, items])
        self.table = self.table.distinct()
