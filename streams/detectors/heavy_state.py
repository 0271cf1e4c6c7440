"""What the heavy-hitter detector remembers: a table per direction and window, and a log of changes between full writes.

Tables can be large, so a batch writes only the elements that changed something; replaying them in order gives the
same tables. Must not know events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streams.detectors.thresholds import DIRECTIONS, TABLES, Table, Thresholds
from streams.distinct import distinct
from streams.elements import Elements, pack_elements, unpack_elements
from streams.hashing import Hashes
from streams.parts import Parts, pack, unpack
from streams.weighted_distinct import IGNORED, INSERTED, WeightedDistinct

_SEGMENT, _LOG_BYTES = 4096, 262_144


@dataclass(frozen=True, slots=True)
class Measure:
    """One domain in one table."""

    direction: str
    seconds: int
    value: float
    limit: float
    floor: float


class HeavyState:
    """Tables, thresholds, log."""

    def __init__(self) -> None:
        self.tables = {(way, seconds): WeightedDistinct(seconds) for way, seconds in TABLES}
        self.thresholds = Thresholds()
        self.names: dict[int, str] = {}
        self._segments = 0
        self._tail: list[Any] = []
        self._logged = 0
        self._unsaved: list[Any] = []

    def add(self, elements: dict[str, Elements], bucket: int, texts: Callable[[Hashes], list[str]]) -> list[int]:
        """Take in elements of each direction; domains over a threshold that grew, those not yet told first."""
        slid = self.thresholds.slide(bucket)
        changed, ratios = self._enter(elements, bucket, texts)
        if slid or any(len(part) for part in changed.values()):
            named = {key: self.names[key] for part in changed.values() for key in distinct(part.domains).tolist()}
            self._unsaved.append(["add", bucket, *(pack_elements(changed[way], named) for way in DIRECTIONS)])
        if slid:
            self._learn()
        return sorted(ratios, key=lambda key: (self.thresholds.is_flagged(key), -ratios[key], key))

    def _enter(
        self, elements: dict[str, Elements], bucket: int, texts: Callable[[Hashes], list[str]]
    ) -> tuple[dict[str, Elements], dict[int, float]]:
        changed: dict[str, Elements] = {}
        ratios: dict[int, float] = {}
        for way, some in elements.items():
            effective = np.zeros(len(some), bool)
            for (direction, _), table in self.tables.items():
                if direction == way:
                    fate = table.add(some, bucket)
                    effective |= fate != IGNORED
                    grown = distinct(some.domains[fate == INSERTED])
                    self._compare(grown, (direction, table.seconds), ratios)
            changed[way] = some.only(effective)
            keys = distinct(changed[way].domains)
            unnamed = keys[[key not in self.names for key in keys.tolist()]] if len(keys) else keys
            if len(unnamed):
                self.names.update(zip(unnamed.tolist(), texts(unnamed), strict=True))
        return changed, ratios

    def _compare(self, domains: Hashes, table: Table, ratios: dict[int, float]) -> None:
        over = self.tables[table].total(domains) / self.thresholds.limit(table)
        for index in np.flatnonzero(over >= 1.0).tolist():
            key = int(domains[index])
            ratios[key] = max(ratios.get(key, 0.0), float(over[index]))

    def _learn(self) -> None:
        """A new bucket: learn from quiet domains, forget the names of those no table knows."""
        for name, table in self.tables.items():
            self.thresholds.learn(name, table.keys, table.totals)
        self.names = self._known_names()

    def _known_names(self) -> dict[int, str]:
        known = {key for table in self.tables.values() for key in table.keys.tolist()}
        return {key: name for key, name in sorted(self.names.items()) if key in known}

    def measures(self, keys: list[int]) -> Iterator[tuple[int, list[Measure]]]:
        """Each of these domains in every table."""
        every, bar = np.array(keys, np.uint64), self.thresholds
        totals = {name: table.total(every).tolist() for name, table in self.tables.items()}
        bars = {name: (bar.limit(name), bar.floor(name)) for name in totals}
        for at, key in enumerate(keys):
            yield key, [Measure(*name, totals[name][at], *bars[name]) for name in totals]

    def forget(self, key: int) -> None:
        """Count one domain anew."""
        for table in self.tables.values():
            table.forget(key)
        self.thresholds.unflag(key)
        self._unsaved.append(["forget", key])

    def touch(self) -> None:
        """Have the next save write the tables."""
        self._logged = _LOG_BYTES + 1

    def save(self, parts: Parts) -> dict[str, Any]:
        """Append to the log, or write the tables anew when the log has grown."""
        self._tail.extend(self._unsaved)
        if self._unsaved:
            self._unsaved = []
            segment = pack(self._tail)
            parts.put(f"heavy-log/{self._segments}", segment)
            if len(segment) > _SEGMENT:
                self._logged += len(segment)
                self._segments += 1
                self._tail = []
        if self._logged > _LOG_BYTES:
            self._write_tables(parts)
            self._logged = 0
        return {"thresholds": self.thresholds.save(), "segments": self._segments}

    def _write_tables(self, parts: Parts) -> None:
        for (way, seconds), table in self.tables.items():
            parts.put(f"heavy/{way}/{seconds}", pack(table.pack()))
        parts.put("heavy/domains", pack(self._known_names()))
        for name in parts.names():
            if name.startswith("heavy-log/"):
                parts.drop(name)
        self._segments, self._tail = 0, []

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        for (way, seconds), table in self.tables.items():
            if f"heavy/{way}/{seconds}" in values:
                table.unpack(unpack(values[f"heavy/{way}/{seconds}"]))
        self.names = unpack(values["heavy/domains"]) if "heavy/domains" in values else {}
        self._segments = rest["segments"]
        for segment in range(self._segments + 1):
            value = values.get(f"heavy-log/{segment}")
            self._tail = unpack(value) if value else []
            self._logged += len(value or b"")
            for record in self._tail:
                self._replay(record)
        self.names = self._known_names()
        self.thresholds.load(rest["thresholds"])

    def _replay(self, record: list[Any]) -> None:
        if record[0] == "forget":
            for table in self.tables.values():
                table.forget(record[1])
            return
        _, bucket, *packed = record
        for way, part in zip(DIRECTIONS, packed, strict=True):
            elements, names = unpack_elements(part)
            self.names |= names
            for (direction, _), table in self.tables.items():
                if direction == way:
                    table.add(elements, bucket)


def worst(measures: list[Measure], factor: float) -> Measure | None:
    """Where a domain is furthest over its threshold; `factor` raises the thresholds for names."""
    raised = [
        replace(m, limit=m.limit * factor, floor=m.floor * factor) if m.direction == "names" else m for m in measures
    ]
    over = [measure for measure in raised if measure.value >= measure.limit]
    return max(over, key=lambda m: (m.value / m.limit, -m.seconds)) if over else None
