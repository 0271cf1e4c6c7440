"""Who asks which name when: a bounded table of (client, name) pairs with their last contacts, column by column.

A contact is a query after at least one 5 s slot of silence, so that A and AAAA, retries and a page's many queries are
one. Each pair keeps the last KEPT contacts (time, size, how the interval relates to the TTL answered before it) and
counts of the last day by quarters of an hour. When the table is full pairs with fewer than REGULAR contacts give way
first, those unseen longest before others; per slot only so many new pairs enter. Must not know what a beacon is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.distinct import distinct, firsts
from streams.hashing import Hashes
from streams.sketches import locate

SLOT = 5
KEPT = 64
QUARTER, QUARTERS = 900, 96
MOST, NEW_PER_SLOT, REGULAR = 20_000, 500, 4
BLOCK = 512
NO_MARK, MOST_MARK = 0, 4

Ints = NDArray[np.int64]
_COLUMNS: dict[str, tuple[str, int]] = {
    "client": ("u8", 0), "domain": ("u8", 0), "last": ("i8", 0), "contacts": ("i8", 0), "first": ("i8", 0),
    "ttl": ("i8", 0), "quarter": ("i8", 0), "times": ("u4", KEPT), "sizes": ("u2", KEPT), "marks": ("u1", KEPT),
    "counts": ("u1", QUARTERS),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Touches:
    """Queries of pairs, at most one a slot: hashes of pair, client, domain; second, bytes, least TTL answered."""

    pairs: Hashes
    clients: Hashes
    domains: Hashes
    seconds: Ints
    sizes: Ints
    ttls: Ints

    def only(self, chosen: NDArray[Any]) -> Touches:
        """Some of them, by mask or place."""
        return Touches(*(getattr(self, name)[chosen] for name in Touches.__slots__))

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        return [getattr(self, name).tobytes() for name in Touches.__slots__]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Touches:
        """Inverse of pack."""
        kinds = ("u8", "u8", "u8", "i8", "i8", "i8")
        return cls(*(np.frombuffer(value, kind) for value, kind in zip(packed, kinds, strict=True)))


class Pairs:
    """The table; `keys` are hashes of pairs, sorted, `place` says in which row of the columns each lies."""

    def __init__(self) -> None:
        self.keys: Hashes = np.empty(0, np.uint64)
        self.place: Ints = np.empty(0, np.int64)
        self.columns: dict[str, NDArray[Any]] = {}
        self._slot, self._entered = 0, 0
        self._resize(0)

    def _resize(self, rows: int) -> None:
        for name, (kind, width) in _COLUMNS.items():
            fresh = np.zeros((rows, width) if width else rows, kind)
            old = self.columns.get(name)
            if old is not None:
                fresh[: len(old)] = old[:rows]
            self.columns[name] = fresh

    def add(self, touches: Touches) -> Ints:
        """Take in touches, in order of time; the rows that made contact."""
        touches = touches.only(self._admit(touches))
        at, _ = locate(self.keys, touches.pairs)
        rows, slots = self.place[at], touches.seconds // SLOT
        order = np.lexsort((touches.seconds, rows))
        rows, slots, touches = rows[order], slots[order], touches.only(order)
        begins = np.concatenate([[True], rows[1:] != rows[:-1]]) if len(rows) else np.empty(0, bool)
        before = np.where(begins, self.columns["last"][rows], np.concatenate([[0], slots[:-1]])[: len(rows)])
        np.maximum.at(self.columns["last"], rows, slots)
        contact = slots - before >= 2
        self._contact(rows[contact], touches.only(contact))
        return distinct(rows[contact])

    def _admit(self, touches: Touches) -> NDArray[np.bool_]:
        """Which touches belong to pairs in the table, after new ones have entered."""
        _, known = locate(self.keys, touches.pairs)
        fresh = np.flatnonzero(~known)
        _, first = firsts(touches.pairs[fresh])
        entering = fresh[np.sort(first)]
        slots = touches.seconds[entering] // SLOT
        if len(entering):
            if slots[0] > self._slot:
                self._slot, self._entered = int(slots[0]), 0
            spare = np.where(slots == self._slot, NEW_PER_SLOT - self._entered, NEW_PER_SLOT)
            rank = np.arange(len(slots)) - np.searchsorted(slots, slots)
            entering = entering[rank < spare]
            here = int(np.count_nonzero(slots[: len(entering)] == slots[-1]))
            self._entered = here + (self._entered if slots[-1] == self._slot else 0)
            self._slot = int(slots[-1])
            self._enter(touches.only(entering))
        return locate(self.keys, touches.pairs)[1]

    def _enter(self, touches: Touches) -> None:
        used = len(self.keys)
        if used + len(touches.pairs) > MOST:
            self._make_room(max(used + len(touches.pairs) - MOST, MOST // 10))
            used = len(self.keys)
        rows = np.arange(used, used + len(touches.pairs))
        if used + len(rows) > len(self.columns["last"]):
            self._resize(min(MOST, max(BLOCK // 8, 2 * (used + len(rows)))))
        for column in self.columns.values():
            column[rows] = 0
        self.columns["client"][rows], self.columns["domain"][rows] = touches.clients, touches.domains
        self.columns["first"][rows], self.columns["last"][rows] = touches.seconds, -2
        order = np.argsort(np.concatenate([self.keys, touches.pairs]), kind="stable")
        self.keys = np.concatenate([self.keys, touches.pairs])[order]
        self.place = np.concatenate([self.place, rows])[order]

    def _make_room(self, number: int) -> None:
        regular = self.columns["contacts"][self.place] >= REGULAR
        leaving = np.lexsort((self.columns["last"][self.place], regular))[:number]
        self._keep(np.isin(np.arange(len(self.keys)), leaving, invert=True))

    def prune(self, now: int) -> None:
        """Forget pairs not seen for a day, and those with few contacts after two hours."""
        age = now - self.columns["last"][self.place] * SLOT
        few = self.columns["contacts"][self.place] < REGULAR
        self._keep(age < np.where(few, 7200, 86400))

    def _keep(self, keep: NDArray[np.bool_]) -> None:
        """Drop pairs, and close the gaps they leave."""
        if keep.all():
            return
        self.keys, old = self.keys[keep], self.place[keep]
        rows = np.sort(old)
        self.columns = {name: column[rows] for name, column in self.columns.items()}
        self.place = np.searchsorted(rows, old)

    def _contact(self, rows: Ints, touches: Touches) -> None:
        """Write contacts, sorted by row and time."""
        if not len(rows):
            return
        columns, seconds = self.columns, touches.seconds
        begins = np.concatenate([[True], rows[1:] != rows[:-1]])
        start = np.flatnonzero(begins)
        ordinal = np.arange(len(rows)) - np.repeat(start, np.diff(np.append(start, len(rows))))
        had = columns["contacts"][rows]
        earlier = columns["times"][rows, (had - 1) % KEPT].astype(np.int64)
        before = np.where(begins, np.where(had > 0, earlier, 0), np.concatenate([[0], seconds[:-1]]))
        ttl = np.where(begins, columns["ttl"][rows], np.concatenate([[0], touches.ttls[:-1]]))
        at = (had + ordinal) % KEPT
        columns["times"][rows, at] = seconds
        columns["sizes"][rows, at] = np.minimum(touches.sizes, 65535)
        columns["marks"][rows, at] = np.where(before > 0, _mark(seconds - before, ttl), NO_MARK)
        columns["ttl"][rows] = touches.ttls
        np.add.at(columns["contacts"], rows, 1)
        self._count(rows, seconds // QUARTER)

    def _count(self, rows: Ints, quarters: Ints) -> None:
        ours, newest = rows[np.append(rows[1:] != rows[:-1], True)], quarters[np.append(rows[1:] != rows[:-1], True)]
        counts, old = self.columns["counts"], self.columns["quarter"][ours]
        passed = (np.arange(QUARTERS) - old[:, None] - 1) % QUARTERS < np.minimum(newest - old, QUARTERS)[:, None]
        counts[ours] = np.where(passed, 0, counts[ours])
        self.columns["quarter"][ours] = np.maximum(old, newest)
        fits = quarters > self.columns["quarter"][rows] - QUARTERS
        np.add.at(counts, (rows[fits], quarters[fits] % QUARTERS), np.uint8(1))

    def last_contact(self, rows: Ints) -> Ints:
        """Second of the last contact of rows that have one."""
        found: Ints = self.columns["times"][rows, (self.columns["contacts"][rows] - 1) % KEPT].astype(np.int64)
        return found

    def rows_of(self, keys: Hashes) -> Ints:
        """Rows of those of these pairs that are in the table."""
        at, known = locate(self.keys, keys)
        return self.place[at[known]]

    def rings(self, rows: Ints, length: int) -> tuple[Ints, Ints, Ints]:
        """(times, sizes, marks) of the last contacts of rows that have so many, oldest first; shape (rows, length)."""
        places = (self.columns["contacts"][rows][:, None] - length + np.arange(length)) % KEPT
        times, sizes, marks = (self.columns[name][rows[:, None], places] for name in ("times", "sizes", "marks"))
        return times.astype(np.int64), sizes.astype(np.int64), marks.astype(np.int64)

    def quarters(self, row: int, first: int, end: int) -> Ints:
        """Contacts of a row in the quarters first..end-1, at most QUARTERS before now."""
        numbers = np.arange(first, end)
        held = (numbers <= self.columns["quarter"][row]) & (numbers > self.columns["quarter"][row] - QUARTERS)
        counts: Ints = np.where(held, self.columns["counts"][row, numbers % QUARTERS], 0).astype(np.int64)
        return counts

    def blocks(self) -> list[list[Any]]:
        """Plain values for msgpack, in blocks that each fit a message; the first holds the index."""
        used = np.argsort(self.place)
        rows, head = self.place[used], [self.keys[used].tobytes(), self._slot, self._entered]
        return [
            head,
            *(
                [column[rows[at : at + BLOCK]].tobytes() for column in self.columns.values()]
                for at in range(0, len(rows), BLOCK)
            ),
        ]

    def load(self, blocks: list[list[Any]]) -> None:
        """Inverse of blocks."""
        packed, self._slot, self._entered = blocks[0]
        keys = np.frombuffer(packed, np.uint64)
        for index, (name, (kind, width)) in enumerate(_COLUMNS.items()):
            whole = np.frombuffer(b"".join(block[index] for block in blocks[1:]), kind).copy()
            self.columns[name] = whole.reshape(-1, width) if width else whole
        self.place = np.argsort(keys, kind="stable")
        self.keys = keys[self.place].copy()


def _mark(intervals: Ints, ttls: Ints) -> NDArray[np.uint8]:
    """How often the TTL answered before fits into each interval, 0 where it does not: a cache asks again when it ends.

    Up to a tenth later than the TTL (a program asks when it needs the name), at most 2 s earlier (rounding).
    """
    known = np.maximum(ttls, 1)
    times = np.maximum(1, np.round((intervals - 0.04 * intervals) / known)).astype(np.int64)
    late = intervals - times * known
    fits = (ttls > 0) & (times <= MOST_MARK) & (late >= -2) & (late <= np.maximum(5, 0.1 * known))
    return np.where(fits, times, NO_MARK).astype(np.uint8)
