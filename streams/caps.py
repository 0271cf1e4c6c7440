"""How much of a tenant's policy detectors may change: entries in force, of one detector, and new ones an hour.

So that a detector gone wrong changes at most what its cap allows; what it wanted beyond is counted and told. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from schemas.objects import Feedback
from schemas.signals import OverlayEntry
from streams.detectors.finding import Finding

HOUR = 3600.0
DETECTOR = "feedback"
"""Name under which a reached cap is told as a finding."""


class Caps:
    """The caps of one tenant, and who ran into them."""

    def __init__(self) -> None:
        self._made: list[float] = []
        self._held_back: Counter[str] = Counter()
        self._why: dict[str, str] = {}

    def obstacle(self, entries: Iterable[OverlayEntry], detector: str, feedback: Feedback, now: float) -> str:
        """Why no further entry of a detector may be made; empty when one may. A refusal is counted."""
        in_force = [entry.detector for entry in entries]
        self._made = [at for at in self._made if at > now - HOUR]
        caps = (
            (len(in_force), feedback.max_entries, "entries (feedback.maxEntries)"),
            (in_force.count(detector), feedback.max_entries_per_detector,
             f"entries of {detector} (feedback.maxEntriesPerDetector)"),
            (len(self._made), feedback.max_new_per_hour, "new entries an hour (feedback.maxNewPerHour)"),
        )  # fmt: skip
        for count, most, what in caps:
            if count >= most:
                self._held_back[detector] += 1
                self._why[detector] = f"the cap of {most} {what} is reached"
                return self._why[detector]
        return ""

    def made(self, now: float) -> None:
        """A new entry is in force."""
        self._made.append(now)

    def complaints(self, clock: float) -> list[Finding]:
        """One finding for each detector that was held back since the last call."""
        held, self._held_back = self._held_back, Counter()
        return [
            Finding(
                detector=DETECTOR,
                subject=detector,
                severity="medium",
                reason=f"{self._why[detector]}; {count} more were asked for",
                title=f"Detector {detector} wants more policy entries than its cap allows",
                seen=clock,
                evidence={"held_back": count, "cap": self._why[detector]},
            )
            for detector, count in sorted(held.items())
        ]

    def save(self) -> list[float]:
        """Plain values for msgpack."""
        return self._made

    def load(self, made: list[float]) -> None:
        """Inverse of save."""
        self._made = made
