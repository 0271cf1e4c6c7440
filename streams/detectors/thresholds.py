"""Thresholds of the heavy-hitter detector: a floor per table, and what the tenant's quiet domains teach.

The third-largest quiet domain of a table, slowly averaged, says how talkative a tenant is; one domain alone cannot
raise the bar, and it rises at most fourfold. Must not know tables or events.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.detectors.finding import Standing
from streams.distinct import member
from streams.elements import BUCKET, Floats
from streams.hashing import Hashes

FLOORS = {120: 400.0, 600: 1000.0, 3600: 2400.0}
"""Bytes of distinct names per window in seconds; measured on quiet traffic: at most 352, 220 and 416."""

ANSWER_FACTOR = 10
"""Answers repeat and are longer: at most 761 bytes were measured on quiet traffic, in any window."""

DIRECTIONS = ("names", "answers")
LEARNING = 3600.0
_MARGIN, _MOST = 2.0, 4.0
_QUIET_RANK = 3
_SLOW = BUCKET / LEARNING
_TOLERATED = 200


Table = tuple[str, int]
"""Direction and window in seconds."""

TABLES: tuple[Table, ...] = tuple((way, seconds) for way in DIRECTIONS for seconds in FLOORS)


class Thresholds:
    """Floors, averages, domains not to learn from, domains never to tell."""

    def __init__(self) -> None:
        self.tolerated: dict[str, float] = {}
        self._usual: dict[Table, float] = dict.fromkeys(TABLES, 0.0)
        self._flagged: dict[int, int] = {}
        self._bucket = 0
        self._since: float | None = None

    def slide(self, bucket: int) -> bool:
        """Go on to a bucket; whether it is a new one."""
        if self._since is None:
            self._since = float(bucket * BUCKET)
        if bucket <= self._bucket:
            return False
        self._bucket = bucket
        self._flagged = {key: seen for key, seen in self._flagged.items() if seen > bucket - max(FLOORS) // BUCKET}
        return True

    def learn(self, table: Table, keys: Hashes, totals: Floats) -> None:
        """Take in what the domains of a table come to in a new bucket."""
        quiet = totals[~member(keys, np.array(sorted(self._flagged), np.uint64))]
        level = float(np.partition(quiet, -_QUIET_RANK)[-_QUIET_RANK]) if len(quiet) >= _QUIET_RANK else 0.0
        self._usual[table] += _SLOW * (level - self._usual[table])

    def floor(self, table: Table) -> float:
        """Least threshold of a table, in bytes."""
        way, seconds = table
        return FLOORS[seconds] * (ANSWER_FACTOR if way == "answers" else 1)

    def limit(self, table: Table) -> float:
        """Threshold of a table now, in bytes."""
        floor = self.floor(table)
        return min(max(floor, _MARGIN * self._usual[table]), _MOST * floor)

    def flag(self, key: int) -> None:
        """Do not learn from this domain for an hour."""
        self._flagged[key] = self._bucket

    def is_flagged(self, key: int) -> bool:
        """Whether the domain was told within the hour."""
        return key in self._flagged

    def unflag(self, key: int) -> None:
        """Learn from it again."""
        self._flagged.pop(key, None)

    def tolerate(self, domain: str, value: float) -> None:
        """Never tell about this domain: it crossed the threshold in peace."""
        if len(self.tolerated) < _TOLERATED:
            self.tolerated[domain] = value

    def standing(self, clock: float) -> Standing:
        """See HeavyHitters."""
        age = 0.0 if self._since is None else clock - self._since
        if age < LEARNING:
            span = f"{age / 60:.0f} of {LEARNING / 60:.0f} minutes observed"
            return Standing("learning", f"{span}; alerts are raised meanwhile")
        return Standing("active", f"thresholds learnt over {age / 3600:.0f} h")

    def learnt(self) -> dict[str, float]:
        """Plain values."""
        values = {f"usual:{way}:{seconds}": value for (way, seconds), value in self._usual.items()}
        values |= {f"tolerated:{domain}": value for domain, value in self.tolerated.items()}
        return values if self._since is None else {**values, "since": self._since}

    def relearn(self, values: dict[str, float]) -> None:
        """Inverse of learnt."""
        for way, seconds in TABLES:
            self._usual[way, seconds] = values.get(f"usual:{way}:{seconds}", 0.0)
        named = ((key.partition(":")[2], value) for key, value in values.items() if key.startswith("tolerated:"))
        self.tolerated = dict(named)
        self._since = values.get("since", self._since)

    def save(self) -> list[Any]:
        """Plain values for msgpack."""
        return [list(self._usual.values()), self.tolerated, self._flagged, self._bucket, self._since]

    def load(self, packed: list[Any]) -> None:
        """Inverse of save."""
        usual, self.tolerated, self._flagged, self._bucket, self._since = packed
        self._usual = dict(zip(TABLES, usual, strict=True))
