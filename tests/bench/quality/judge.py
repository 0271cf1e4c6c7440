"""Counts what was told against what is known. An alert is right if it names a client or domain of the incident."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.signals import Alert
from tests.bench.quality.play import Seen

HARMLESS = frozenset({"info"})
"""Severities that are notes rather than alerts; listed apart."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One scenario judged. seconds, queries: from the incident's first query to the first right alert of its detector."""

    name: str
    origin: str
    expected: tuple[str, ...]
    found_by: str
    seconds: float | None
    queries: int | None
    bar: float
    false: tuple[str, ...]
    events: int
    days: float

    @property
    def met(self) -> bool:
        """Whether it was found in time; benign scenarios have nothing to find."""
        return not self.expected or (self.seconds is not None and (not self.bar or self.seconds <= self.bar))


@dataclass(frozen=True, slots=True)
class Standing:
    """One detector over all scenarios. false_a_day: in benign scenarios only, by tenant-day."""

    detector: str
    expected: int
    found: int
    right: int
    wrong: int
    false_a_day: float
    seconds: tuple[float, ...]
    queries: tuple[int, ...]

    @property
    def recall(self) -> float | None:
        """Share of its incidents that it, or another detector that may stand for it, found."""
        return self.found / self.expected if self.expected else None

    @property
    def precision(self) -> float | None:
        """Share of its alerts that name an incident."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None


def names(alert: Alert, marks: Iterable[str]) -> bool:
    """Whether an alert is about one of these."""
    texts = (alert.subject, *alert.clients, *alert.workloads, *alert.samples, *map(str, alert.evidence.values()))
    return any(mark in text for mark in marks for text in texts)


def judge(seen: Seen) -> Verdict:
    """One scenario."""
    incident, scenario = seen.scenario.incident, seen.scenario
    told = [alert for alert in seen.opened if alert.severity not in HARMLESS]
    if incident is None:
        wrong = tuple(alert.detector for alert in told)
        return Verdict(scenario.name, scenario.origin, (), "", None, None, 0.0, wrong, seen.events, seen.days)
    right = [alert for alert in told if names(alert, incident.marks) and alert.first_seen.timestamp() >= incident.began]
    own = [alert for alert in right if alert.detector in incident.detectors]
    first = min(own, key=lambda alert: alert.changed, default=None)
    at = first.changed.timestamp() if first else 0.0
    return Verdict(
        scenario.name,
        scenario.origin,
        incident.detectors,
        first.detector if first else "",
        at - incident.began if first else None,
        sum(incident.began <= event.time.timestamp() <= at for event in incident.events) if first else None,
        incident.within,
        tuple(alert.detector for alert in told if alert not in right),
        seen.events,
        seen.days,
    )


def standings(detectors: Sequence[str], every: Sequence[tuple[Seen, Verdict]]) -> list[Standing]:
    """Every detector over all scenarios."""
    days = sum(verdict.days for _, verdict in every if not verdict.expected)
    return [_standing(detector, every, days) for detector in detectors]


def _standing(detector: str, every: Sequence[tuple[Seen, Verdict]], days: float) -> Standing:
    mine = [verdict for _, verdict in every if detector in verdict.expected]
    found = [verdict for verdict in mine if verdict.found_by]
    right = sum(
        alert.detector == detector and names(alert, seen.scenario.incident.marks)
        for seen, _ in every
        if seen.scenario.incident
        for alert in seen.opened
        if alert.severity not in HARMLESS
    )
    quiet = sum(verdict.false.count(detector) for _, verdict in every if not verdict.expected)
    return Standing(
        detector,
        len(mine),
        len(found),
        right,
        sum(verdict.false.count(detector) for _, verdict in every),
        quiet / days if days else 0.0,
        tuple(sorted(verdict.seconds for verdict in found if verdict.seconds is not None)),
        tuple(sorted(verdict.queries for verdict in found if verdict.queries is not None)),
    )
