"""What a tenant's analysis is told by its operator, and what it hands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from schemas.detection_spec import Detection
from schemas.objects import Feedback, TenantSpec
from schemas.signals import Alert, ContextSignal, Overlay, Telemetry


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What the tenant's operator decided.

    internal: patterns of names its own servers resolve. detection: parameters of the detectors.
    """

    feedback: Feedback = field(default_factory=Feedback)
    internal: tuple[str, ...] = ()
    detection: Detection = field(default_factory=Detection)

    @classmethod
    def of(cls, spec: TenantSpec) -> TenantSettings:
        """Settings of a Tenant object."""
        internal = tuple(pattern for group in spec.upstreams for pattern in group.suffixes)
        spared = [*spec.detection.rebinding.exempt, *spec.rebinding.exempt]  # what the guard lets pass is no finding
        detection = replace(spec.detection, rebinding=replace(spec.detection.rebinding, exempt=spared))
        return cls(feedback=spec.feedback, internal=internal, detection=detection)


class Fleeting(NamedTuple):
    """What a state keeps in memory alone, and a table need not hold.

    busy_at: when it was given rows last, Unix seconds. told_at, standings: when its detectors' standing was told, and
    as what.
    """

    busy_at: float | None = None
    told_at: float = 0.0
    standings: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Findings:
    """What one call found, ready for its topics; every message may be sent again without harm."""

    telemetry: list[Telemetry] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    signals: list[ContextSignal] = field(default_factory=list)
    overlays: list[Overlay] = field(default_factory=list)
