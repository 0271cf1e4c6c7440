"""Generated names of malware (DGA): a client's crop of failed names, and the one among them that resolves.

Kept per client (its workload where the tenant drops addresses): registered domains that answered NXDOMAIN within the
last hour, the newest 48 of each of at most 500 clients. Every ten seconds of event time the crops that grew are judged
(crop.py), so a client is found when its twelfth name failed, not when a rate is crossed; a storm of one client over
many domains is left to this detector (nxdomain_storm.py). From the eighth failure on a client's answers are watched,
unless its crop was judged innocent: a name like the crop that resolves right after a burst is the rendezvous itself,
the finding of the highest severity, and the only one that suggests an entry (a tag where names are made of words, since
people choose such names too).

Denied queries are no evidence; an entry in force starves its own cause. Not counted: the tenant's own zones, special
and reverse zones, single labels (a browser's probes for captive portals). A block list's names are one domain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.objects import Severity
from schemas.signals import SuggestedEntry
from streams.columns import EventBatch, TenantRows
from streams.detectors.asked import clients_of, domains_of, remember
from streams.detectors.crop import IMPLAUSIBLE, Crop, heirs, kind_of
from streams.detectors.dga_model import shipped
from streams.detectors.finding import Detector, Finding, Scene, Standing, without
from streams.detectors.panes import by_pane
from streams.detectors.recent import Recent
from streams.distinct import member
from streams.hashing import hash_text
from streams.parts import Parts
from streams.zones import is_own

NAME = "dga"
PANE, HOUR = 10, 3600.0
WATCHED = 8
MOST_JUDGED = 200


class Dga(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._failed = Recent("dga/failed", keys=500, items=48, life=HOUR, waiting=4096)
        self._resolved = Recent("dga/resolved", keys=100, items=16, life=HOUR, waiting=4096)
        self._pane: int | None = None
        self._counts: dict[int, int] = {}
        self._watched: set[int] = set()
        self._innocent: set[int] = set()
        self._since: float | None = None

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; findings of the panes that closed."""
        self._since = scene.clock if self._since is None else self._since
        rows = without(rows, scene.detection.dga.exempt)
        found: list[Finding] = []
        for pane, part in by_pane(rows, PANE, self._pane):
            found += self._advance(pane, scene)
            self._take(part)
        return found

    def tick(self, scene: Scene) -> list[Finding]:
        """Close the pane that event time has left."""
        return self._advance(int(scene.clock // PANE), scene)

    def _advance(self, pane: int, scene: Scene) -> list[Finding]:
        if self._pane is not None and pane <= self._pane:
            return []
        ended, self._pane = self._pane, pane
        if ended is None or not (self._failed.waits or self._resolved.waits):
            return []
        failed, answered = (set(table.close((ended + 1) * PANE)) for table in (self._failed, self._resolved))
        counts = self._counts = self._failed.counts()
        grown = {key for key in failed | answered if counts.get(key, 0) >= scene.detection.dga.names}
        judged = sorted(grown, key=lambda key: (-counts[key], key))[:MOST_JUDGED]
        found = self._judge(judged, scene)
        self._innocent = (self._innocent & counts.keys() | set(judged)) - found.keys()
        self._watched = {key for key, count in counts.items() if count >= WATCHED} - self._innocent
        return [finding for key, finding in found.items() if key in failed or finding.seen >= ended * PANE]

    def _take(self, rows: TenantRows) -> None:
        denied = rows.equal("verdict", "deny")
        failed = rows.only(rows.equal("rcode", "NXDOMAIN") & ~denied)
        if len(failed):
            failed = failed.only(_registrable(failed))
        for key in remember(failed, self._failed):
            self._counts[key] = self._counts.get(key, 0) + 1
            if self._counts[key] >= WATCHED and key not in self._innocent:
                self._watched.add(key)
        if self._watched:
            answered = rows.only(member(clients_of(rows), np.array(sorted(self._watched), np.uint64)))
            remember(answered.only(_answered(answered)), self._resolved)

    def _judge(self, keys: list[int], scene: Scene) -> dict[int, Finding]:
        own = scene.internal
        failed = {
            key: {domain: time for domain, time in domains_of(self._failed, key).items() if not is_own(domain, own)}
            for key in keys
        }
        resolved = {key: domains_of(self._resolved, key) for key in keys}
        domains = sorted({domain for table in (failed, resolved) for known in table.values() for domain in known})
        scores = dict(zip(domains, shipped().score(pa.array(domains, pa.string())).tolist(), strict=True))
        crops = {key: Crop.of(failed[key], scores) for key in keys}
        found = {key: self._tell(key, crops[key], resolved[key], scores, scene) for key in keys}
        return {key: finding for key, finding in found.items() if finding}

    def _tell(
        self, key: int, crop: Crop, resolved: dict[str, float], scores: dict[str, float], scene: Scene
    ) -> Finding | None:
        mine = scene.detection.dga
        later = sum(domain in resolved for domain in crop.domains)
        kind = kind_of(crop, later, mine)
        if not kind:
            return None
        who = self._failed.texts.get(key, "")
        found = heirs(crop, kind, resolved, scores)
        title = f"{who} asks names generated by malware"
        severity: Severity = "high" if kind == "letters" else "medium"
        reason = (
            f"{len(crop)} different names failed within an hour, "
            f"{crop.share():.0%} of them as implausible as one popular name in twenty"
        )
        if found:
            title = f"{who} asks names generated by malware, and {found[-1]} resolved"
            severity, reason = "critical", f"a generated name resolved after a burst of failures; {reason}"
        return Finding(
            detector=NAME,
            subject=who,
            severity=severity,
            reason=reason,
            title=title,
            seen=max(float(crop.times.max()), max((resolved[domain] for domain in found), default=0.0)),
            evidence=_evidence(crop, kind, later)
            | {
                "threshold": mine.threshold,
                "least_names": mine.names,
                "resolved": ", ".join(found[-5:]),
                "learning": self.standing(scene.clock).state,
            },
            samples=(*reversed(found[-2:]), *_worst(crop))[:5],
            clients=() if who.startswith("workload/") else (who,),
            workloads=(who.removeprefix("workload/"),) if who.startswith("workload/") else (),
            suggested=_suggested(found, kind),
        )

    def forget(self, subject: str) -> None:
        """Judge a client anew, from the next failed name on; or forget that a domain resolved."""
        key = hash_text(subject.removeprefix("workload/"))
        self._failed.drop(key)
        self._resolved.drop(key)

    def standing(self, clock: float) -> Standing:
        """Learning until an hour of failures is known; what is found before is told all the same."""
        if self._since is None or clock - self._since < HOUR:
            return Standing("learning", "failed names are known of less than an hour")
        names = ", ".join(shipped().held_out)
        return Standing("active", f"failed names of the last hour are known; the name model never saw {names}")

    def touch(self) -> None:
        """Count everything as changed."""
        self._failed.touch()
        self._resolved.touch()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Changed crops as parts."""
        self._failed.save(parts)
        self._resolved.save(parts)
        return {"pane": self._pane, "innocent": sorted(self._innocent), "since": self._since}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._pane, self._innocent, self._since = rest["pane"], set(rest["innocent"]), rest["since"]
        self._failed.load(values)
        self._resolved.load(values)
        self._counts = self._failed.counts(waiting=True)
        self._watched = {key for key, count in self._counts.items() if count >= WATCHED} - self._innocent


def _registrable(rows: TenantRows) -> NDArray[np.bool_]:
    """Rows about a domain somebody could register; reverse zones are none."""
    usable: NDArray[np.bool_] = rows.batch.per_value(
        "registered_domain",
        "registrable",
        lambda v: pc.invert(pc.or_(pc.ends_with(v, ".arpa"), pc.equal(v, ""))).to_numpy(zero_copy_only=False),
    )
    return usable[rows.codes("registered_domain")]


def _answered(rows: TenantRows) -> NDArray[np.bool_]:
    """Rows that got addresses from outside."""
    found = rows.equal("rcode", "NOERROR") & (rows.equal("qtype", "A") | rows.equal("qtype", "AAAA"))
    found &= rows.equal("answer_source", "upstream") | rows.equal("answer_source", "cache")
    if found.any():
        found &= rows.batch.once("answered", _has_answers)[rows.rows]
    return found & _registrable(rows)


def _has_answers(batch: EventBatch) -> NDArray[np.bool_]:
    lengths = pc.list_value_length(batch.columns.column("answers.type")).to_numpy(zero_copy_only=False)
    found: NDArray[np.bool_] = lengths > 0
    return found


def _worst(crop: Crop) -> list[str]:
    return [crop.domains[place] for place in np.argsort(-crop.scores, kind="stable")[:5].tolist()]


def _suggested(found: list[str], kind: str) -> SuggestedEntry | None:
    if not found:
        return None
    return SuggestedEntry(pattern=f".{found[-1]}", action="deny" if kind == "letters" else "tag")


def _evidence(crop: Crop, kind: str, later: int) -> dict[str, float | int | str]:
    return {
        "kind": kind,
        "names": len(crop),
        "log_odds": round(crop.odds(), 2),
        "implausible_share": round(crop.share(), 2),
        "implausible_above": IMPLAUSIBLE,
        "length_mean": round(float(crop.lengths.mean()), 1),
        "length_deviation": round(float(crop.lengths.std()), 1),
        "vowel_share": round(crop.vowels(), 2),
        "kinship": round(crop.kinship(), 2),
        "suffixes": len(set(crop.suffixes)),
        "resolved_later": later,
        "window_s": int(HOUR),
    }
