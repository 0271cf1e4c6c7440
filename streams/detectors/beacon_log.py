"""What beaconing remembers: the table of pairs, texts of those worth naming, and a log of changes between full writes.

The table can be large, so a checkpoint writes what came since; replayed in order that gives the same table. Full
writes follow when the log is half as large as the table. Must not know when a pair is a beacon.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.detectors.beacon_pairs import Pairs, Touches
from streams.parts import Parts, pack, unpack

_SEGMENT, _LEAST_LOG = 16_384, 262_144

Texts = tuple[str, str, str]
"""Client, name, workload."""


class BeaconLog:
    """Table and log."""

    def __init__(self) -> None:
        self.pairs = Pairs()
        self.texts: dict[int, Texts] = {}
        self._unsaved: list[Any] = []
        self._tail: list[Any] = []
        self._segment, self._logged, self._size = 0, 0, 0

    def add(self, touches: Touches) -> None:
        """Take in touches, in order of time."""
        if len(touches.pairs):
            self._do(["add", touches.pack()])

    def name(self, keys: list[int], texts: list[Texts]) -> None:
        """Remember what pairs are called."""
        if keys:
            self._do(["name", list(zip(keys, texts, strict=True))])

    def prune(self, now: int) -> None:
        """Forget pairs that are gone."""
        if len(self.pairs.keys):
            self._do(["prune", now])

    def reset(self, key: int) -> None:
        """Count a pair anew."""
        self._do(["reset", key])

    def _do(self, record: list[Any]) -> None:
        self._unsaved.append(record)
        self._replay(record)

    def _replay(self, record: list[Any]) -> None:
        kind, value = record
        if kind == "add":
            self.pairs.add(Touches.unpack(value))
        elif kind == "name":
            self.texts |= {key: (texts[0], texts[1], texts[2]) for key, texts in value}
        elif kind == "reset":
            self.pairs.columns["contacts"][self.pairs.rows_of(np.array([value], np.uint64))] = 0
        else:
            self.pairs.prune(value)
            known = set(self.pairs.keys.tolist())
            self.texts = {key: texts for key, texts in self.texts.items() if key in known}

    def touch(self) -> None:
        """Have the next save write the table."""
        self._logged = max(_LEAST_LOG, self._size) + 1

    def save(self, parts: Parts) -> None:
        """Append to the log, or write the table anew when the log has grown."""
        if self._unsaved:
            self._tail += self._unsaved
            self._unsaved = []
            segment = pack(self._tail)
            parts.put(f"beacon-log/{self._segment}", segment)
            if len(segment) > _SEGMENT:
                self._logged += len(segment)
                self._segment, self._tail = self._segment + 1, []
        if self._logged > max(_LEAST_LOG, self._size // 2):
            self._write(parts)

    def _write(self, parts: Parts) -> None:
        for name in parts.names():
            if name.startswith(("beacon/", "beacon-log/")):
                parts.drop(name)
        blocks = [pack(block) for block in self.pairs.blocks()]
        for number, block in enumerate(blocks):
            parts.put(f"beacon/{number}", block)
        parts.put("beacon-texts", pack(sorted(self.texts.items())))
        self._tail, self._segment, self._logged, self._size = [], 0, 0, sum(map(len, blocks))

    def load(self, values: dict[str, bytes]) -> None:
        """Inverse of save."""
        numbers = sorted(int(name.partition("/")[2]) for name in values if name.startswith("beacon/"))
        if numbers:
            self._size = sum(len(values[f"beacon/{number}"]) for number in numbers)
            self.pairs.load([unpack(values[f"beacon/{number}"]) for number in numbers])
            self.texts = {key: (text[0], text[1], text[2]) for key, text in unpack(values["beacon-texts"])}
        while (value := values.get(f"beacon-log/{self._segment}")) is not None:
            self._tail = unpack(value)
            for record in self._tail:
                self._replay(record)
            if len(value) <= _SEGMENT:
                return
            self._logged += len(value)
            self._segment, self._tail = self._segment + 1, []
