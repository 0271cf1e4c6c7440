"""What the heavy-hitter detector remembers: one table per direction and window, thresholds learnt, a log of changes between full writes.

Tables can be large, so a batch writes only the elements that changed something; replaying them in order gives the same tables.
Must not know events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.detectors.finding import Standing
from streams.hashing import Hashes
from streams.parts import Parts, pack, unpack
from streams.weighted_distinct import BUCKET, IGNORED, INSERTED, Elements, WeightedDistinct, pack_elements, unpack_elements

FLOORS = {120: 400.0, 600: 1000.0, 3600: 2400.0}
"""Bytes of distinct names per window in seconds; measured on quiet traffic: at most 352, 220 and 416."""

ANSWER_FACTOR = 10
"""Answers repeat and are longer: at most 761 bytes were measured on quiet traffic, in any window."""

DIRECTIONS = ("names", "answers")
LEARNING = 3600.0
_MARGIN, _MOST = 2.0, 4.0
_QUIET_RANK = 3
_SLOW = BUCKET / LEARNING
_SEGMENT, _LOG_BYTES, _TOLERATED = 4096, 262_144, 200


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
        self.tables = {(way, seconds): WeightedDistinct(seconds) for way in DIRECTIONS for seconds in FLOORS}
        self.names: dict[int, str] = {}
        self.tolerated: dict[str, float] = {}
        self._usual = dict.fromkeys(self.tables, 0.0)
        self._flagged: dict[int, int] = {}
        self._bucket = 0
        self._since: float | None = None
        self._segments = 0
        self._tail: list[Any] = []
        self._logged = 0
        self._unsaved: list[Any] = []

    def add(self, elements: dict[str, Elements], bucket: int, texts: Callable[[Hashes], list[str]]) -> list[int]:
        """Take in elements of each direction; keys of domains over a threshold that grew, the furthest over first."""
        slid = bucket > self._bucket
        if self._since is None:
            self._since = float(bucket * BUCKET)
        changed, ratios = self._enter(elements, bucket, texts)
        if slid or any(len(part) for part in changed.values()):
            named = {key: self.names[key] for part in changed.values() for key in np.unique(part.domains).tolist()}
            self._unsaved.append(["add", bucket, *(pack_elements(changed[way], named) for way in DIRECTIONS)])
        if slid:
            self._slide(bucket)
        return sorted(ratios, key=lambda key: (-ratios[key], key))

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
                    grown = np.unique(some.domains[fate == INSERTED])
                    self._compare(grown, (direction, table.seconds), ratios)
            changed[way] = some.only(effective)
            keys = np.unique(changed[way].domains)
            unnamed = keys[[key not in self.names for key in keys.tolist()]] if len(keys) else keys
            if len(unnamed):
                self.names.update(zip(unnamed.tolist(), texts(unnamed), strict=True))
        return changed, ratios

    def _compare(self, domains: Any, table: tuple[str, int], ratios: dict[int, float]) -> None:
        over = self.tables[table].total(domains) / self.limit(*table)
        for index in np.flatnonzero(over >= 1.0).tolist():
            key = int(domains[index])
            ratios[key] = max(ratios.get(key, 0.0), float(over[index]))

    def _slide(self, bucket: int) -> None:
        """A new bucket: learn from quiet domains, forget what no table knows."""
        self._bucket = bucket
        self._flagged = {key: seen for key, seen in self._flagged.items() if seen > bucket - max(FLOORS) // BUCKET}
        loud = np.array(sorted(self._flagged), np.uint64)
        known: set[int] = set()
        for name, table in self.tables.items():
            quiet = table.totals[~np.isin(table.keys, loud)]
            level = float(np.partition(quiet, -_QUIET_RANK)[-_QUIET_RANK]) if len(quiet) >= _QUIET_RANK else 0.0
            self._usual[name] += _SLOW * (level - self._usual[name])
            known.update(table.keys.tolist())
        self.names = {key: name for key, name in self.names.items() if key in known}

    def floor(self, direction: str, seconds: int) -> float:
        """Least threshold of a table, in bytes."""
        return FLOORS[seconds] * (ANSWER_FACTOR if direction == "answers" else 1)

    def limit(self, direction: str, seconds: int) -> float:
        """Threshold of a table now, in bytes."""
        floor = self.floor(direction, seconds)
        return min(max(floor, _MARGIN * self._usual[direction, seconds]), _MOST * floor)

    def measures(self, key: int) -> list[Measure]:
        """The domain in every table."""
        one = np.array([key], np.uint64)
        return [Measure(*name, float(table.total(one)[0]), self.limit(*name), self.floor(*name)) for name, table in self.tables.items()]

    def worst(self, key: int, factor: float) -> Measure | None:
        """Where the domain is furthest over its threshold; `factor` raises the thresholds for names."""
        raised = [
            Measure(m.direction, m.seconds, m.value, m.limit * factor, m.floor * factor) if m.direction == "names" else m
            for m in self.measures(key)
        ]
        over = [measure for measure in raised if measure.value >= measure.limit]
        return max(over, key=lambda m: (m.value / m.limit, -m.seconds)) if over else None

    def flag(self, key: int) -> None:
        """Do not learn from this domain for an hour."""
        self._flagged[key] = self._bucket

    def tolerate(self, domain: str, value: float) -> None:
        """Never tell about this domain: it crossed the threshold in peace."""
        if len(self.tolerated) < _TOLERATED:
            self.tolerated[domain] = value

    def forget(self, key: int) -> None:
        """Count one domain anew."""
        for table in self.tables.values():
            table.forget(key)
        self._flagged.pop(key, None)
        self._unsaved.append(["forget", key])

    def standing(self, clock: float) -> Standing:
        """See HeavyHitters."""
        age = 0.0 if self._since is None else clock - self._since
        if age < LEARNING:
            return Standing("learning", f"{age / 60:.0f} of {LEARNING / 60:.0f} minutes observed; alerts are raised meanwhile")
        return Standing("active", f"thresholds learnt over {age / 3600:.0f} h")

    def learnt(self) -> dict[str, float]:
        """Plain values."""
        values = {f"usual:{way}:{seconds}": value for (way, seconds), value in self._usual.items()}
        values |= {f"tolerated:{domain}": value for domain, value in self.tolerated.items()}
        return values if self._since is None else {**values, "since": self._since}

    def relearn(self, values: dict[str, float]) -> None:
        """Inverse of learnt."""
        for way, seconds in self.tables:
            self._usual[way, seconds] = values.get(f"usual:{way}:{seconds}", 0.0)
        self.tolerated = {key.partition(":")[2]: value for key, value in values.items() if key.startswith("tolerated:")}
        self._since = values.get("since", self._since)

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
        usual = [[*name, value] for name, value in self._usual.items()]
        return {"usual": usual, "tolerated": self.tolerated, "flagged": self._flagged, "bucket": self._bucket, "since": self._since,
                "segments": self._segments}

    def _write_tables(self, parts: Parts) -> None:
        for (way, seconds), table in self.tables.items():
            parts.put(f"heavy/{way}/{seconds}", pack(table.pack()))
        known = {key for table in self.tables.values() for key in table.keys.tolist()}
        parts.put("heavy/domains", pack({key: name for key, name in sorted(self.names.items()) if key in known}))
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
        known = {key for table in self.tables.values() for key in table.keys.tolist()}
        self.names = {key: name for key, name in self.names.items() if key in known}
        self._usual = {(way, seconds): value for way, seconds, value in rest["usual"]}
        self.tolerated, self._flagged, self._bucket, self._since = (rest[key] for key in ("tolerated", "flagged", "bucket", "since"))

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
