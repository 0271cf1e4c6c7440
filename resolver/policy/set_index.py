"""A million names in one block of bytes: built once, mapped by every worker, looked at without being unpacked.

Names lie sorted by a 64-bit hash, each with two numbers: one for the name itself, one for everything below it. A table
on the upper bits of the hash says where to look; the name found there is compared, so no hash can lie. What is rare
(patterns with a ``*`` inside a label, the actions of a response policy zone, what was wrong in the file) follows as
JSON. Built in a process of its own (resolver/set_build.py). Pure: bytes in, bytes out. Must not know files.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from struct import Struct

import numpy as np
import xxhash

_MAGIC = b"nwset\0\0\1"
_header = Struct("=8sQIIIIQQ")
"""Magic, seed of the hash, names, bits of the table, two of padding, bytes of all names, bytes of the JSON."""
_END = b"\n"
"""Behind each name; no name holds it."""
_MOST_BITS = 24
Bytes = bytes | bytearray | memoryview


class DamagedIndexError(ValueError):
    """Bytes that are no index of this program."""


class IndexWriter:
    """Gathers names, then writes the index. Of two numbers for the same name the first stays.

    Args:
        seed: of the hash, 64 bits; taken from the content, so that nobody can write names that collide.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._names = bytearray()
        self._hashes, self._offsets = array("Q"), array("I")
        self._here, self._below = array("I"), array("I")

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, name: bytes, here: int, below: int) -> None:
        """Add a name (lower case, without final dot) with its numbers, 0 for none."""
        self._offsets.append(len(self._names))
        self._names += name
        self._names += _END
        self._hashes.append(xxhash.xxh3_64_intdigest(name, self._seed))
        self._here.append(here)
        self._below.append(below)

    def finish(self, rest: bytes) -> Iterator[bytes]:
        """The index, piece by piece.

        Args:
            rest: JSON that goes with it.
        """
        hashes, order = self._sorted()
        count = len(order)
        bits = min(_MOST_BITS, max(1, count.bit_length()))
        table = np.searchsorted(hashes >> np.uint64(64 - bits), np.arange(2**bits + 1, dtype=np.uint64))
        yield _header.pack(_MAGIC, self._seed, count, bits, 0, 0, len(self._names), len(rest))
        yield hashes.tobytes()
        for column in (self._offsets, self._here, self._below):
            yield np.frombuffer(column, np.uint32)[order].tobytes() if count else b""
        yield table.astype(np.uint32).tobytes()
        yield bytes(self._names)
        yield rest

    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes in order and the place of each name in what was added, every name once."""
        hashes = np.frombuffer(self._hashes, np.uint64) if self._hashes else np.empty(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        keep = np.ones(len(order), bool)
        seen: dict[bytes, int] = {}
        last = -1
        for place in again.tolist():
            if place - 1 != last:  # a new run of equal hashes
                seen = {self._name(int(order[place - 1])): int(order[place - 1])}
            last = place
            here = int(order[place])
            first = seen.setdefault(self._name(here), here)
            if first != here:
                keep[place] = False
                self._here[first] = self._here[first] or self._here[here]
                self._below[first] = self._below[first] or self._below[here]
        return ordered[keep], order[keep]

    def _name(self, place: int) -> bytes:
        start = self._offsets[place]
        return bytes(self._names[start : self._names.index(_END, start)])


class NameTable:
    """The numbers of names, read where they lie.

    Args:
        buffer: what IndexWriter wrote; kept, not copied.

    Attributes:
        rest: the JSON that goes with it.

    Raises:
        DamagedIndexError: if the bytes are something else, or cut off.
    """

    __slots__ = ("_below", "_hashes", "_here", "_names", "_offsets", "_seed", "_shift", "_table", "rest")

    def __init__(self, buffer: Bytes) -> None:
        view = memoryview(buffer)
        if len(view) < _header.size or view[:8] != _MAGIC:
            raise DamagedIndexError("not an index of domain names")
        _, self._seed, count, bits, _, _, names, rest = _header.unpack_from(view)
        self._shift = 64 - bits
        sizes = (count * 8, count * 4, count * 4, count * 4, (2**bits + 1) * 4, names, rest)
        if len(view) != _header.size + sum(sizes):
            raise DamagedIndexError("an index of domain names that is cut off")
        start, parts = _header.size, []
        for size in sizes:
            parts.append(view[start : start + size])
            start += size
        self._hashes = parts[0].cast("Q")
        self._offsets, self._here, self._below, self._table = (part.cast("I") for part in parts[1:5])
        self._names = parts[5]
        self.rest = bytes(parts[6])

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, names: list[str]) -> int:
        """Number of a name given as its suffixes: its own, else that of the longest domain above it; 0 for none."""
        values = self._here
        for name in names:
            place = self._place(name)
            if place >= 0 and (value := values[place]):
                return value
            values = self._below
        return 0

    def _place(self, name: str) -> int:
        key = name.encode()
        mark = xxhash.xxh3_64_intdigest(key, self._seed)
        slot = mark >> self._shift
        hashes = self._hashes
        for place in range(self._table[slot], self._table[slot + 1]):
            if hashes[place] == mark:
                start = self._offsets[place]
                if self._names[start : start + len(key) + 1] == key + _END:
                    return place
        return -1
