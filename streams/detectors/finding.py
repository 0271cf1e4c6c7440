"""What a detector hands over: one thing it sees going on, with its evidence. Alerts make state of it.

Must not know policy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar

import numpy as np

from schemas.detection_spec import Detection
from schemas.objects import Severity
from schemas.patterns import matches
from schemas.signals import ContextSignal, SuggestedEntry, Telemetry
from streams.answerers import Answerers
from streams.columns import TenantRows
from streams.parts import Parts
from streams.seasonal import Prior

SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")


def rank(severity: Severity) -> int:
    """Place of a severity, 0 for info."""
    return SEVERITIES.index(severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """Seen once more: `subject` of `detector`, at event time `seen` (Unix seconds)."""

    detector: str
    subject: str
    severity: Severity
    reason: str
    title: str
    seen: float
    evidence: dict[str, float | int | str]
    samples: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    suggested: SuggestedEntry | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a detector has learnt enough to be silent with meaning: `learning` or `active`, and why."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What detectors may know beside the rows.

    clock: event time, Unix seconds. internal: patterns of the tenant's own zones. detection: the tenant's parameters.
    answerers: who answered lately. prior: shape of other tenants' weeks.
    """

    tenant: str
    clock: float
    internal: tuple[str, ...] = ()
    detection: Detection = field(default_factory=Detection)
    answerers: Answerers | None = None
    prior: Prior | None = None


class Detector(ABC):
    """One file in this folder and one line in its table; what most have no use for has a default here."""

    name: ClassVar[str]

    @abstractmethod
    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows."""

    def judge(self, closed: Sequence[Telemetry], scene: Scene) -> list[Finding]:
        """Windows of telemetry that are over: cheap for what is judged by the minute."""
        del closed, scene
        return []

    def tick(self, scene: Scene) -> list[Finding]:
        """Event time went on without rows; windows that end before scene.clock less LATENESS have been judged."""
        del scene
        return []

    def due(self, scene: Scene) -> float:
        """When tick has something to say though no row comes, Unix seconds; inf for never."""
        del scene
        return inf

    def signals(self, clock: float, now: float) -> list[ContextSignal]:
        """Facts for rules and discovery that are due: told on a change, and again before they expire.

        Args:
            clock: event time, Unix seconds.
            now: processing time, in which signals expire, Unix seconds.
        """
        del clock, now
        return []

    def first_asked(self) -> TenantRows | None:
        """Rows of the last update that asked a name for the first time, one row a name; None where nobody looks."""
        return None

    def seed(self, domains: list[str], since: float) -> None:
        """Registered domains the tenant is known to have asked, the first of them at `since` (Unix seconds)."""
        del domains, since

    def forget(self, subject: str) -> None:
        """Judge a subject anew: the policy entry it caused has expired, or a person closed its alert."""
        del subject

    @abstractmethod
    def standing(self, clock: float) -> Standing:
        """Learning or active."""

    def learnt(self) -> dict[str, float]:
        """Baselines as plain values, few: they go to the warehouse once a minute."""
        return {}

    def relearn(self, values: dict[str, float]) -> None:
        """Take over baselines."""
        del values

    @abstractmethod
    def touch(self) -> None:
        """Count everything as changed: the next save writes it all."""

    @abstractmethod
    def save(self, parts: Parts) -> dict[str, Any]:
        """Put changed parts, their names beginning with the detector's; the small rest is returned."""

    @abstractmethod
    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""


def without(rows: TenantRows, exempt: Sequence[str]) -> TenantRows:
    """Rows whose name no pattern covers; costs nothing without patterns."""
    if not exempt or not len(rows):
        return rows
    asked, _ = rows.tally("qname")
    spared = np.zeros(len(rows.batch.values("qname")), bool)
    spared[asked] = [any(matches(pattern, name) for pattern in exempt) for name in rows.batch.named("qname", asked)]
    return rows.only(~spared[rows.codes("qname")])


def witnesses(rows: TenantRows, column: str, most: int) -> tuple[str, ...]:
    """Distinct non-empty values of a column, at most so many, by name."""
    codes = sorted(set(rows.codes(column)[: most * 50].tolist()))
    values = rows.batch.values(column)
    found = {values[code].as_py() for code in codes[: most * 4]}
    return tuple(sorted(found - {""})[:most])
