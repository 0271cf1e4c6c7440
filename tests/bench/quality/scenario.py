"""What is played to the detectors: events in time order, and what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from schemas.events import QueryEvent
from streams.tenant import TenantSettings

Origin = Literal["capture", "live", "generated"]


@dataclass(frozen=True, slots=True)
class Incident:
    """What is bad in a scenario.

    detectors: of which one must find it. marks: domains or clients; an alert that names one of them is right.
    events: its own queries; bad `since` then, Unix seconds, 0 is from the first on. within: seconds in which it is to be found; 0 is no bar.
    """

    detectors: tuple[str, ...]
    marks: tuple[str, ...]
    events: tuple[QueryEvent, ...]
    within: float = 0.0
    since: float = 0.0

    @property
    def began(self) -> float:
        """Unix seconds from which it is bad."""
        return self.since or self.events[0].time.timestamp()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One play.

    background: makes the benign events, in any order. incident: None where all is benign.
    step: seconds of event time in one batch. rest: seconds that pass behind the last event.
    """

    name: str
    origin: Origin
    background: Callable[[], Sequence[QueryEvent]]
    incident: Incident | None = None
    settings: TenantSettings = field(default_factory=TenantSettings)
    step: float = 1.0
    rest: float = 120.0
