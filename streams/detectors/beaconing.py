"""Beaconing: a client that asks one name again and again, by the clock, as malware does that waits for orders.

Judged once a minute of event time, for (client, name) pairs that made contact meanwhile: the score of RITA version 5
(beacon_score.py) over the last 24 hours, from `contacts` contacts and `hours` hours of watching on, with modifiers of
0.15 for rare or common names and young or old contacts. Beside the total, the intervals themselves must be steady
(beacon_report.py): for DNS, sizes and duration are nearly always perfect and would carry a busy browser.

Caches: an interval as long as the TTL answered before it is a cache that asks again, not a beacon. A pair is discarded
when half of its intervals fit the TTL, or four fifths fit small multiples of it with at least a fifth fitting it once;
intervals that all are the same multiple are the program's own clock. Beats shorter than the TTL that a client's cache
answers are never seen. Not looked at: denied queries, internal zones, reverse names, and beacon_pollers.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.detection_spec import BeaconingSpec
from streams.columns import EventBatch, TenantRows
from streams.detectors.beacon_log import BeaconLog
from streams.detectors.beacon_pairs import SLOT, Pairs, Touches
from streams.detectors.beacon_pollers import POLLERS
from streams.detectors.beacon_report import NAME, Beacon, beacons, tell
from streams.detectors.finding import Detector, Finding, Scene, Standing, without
from streams.distinct import close_together, distinct, firsts, member
from streams.hashing import mix
from streams.parts import Parts
from streams.sketches import locate
from streams.zones import SPECIAL_USE, is_own

MINUTE, HOUR, DAY = 60, 3600, 86400
NAMED = 8
"""Contacts from which on a pair's texts are kept."""
AGAIN = 240
"""Seconds after which an ongoing beacon is told again, so that its alert stays open; until three periods are missed."""

STEADY = 0.05
"""How far below the threshold the score of a beacon that was told may fall."""


