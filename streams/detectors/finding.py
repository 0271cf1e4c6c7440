"""What a detector hands over: one thing it sees going on, with its evidence. Alerts make state of it.

Must not know policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.objects import Severity
from schemas.signals import SuggestedEntry
from streams.columns import TenantRows
from streams.parts import Parts

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
    """What detectors may know beside the rows: tenant, event-time clock (Unix seconds), patterns of its own zones."""

    tenant: str
    clock: float
    internal: tuple[str, ...] = field(default=())


class Detector(Protocol):
    """One file in this folder and one line in its table."""

    name: str

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows."""

    def tick(self, clock: float) -> None:
        """Event time went on without rows."""

    def forget(self, subject: str) -> None:
        """Judge a subject anew: the policy entry it caused has expired."""

    def standing(self, clock: float) -> Standing:
        """Learning or active."""

    def learnt(self) -> dict[str, float]:
        """Baselines as plain values."""

    def relearn(self, values: dict[str, float]) -> None:
        """Take over baselines."""

    def touch(self) -> None:
        """Count everything as changed: the next save writes it all."""

    def save(self, parts: Parts) -> dict[str, Any]:
        """Put changed parts; the small rest is returned."""

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""


def witnesses(rows: TenantRows, column: str, most: int) -> tuple[str, ...]:
    """Distinct non-empty values of a column, at most so many, by name."""
    codes = sorted(set(rows.codes(column)[: most * 50].tolist()))
    values = rows.batch.values(column)
    found = {values[code].as_py() for code in codes[: most * 4]}
    return tuple(sorted(found - {""})[:most])
