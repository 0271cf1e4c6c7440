"""Names a tenant has asked: a filter that never forgets what is in use, in bounded memory, saved in small pieces.

A chain of Bloom filters of growing size, as in scalable Bloom filters (Almeida, Baquero, Preguica, Hutchison,
Information Processing Letters 101, 2007): new names enter the last; when it is full a larger one follows. At MOST
filters the first is given up; names found only there are entered again before, as in aging Bloom filters (Yoon, IEEE
TKDE 22, 2010), so that only names nobody has asked for long are forgotten. A stable Bloom filter (Deng, Rafiei, SIGMOD
2006) would forget at random, and change bits everywhere with each name.

Each name's bits lie in one segment (Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters", WEA
2007). With 16 bits a name and 6 probes a filter that is full mistakes 0.1 % of new names for known ones, the whole
chain 0.5 %. Between full writes of touched segments the log of entered hashes is saved. Must not know what a name is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.distinct import distinct
from streams.hashing import Hashes
from streams.parts import Parts, pack, unpack

SEGMENT = 8192
"""Bytes of a segment: more than what travels inside `main`."""
PER_SEGMENT = SEGMENT * 8 // 16
PROBES = 6
SIZES = (1, 4, 16, 64)
"""Segments of the first filters of a chain; later ones are as large as the last."""
MOST = 5
_LOG_BYTES = 262_144
_TAIL_BYTES = 4096

Places = NDArray[np.int64]


@dataclass(slots=True)
class _Filter:
    """One of the chain: bits (segments, SEGMENT), names entered."""

    number: int
    bits: NDArray[np.uint8]
    names: int = 0

    @property
    def room(self) -> int:
        """Names that may still enter."""
        return len(self.bits) * PER_SEGMENT - self.names

    def segments(self, hashes: Hashes) -> Places:
        """Segment of each name."""
        found: Places = ((hashes >> np.uint64(40)) % np.uint64(len(self.bits))).astype(np.int64)
        return found

    def has(self, hashes: Hashes, places: Places) -> NDArray[np.bool_]:
        """Which names were entered; `places` are their bits within a segment, shape (n, PROBES)."""
        cells = self.bits[self.segments(hashes)[:, None], places >> 3]
        found: NDArray[np.bool_] = ((cells >> (places & 7).astype(np.uint8)) & 1).all(axis=1)
        return found

    def enter(self, hashes: Hashes, places: Places) -> set[tuple[int, int]]:
        """Enter names; (number, segment) of what changed."""
        segments = self.segments(hashes)
        one = np.left_shift(np.uint8(1), (places & 7).astype(np.uint8))
        np.bitwise_or.at(self.bits, (segments[:, None], places >> 3), one)
        self.names += len(hashes)
        return {(self.number, segment) for segment in distinct(segments).tolist()}


def _places(hashes: Hashes) -> Places:
    """Bits within a segment by double hashing (Kirsch, Mitzenmacher 2006)."""
    first, step = hashes & np.uint64(0xFFFF), ((hashes >> np.uint64(16)) & np.uint64(0xFFFF)) | np.uint64(1)
    probes = first.astype(np.int64)[:, None] + step.astype(np.int64)[:, None] * np.arange(PROBES)
    return probes & (SEGMENT * 8 - 1)


class SeenNames:
    """The chain, and what of it is not saved yet."""

    def __init__(self) -> None:
        self._chain = [_Filter(0, np.zeros((SIZES[0], SEGMENT), np.uint8))]
        self._touched: set[tuple[int, int]] = set()
        self._unsaved: list[Hashes] = []
        self._tail = b""
        self._log, self._logged = 0, 0

    def __len__(self) -> int:
        """Names entered and not given up; one that was entered again counts twice."""
        return sum(link.names for link in self._chain)

    def unknown(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of these distinct names were never entered; known ones are kept from being forgotten."""
        places = _places(hashes)
        unknown = np.ones(len(hashes), bool)
        fading = np.zeros(len(hashes), bool)
        for link in self._chain:
            left = np.flatnonzero(unknown)
            if not len(left):
                break
            hits = left[link.has(hashes[left], places[left])]
            unknown[hits] = False
            if link is self._chain[0] and len(self._chain) == MOST:
                fading[hits] = True
        if fading.any():
            some = np.flatnonzero(fading)
            for link in self._chain[1:]:
                some = some[~link.has(hashes[some], places[some])]
            self.enter(hashes[some])
        return unknown

    def enter(self, hashes: Hashes) -> None:
        """Enter names, in order."""
        if len(hashes):
            self._unsaved.append(hashes)
            self._enter(hashes)

    def _enter(self, hashes: Hashes) -> None:
        places = _places(hashes)
        while len(hashes):
            room = self._chain[-1].room
            self._touched |= self._chain[-1].enter(hashes[:room], places[:room])
            hashes, places = hashes[room:], places[room:]
            if not self._chain[-1].room:
                self._grow()

    def _grow(self) -> None:
        number = self._chain[-1].number + 1
        size = SIZES[min(number, len(SIZES) - 1)]
        self._chain = [*self._chain[-MOST + 1 :], _Filter(number, np.zeros((size, SEGMENT), np.uint8))]

    def touch(self) -> None:
        """Have the next save write every segment."""
        self._touched |= {(link.number, segment) for link in self._chain for segment in range(len(link.bits))}
        self._logged = _LOG_BYTES + 1

    def save(self, parts: Parts) -> None:
        """Append to the log, or write touched segments when the log has grown."""
        if self._unsaved:
            self._tail += np.concatenate(self._unsaved).tobytes()
            self._unsaved = []
            parts.put(f"observed-log/{self._log}", self._tail)
            if len(self._tail) > _TAIL_BYTES:
                self._logged += len(self._tail)
                self._log, self._tail = self._log + 1, b""
        if self._logged > _LOG_BYTES:
            self._write(parts)

    def _write(self, parts: Parts) -> None:
        chain = {link.number: link for link in self._chain}
        for name in parts.names():
            kind, _, rest = name.partition("/")
            if kind == "observed-log" or (kind == "observed" and int(rest.partition("/")[0]) not in chain):
                parts.drop(name)
        for number, segment in sorted(self._touched):
            if number in chain:
                parts.put(f"observed/{number}/{segment}", chain[number].bits[segment].tobytes())
        parts.put("observed-chain", pack([[link.number, len(link.bits), link.names] for link in self._chain]))
        self._touched.clear()
        self._tail, self._log, self._logged = b"", 0, 0

    def load(self, values: dict[str, bytes]) -> None:
        """Inverse of save."""
        chain: list[Any] = unpack(values["observed-chain"]) if "observed-chain" in values else [[0, SIZES[0], 0]]
        self._chain = [_Filter(number, np.zeros((size, SEGMENT), np.uint8), names) for number, size, names in chain]
        for link in self._chain:
            for segment in range(len(link.bits)):
                value = values.get(f"observed/{link.number}/{segment}")
                if value is not None:
                    link.bits[segment] = np.frombuffer(value, np.uint8)
        while (value := values.get(f"observed-log/{self._log}")) is not None:
            self._enter(np.frombuffer(value, np.uint64))
            self._tail = value
            if len(value) <= _TAIL_BYTES:
                return
            self._logged += len(value)
            self._log, self._tail = self._log + 1, b""