class Beaconing(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._log = BeaconLog()
        self._since: float | None = None
        self._minute = 0
        self._hours = 2.0
        self._told: dict[int, list[float]] = {}
        self._new = [0, 0]

    @property
    def pairs(self) -> Pairs:
        """The table."""
        return self._log.pairs

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; beacons seen in the minutes that are now over."""
        mine = scene.detection.beaconing
        self._hours = mine.hours
        if self._since is None and len(rows):
            self._since = float(rows.times.min())
        rows = without(rows.only(_worth_a_look(rows, scene)), mine.exempt)
        if not len(rows):
            return self.tick(scene)
        rows, touches = _touches(rows, self.pairs)
        found: list[Finding] = []
        minutes = touches.seconds // MINUTE
        for minute in close_together(minutes):
            found += self._pass(minute, scene)
            here = minutes == minute
            self._log.add(touches.only(here))
            self._log.name(*self._texts(rows.only(here), touches.only(here)))
        return found + self.tick(scene)

    def _texts(self, rows: TenantRows, touches: Touches) -> tuple[list[int], list[tuple[str, str, str]]]:
        """Client, name and workload of pairs that are worth naming and not named yet."""
        at, known = locate(self.pairs.keys, touches.pairs)
        worth = np.zeros(len(at), bool)
        worth[known] = self.pairs.columns["contacts"][self.pairs.place[at[known]]] >= NAMED
        places = [at for at in np.flatnonzero(worth).tolist() if int(touches.pairs[at]) not in self._log.texts]
        if not places:
            return [], []
        columns = (rows.batch.named(column, rows.codes(column)[places]) for column in ("client", "qname", "workload"))
        return touches.pairs[places].tolist(), list(zip(*columns, strict=True))

    def tick(self, scene: Scene) -> list[Finding]:
        """Judge when a minute is over."""
        return self._pass(int(scene.clock // MINUTE), scene)

    def _pass(self, minute: int, scene: Scene) -> list[Finding]:
        """Go on to a minute: judge what is before it."""
        if minute <= self._minute or self._since is None:
            return []
        before, self._minute = self._minute, minute
        now = minute * MINUTE
        if minute * MINUTE // HOUR > before * MINUTE // HOUR:
            self._log.prune(now)
        return self._judge(before * MINUTE, now, scene) if now - self._since >= self._hours * HOUR else []

    def _judge(self, since: int, now: int, scene: Scene) -> list[Finding]:
        mine, pairs = scene.detection.beaconing, self.pairs
        enough = np.flatnonzero(pairs.columns["contacts"][: len(pairs.keys)] >= mine.contacts)
        changed = enough[pairs.last_contact(enough) >= since]
        lasting = [key for key, (at, _) in self._told.items() if now - at >= AGAIN]
        rows = np.union1d(changed, pairs.rows_of(np.array(lasting, np.uint64)))
        found = []
        for beacon in beacons(pairs, rows, max(float(self._since or 0), now - DAY), now, float(self._since or 0)):
            known = beacon.key in self._log.texts
            least = mine.score - (STEADY if beacon.key in self._told else 0.0)
            if known and beacon.score >= least and self._may_tell(beacon, now, mine):
                self._told[beacon.key] = [now, beacon.period]
                found.append(tell(beacon, self._log.texts[beacon.key], mine, float(now)))
        self._told = {key: told for key, told in self._told.items() if now - told[0] < AGAIN + 3 * told[1]}
        return found

    def _may_tell(self, beacon: Beacon, now: int, mine: BeaconingSpec) -> bool:
        """Not too often, and while it lasts; of new ones a bounded number a day."""
        if beacon.key in self._told:
            return now - self._told[beacon.key][0] >= AGAIN and now - beacon.last < 3 * beacon.period
        if self._new[0] != now // DAY:
            self._new = [now // DAY, 0]
        self._new[1] += 1
        return self._new[1] <= mine.new_per_day

    def forget(self, subject: str) -> None:
        """Count a pair, or all pairs of a name, anew."""
        for key in [
            key for key, (client, name, _) in self._log.texts.items() if subject in {name, f"{client} -> {name}"}
        ]:
            self._told.pop(key, None)
            self._log.reset(key)

    def standing(self, clock: float) -> Standing:
        """Learning until the tenant was watched for `hours`; slow beacons take longer."""
        age = 0.0 if self._since is None else clock - self._since
        if age < self._hours * HOUR:
            return Standing("learning", f"{age / HOUR:.1f} of {self._hours:.0f} h observed; nothing is told")
        return Standing("active", f"{len(self.pairs.keys)} pairs of client and name watched")

    def touch(self) -> None:
        """Count everything as changed."""
        self._log.touch()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Log, and the table when the log has grown."""
        self._log.save(parts)
        told = sorted(self._told.items())
        return {"since": self._since, "minute": self._minute, "hours": self._hours, "told": told, "new": self._new}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._since, self._minute, self._hours = rest["since"], rest["minute"], rest["hours"]
        self._told, self._new = dict(rest["told"]), rest["new"]
        self._log.load(values)


def _ours(values: pa.Array) -> NDArray[np.bool_]:
    """Domains nobody beacons to: none at all, reverse names, internal zones, well-known pollers."""
    known = pc.or_(pc.is_in(values, value_set=pa.array(POLLERS)), pc.equal(values, ""))
    for zone in (".arpa", *SPECIAL_USE):
        known = pc.or_(known, pc.ends_with(values, zone))
    found: NDArray[np.bool_] = known.to_numpy(zero_copy_only=False)
    return found


def _worth_a_look(rows: TenantRows, scene: Scene) -> NDArray[np.bool_]:
    """Rows that could belong to a beacon."""
    ours = rows.batch.per_value("registered_domain", "no beacon", _ours)
    codes = rows.codes("registered_domain")
    worth: NDArray[np.bool_] = ~ours[codes] & ~rows.equal("verdict", "deny") & ~rows.equal("client", "")
    if scene.internal:
        used = distinct(codes[worth])
        texts = rows.batch.named("registered_domain", used)
        own = used[[is_own(text, scene.internal) for text in texts]] if len(used) else used
        worth &= ~member(codes, own)
    return worth


def _touches(rows: TenantRows, pairs: Pairs) -> tuple[TenantRows, Touches]:
    """Touches of pairs in slots not known yet, in order of time, and the row of each."""
    batch, seconds = rows.batch, rows.times.astype(np.int64)
    clients = batch.hashes("client")[rows.codes("client")]
    keys = mix(batch.hashes("qname")[rows.codes("qname")] ^ (clients * np.uint64(5)))
    slots = seconds // SLOT
    at, known = locate(pairs.keys, keys)
    last = np.full(len(keys), -1, np.int64)
    last[known] = pairs.columns["last"][pairs.place[at[known]]]
    later = np.flatnonzero(slots > last)
    _, first = firsts(keys[later] ^ mix(slots[later].astype(np.uint64)))
    first = later[np.sort(first)]
    first = first[np.argsort(seconds[first], kind="stable")]
    chosen = TenantRows(batch, rows.rows[first], rows.times[first])
    domains = batch.hashes("registered_domain")[chosen.codes("registered_domain")]
    sizes = chosen.numbers("query_size").astype(np.int64) + chosen.numbers("response_size").astype(np.int64)
    return chosen, Touches(keys[first], clients[first], domains, seconds[first], sizes, _least_ttls(chosen))


def _least_ttls(rows: TenantRows) -> NDArray[np.int64]:
    """Least TTL of each row's answer, 0 without any."""
    return rows.batch.once("least ttls", _of_each_row)[rows.rows]


def _of_each_row(batch: EventBatch) -> NDArray[np.int64]:
    lists = batch.columns.column("answers.ttl")
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    values = lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    filled = np.flatnonzero(lengths > 0)
    found = np.zeros(len(lengths), np.int64)
    if len(filled):
        starts = np.concatenate([[0], np.cumsum(lengths[filled])[:-1]]).astype(np.int64)
        found[filled] = np.minimum.reduceat(values, starts)
    return found
