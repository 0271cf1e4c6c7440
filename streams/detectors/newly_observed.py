"""Newly observed names: registered domains this tenant never asked before, told as signals; and bursts of them.

A name counts when it was answered (NOERROR) and not denied: typing errors and generated names that do not exist are no
acquaintances, and what policy turned away stays unknown. Below the tenant's own zones and the special-use ones whole
names count, elsewhere registered domains, so that wildcards and the hashes of CDNs are one name. seen_names.py says
what is known; a fresh state learns for `learning_hours` (a day: on the first morning at work all is new), unless the
warehouse knows since when the tenant has asked what (`seed`). Each new name becomes a signal of kind
``newly_observed``, value ``new``, that holds `new_hours` from the first query on; a bounded number a minute and a day.

An alert is raised only for a burst: one client that meets far more new names within 10 minutes than it usually does
(habits.py) and than `burst`. Whether other tenants know a name is never told: the answer would say what they ask.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.signals import ContextSignal
from streams.columns import TenantRows
from streams.detectors.finding import Detector, Finding, Scene, Standing, without
from streams.detectors.meetings import Meetings, Met
from streams.detectors.seen_names import SeenNames
from streams.distinct import distinct, firsts, member, tally
from streams.hashing import Hashes, hash_strings
from streams.parts import Parts
from streams.zones import is_own

NAME = "newly_observed"
KIND = "newly_observed"
PER_MINUTE = 60
PER_DAY = 5000
_WAITING = 200
_HOUR = 3600.0


class NewlyObserved(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._seen = SeenNames()
        self._meetings = Meetings()
        self._since: float | None = None
        self._known_since: float | None = None
        self._learning = _HOUR
        self._fresh: TenantRows | None = None
        self._waiting: list[tuple[str, str, float]] = []
        self._told = {"minute": [0, 0], "day": [0, 0]}
        self._life, self._tenant = 24 * _HOUR, ""

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; bursts that the panes that are now over showed."""
        mine = scene.detection.newly_observed
        self._fresh, self._tenant = None, scene.tenant
        self._learning, self._life = mine.learning_hours * _HOUR, mine.new_hours * _HOUR
        if self._since is None and len(rows):
            self._since = float(rows.times.min())
        found, keys, internal = self._unknown(rows, scene)
        if len(found):
            self._seen.enter(keys)
            self._fresh = found
            young = without(found.only(self._old_enough(found, internal)), mine.exempt)
            self._meetings.add(young)
            self._announce(young, scene)
        return self.tick(scene)

    def _unknown(self, rows: TenantRows, scene: Scene) -> tuple[TenantRows, Hashes, NDArray[np.bool_]]:
        """First rows of names not known, their hashes, and whether they lie in internal zones; in order of rows."""
        batch, none = rows.batch, np.empty(0, np.intp)
        rows = rows.only(rows.equal("rcode", "NOERROR") & ~rows.equal("verdict", "deny"))
        codes, _ = tally(rows.codes("registered_domain"), len(batch.values("registered_domain")))
        codes = codes[codes != batch.code_of("registered_domain", "")]
        hashes = batch.hashes("registered_domain")
        codes = codes[self._seen.unknown(hashes[codes])]
        if not len(codes):
            return _picked(rows, none), hashes[none], np.empty(0, bool)
        rows = rows.only(member(rows.codes("registered_domain"), codes))
        texts = batch.named("registered_domain", codes)
        own = codes[[is_own(text, scene.internal) for text in texts]]
        internal = member(rows.codes("registered_domain"), own)
        keys = np.where(internal, batch.hashes("qname")[rows.codes("qname")], hashes[rows.codes("registered_domain")])
        _, first = firsts(keys)
        first = np.sort(first)
        inside = first[internal[first]]
        if len(inside):
            known = inside[~self._seen.unknown(keys[inside])]
            first = first[~member(first, known)]
        return _picked(rows, first), keys[first], internal[first]

    def _old_enough(self, rows: TenantRows, internal: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows that came when enough had been learnt to call their names new; the warehouse knows no internal ones."""
        known = self._began()
        since = np.where(internal, known if self._since is None else self._since, known)
        found: NDArray[np.bool_] = rows.times - since >= self._learning
        return found

    def _began(self) -> float:
        return min((at for at in (self._since, self._known_since) if at is not None), default=np.inf)

    def _announce(self, rows: TenantRows, scene: Scene) -> None:
        """Queue names for signals; the newest wait, older ones that found no room are not told."""
        texts = {
            column: rows.batch.named(column, rows.codes(column)) for column in ("registered_domain", "qname", "client")
        }
        for domain, qname, client, time in zip(*texts.values(), rows.times.tolist(), strict=True):
            self._waiting.append((qname if is_own(domain, scene.internal) else domain, client, time))
        self._waiting = self._waiting[-_WAITING:]

    def tick(self, scene: Scene) -> list[Finding]:
        """Judge panes that are over."""
        learning = self.standing(scene.clock).state
        bursts = self._meetings.judge(scene.clock, scene.detection.newly_observed)
        return [_burst(met, scene, learning) for met in bursts]

    def first_asked(self) -> TenantRows | None:
        """Rows of the last update that asked a name for the first time, one a name."""
        return self._fresh

    def seed(self, domains: list[str], since: float) -> None:
        """Know these registered domains, the first of which was asked at `since` (Unix seconds)."""
        hashes = distinct(hash_strings(pa.array(domains, pa.string())))
        self._seen.enter(hashes[self._seen.unknown(hashes)])
        self._known_since = since if self._known_since is None else min(self._known_since, since)

    def signals(self, clock: float, now: float) -> list[ContextSignal]:
        """One for each new name, while it is new; at most so many a minute and a day."""
        del clock
        found = []
        while self._waiting and self._may_tell(now):
            subject, client, time = self._waiting.pop(0)
            if time + self._life > now:
                self._count(now)
                found.append(self._signal(subject, client, time, now))
        return found

    def _signal(self, subject: str, client: str, time: float, now: float) -> ContextSignal:
        when = datetime.fromtimestamp(round(time), UTC)
        return ContextSignal(
            tenant=self._tenant,
            kind=KIND,
            subject=subject,
            value="new",
            source=NAME,
            reason=f"first asked {f'by {client} ' if client else ''}at {when:%Y-%m-%dT%H:%M:%SZ}",
            created=datetime.fromtimestamp(round(now, 6), UTC),
            expires=datetime.fromtimestamp(round(time + self._life, 6), UTC),
        )

    def _may_tell(self, now: float) -> bool:
        minute, day = self._told["minute"], self._told["day"]
        return (minute[0] != now // 60 or minute[1] < PER_MINUTE) and (day[0] != now // 86400 or day[1] < PER_DAY)

    def _count(self, now: float) -> None:
        for name, seconds in (("minute", 60), ("day", 86400)):
            period = int(now // seconds)
            before = self._told[name]
            self._told[name] = [period, before[1] + 1 if before[0] == period else 1]

    def standing(self, clock: float) -> Standing:
        """Learning until the tenant has been watched for long enough."""
        began = self._began()
        age = clock - began if began != np.inf else 0.0
        if age < self._learning:
            return Standing(
                "learning", f"{age / _HOUR:.1f} of {self._learning / _HOUR:.0f} h observed; nothing is called new"
            )
        return Standing("active", f"{len(self._seen)} names known, watched for {age / _HOUR:.0f} h")

    def touch(self) -> None:
        """Count everything as changed."""
        self._seen.touch()
        self._meetings.touch()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Log and segments, panes as parts."""
        self._seen.save(parts)
        times = [self._since, self._known_since, self._learning, self._life]
        rest = {"times": times, "waiting": self._waiting, "told": self._told, "tenant": self._tenant}
        return rest | {"meetings": self._meetings.save(parts)}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._seen.load(values)
        self._since, self._known_since, self._learning, self._life = rest["times"]
        self._waiting = [(subject, client, time) for subject, client, time in rest["waiting"]]
        self._told, self._tenant = rest["told"], rest["tenant"]
        self._meetings.load(rest["meetings"], values)


def _picked(rows: TenantRows, places: NDArray[np.intp]) -> TenantRows:
    """The rows at these places, which rise."""
    chosen = np.zeros(len(rows), bool)
    chosen[places] = True
    return rows.only(chosen)


def _burst(met: Met, scene: Scene, learning: str) -> Finding:
    who = met.client or f"Workload {met.workload}"
    return Finding(
        detector=NAME,
        subject=met.client or f"workload/{met.workload}",
        severity="low",
        reason=f"{met.names} new names, {met.names / met.limit:.1f} times the threshold of {met.limit:.0f}; "
        f"usual are {met.usual:.1f}",
        title=f"{who} asked {met.names} names within 10 minutes that nobody here had asked before",
        seen=met.end,
        evidence={
            "names": met.names,
            "window_s": 600,
            "threshold": round(met.limit),
            "usual": round(met.usual, 1),
            "z": scene.detection.newly_observed.z,
            "learning": learning,
        },
        samples=met.samples,
        workloads=(met.workload,) if met.workload else (),
        clients=(met.client,) if met.client else (),
    )
