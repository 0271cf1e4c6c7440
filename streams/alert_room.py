"""Whether a tenant's book has room for one more alert: a limit on all, and in it places that are a detector's own.

For the book of alerts, so that neither people nor topics drown in what a detector gone wild finds, and no other
detector falls silent because of it: what it holds and opens up to its own share is never refused. Must not know alerts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from streams.flood import FLOOD

MOST_OPEN, MOST_NEW = 500, 100
"""Alerts open at once, and opened in a minute, beyond which a detector has its own share only."""
OWN_OPEN, OWN_NEW = 50, 10
"""The same of each detector, whatever the others fill."""
UNLIMITED = frozenset({"feedback", FLOOD})
"""What tells that a detector went wild must not drown in it; their subjects are detectors, so they are few."""
LIMITS = (
    f"at most {MOST_NEW} open in a minute, and {MOST_OPEN} stay open; "
    f"beyond that each detector has {OWN_NEW} and {OWN_OPEN} of its own"
)
_MINUTE = 60.0


class Room:
    """Counts of open alerts by detector, and when those of the last minute opened (event time, Unix seconds)."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._recent: dict[str, list[float]] = {}

    def admits(self, detector: str, seen: float) -> bool:
        """Whether an alert of this detector may open now."""
        since = seen - _MINUTE
        recent = {name: [at for at in times if at > since] for name, times in self._recent.items()}
        self._recent = {name: times for name, times in recent.items() if times}
        new, mine = sum(map(len, self._recent.values())), len(self._recent.get(detector, ()))
        stays = self._open.total() < MOST_OPEN or self._open[detector] < OWN_OPEN
        return detector in UNLIMITED or (stays and (new < MOST_NEW or mine < OWN_NEW))

    def enter(self, detector: str, seen: float) -> None:
        """An alert opens."""
        self._open[detector] += 1
        self._recent.setdefault(detector, []).append(seen)

    def leave(self, detector: str) -> None:
        """An alert closes."""
        self._open[detector] -= 1

    def save(self) -> dict[str, list[float]]:
        """When those of the last minute opened; what is open the book knows."""
        return self._recent

    def load(self, recent: Any) -> None:  # noqa: ANN401 - plain values
        """Inverse of save; a state that was written before detectors were told apart is of a minute long over."""
        self._recent = recent if isinstance(recent, dict) else {}

    def hold(self, detectors: Iterable[str]) -> None:
        """The alerts that are open, by their detector."""
        self._open = Counter(detectors)
