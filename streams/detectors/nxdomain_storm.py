"""Random-subdomain attack and NXDOMAIN storm: many names fail at once, and who is behind it.

Counted are NXDOMAIN answers that came from upstream. An NXDOMAIN of our own policy (verdict deny) is excluded: it is
no storm of the upstream's, and an enforced block must not look like the attack it stopped; it is not a query for the
ratio either. The last minute (six 10 s panes, the open one included) is compared with an EWMA of quiet minutes: an
alert needs z > 4 and 120 failures (the tenant may say otherwise) and a fifth of all queries. The baseline is frozen
while alerting; until it is warm, three times the floor and half of all queries are needed. A uniform sample of
distinct (name, client) pairs tells apart: one domain and many clients (attack), one client and many domains (generated
names), one zone of the tenant's own (a search list gone wrong). Generated names are left to the detector dga, which
knows them from dead links long before they are a storm, unless the tenant switched it off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.detection_spec import NxdomainStormSpec
from schemas.objects import Severity
from schemas.signals import SuggestedEntry
from streams.baselines import WARM, Baseline
from streams.columns import TenantRows
from streams.detectors.failures import PANE, PANES, Failures, Picture
from streams.detectors.finding import Detector, Finding, Scene, Standing, without, witnesses
from streams.distinct import close_together
from streams.parts import Parts, pack, unpack
from streams.zones import is_expansion, is_own, own_zone, zones_of

NAME = "nxdomain_storm"
RATIO, COLD_RATIO, COLD_FACTOR = 0.2, 0.5, 3
MANY_CLIENTS, MANY_DOMAINS = 3, 10
SHARE = 0.5
GENERATED = "generated_names"
MINUTE = PANE * PANES


class NxdomainStorm(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self.baseline = Baseline()
        self._panes: dict[int, Failures] = {}
        self._changed: set[int] = set()
        self._minute: int | None = None
        self._alerting_until = 0.0

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; at most one finding, for the storm the last minute shows."""
        asked = without(rows.only(~rows.equal("verdict", "deny")), scene.detection.nxdomain_storm.exempt)
        self._learn(scene.clock)
        failed = self._count(asked, scene)
        if not len(failed):
            return []
        panes = [pane for _, pane in sorted(self._panes.items())]
        if not self._is_storm(panes, scene.detection.nxdomain_storm):
            return []
        self._alerting_until = scene.clock + MINUTE
        found = self._tell(Picture.of(panes), failed, scene)
        left_to_dga = found.evidence["kind"] == GENERATED and scene.detection.dga.enabled
        return [] if left_to_dga else [found]

    def _count(self, asked: TenantRows, scene: Scene) -> TenantRows:
        newest = int(scene.clock // PANE)
        for old in [start for start in self._panes if start <= newest - PANES]:
            del self._panes[old]
            self._changed.add(old)
        failed = asked.only(asked.equal("rcode", "NXDOMAIN"))
        oldest = newest - PANES + 1
        for times, add in ((asked.times, "queries"), (failed.times, "failures")):
            panes = np.maximum((times // PANE).astype(np.int64), oldest)
            for start in close_together(panes):
                here = panes == start
                pane = self._panes.setdefault(start, Failures())
                setattr(pane, add, getattr(pane, add) + int(np.count_nonzero(here)))
                self._changed.add(start)
                if add == "failures":
                    chosen = failed.only(here)
                    pane.sample(chosen, own_zone(chosen, zones_of(scene.internal)), zones_of(scene.internal))
        return failed

    def _learn(self, clock: float) -> None:
        """Once a minute teach the baseline what the minute before held, unless it touches a storm."""
        minute = int(clock // MINUTE)
        if self._minute is not None and minute > self._minute and self._minute * MINUTE >= self._alerting_until:
            first = self._minute * PANES
            whole = sum(pane.failures for start, pane in self._panes.items() if first <= start < first + PANES)
            self.baseline.learn(float(whole))
        self._minute = minute if self._minute is None else max(minute, self._minute)

    def _is_storm(self, panes: list[Failures], mine: NxdomainStormSpec) -> bool:
        queries, failures = sum(pane.queries for pane in panes), sum(pane.failures for pane in panes)
        ratio = failures / max(queries, 1)
        if not self.baseline.warm:
            return failures >= COLD_FACTOR * mine.floor and ratio >= COLD_RATIO
        return failures >= mine.floor and ratio >= RATIO and self.baseline.z(failures) > mine.z

    def _tell(self, picture: Picture, failed: TenantRows, scene: Scene) -> Finding:
        kind, subject, severity, why, title = _classify(picture, failed, scene)
        ratio = picture.failures / max(picture.queries, 1)
        z = self.baseline.z(picture.failures)
        ours = (
            failed.only(failed.equal("registered_domain", subject))
            if kind in {"random_subdomain", "one_client_one_domain"}
            else failed
        )
        suggested = SuggestedEntry(pattern=f"*.{subject}", action="deny") if kind == "random_subdomain" else None
        return Finding(
            detector=NAME,
            subject=subject,
            severity=severity,
            seen=float(failed.times.max()),
            title=title,
            reason=f"{why}; {picture.failures} failures in a minute, "
            f"{z:.1f} deviations above the usual {self.baseline.mean:.0f}",
            evidence={
                "kind": kind,
                "failures_per_minute": picture.failures,
                "queries_per_minute": picture.queries,
                "ratio": round(ratio, 3),
                "z": round(z, 1),
                "usual": round(self.baseline.mean, 1),
                "floor": scene.detection.nxdomain_storm.floor,
                "names": round(picture.names),
                "domain_share": round(picture.domain_share, 3),
                "client_share": round(picture.client_share, 3),
                "clients_of_domain": picture.clients_of_domain,
                "domains_of_client": picture.domains_of_client,
                "learning": self.standing(scene.clock).state,
            },
            samples=witnesses(ours, "qname", 5),
            workloads=witnesses(ours, "workload", 10),
            clients=witnesses(ours, "client", 10),
            suggested=suggested,
        )

    def tick(self, scene: Scene) -> list[Finding]:
        """Minutes without any query are quiet minutes too."""
        self._learn(scene.clock)
        return []

    def standing(self, clock: float) -> Standing:
        """Learning until the baseline is warm."""
        del clock
        if self.baseline.warm:
            return Standing(
                "active",
                f"usual: {self.baseline.mean:.0f} failures a minute, learnt from {self.baseline.minutes} minutes",
            )
        return Standing(
            "learning",
            f"{self.baseline.minutes} of {WARM} minutes observed; "
            f"only storms of {COLD_FACTOR} times the floor are told",
        )

    def learnt(self) -> dict[str, float]:
        """Baseline as plain values."""
        return {"mean": self.baseline.mean, "variance": self.baseline.variance, "minutes": float(self.baseline.minutes)}

    def relearn(self, values: dict[str, float]) -> None:
        """Inverse of learnt; an unfinished start begins again."""
        if values.get("minutes", 0.0) >= WARM:
            self.baseline = Baseline(values["mean"], values["variance"], int(values["minutes"]))

    def touch(self) -> None:
        """Count every pane as changed."""
        self._changed |= self._panes.keys()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Changed panes as parts."""
        for start in sorted(self._changed):
            if start in self._panes:
                parts.put(f"failures/{start}", pack(self._panes[start].pack()))
            else:
                parts.drop(f"failures/{start}")
        self._changed.clear()
        b = self.baseline
        return {
            "baseline": [b.mean, b.variance, b.minutes, b.first],
            "minute": self._minute,
            "until": self._alerting_until,
        }

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self.baseline = Baseline(*rest["baseline"])
        self._minute, self._alerting_until = rest["minute"], rest["until"]
        for name, value in values.items():
            if name.startswith("failures/"):
                self._panes[int(name.partition("/")[2])] = Failures.unpack(unpack(value))


def _classify(picture: Picture, failed: TenantRows, scene: Scene) -> tuple[str, str, Severity, str, str]:
    """(kind, subject, severity, why, title) of a storm."""
    domain, client = picture.domain, picture.client
    if domain and picture.domain_share >= SHARE:
        names = witnesses(failed.only(failed.equal("registered_domain", domain)), "qname", 10)
        if is_own(domain, scene.internal) or (names and all(is_expansion(name, domain) for name in names)):
            return (
                "search_list",
                domain,
                "low",
                f"the names lie below {domain}, the tenant's own or used as a search domain",
                f"Search list gone wrong: names below {domain} fail",
            )
        if picture.clients_of_domain >= MANY_CLIENTS:
            return (
                "random_subdomain",
                domain,
                "high",
                f"{picture.clients_of_domain} clients ask names below one domain",
                f"Random-subdomain attack on {domain}",
            )
        return (
            "one_client_one_domain",
            domain,
            "medium",
            "one client asks names below one domain",
            f"One client asks failing names below {domain}",
        )
    if client and picture.client_share >= SHARE and picture.domains_of_client >= MANY_DOMAINS:
        return (
            GENERATED,
            client,
            "high",
            f"one client asks failing names in {picture.domains_of_client} domains",
            f"Client {client} asks many unregistered domains, as malware with generated names does",
        )
    return ("storm", "tenant", "medium", "no single domain or client stands out", "NXDOMAIN storm")
