"""What a tenant's limits on alerts held back, as a finding of its own: silence by limit must not look like peace.

For the book of alerts, which knows the limits.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from streams.detectors.finding import Finding

FLOOD = "alert_flood"


class Flood:
    """Counts alerts that were not opened, by detector, since the flood began."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._seen = 0.0
        self._untold = False

    def hold(self, finding: Finding) -> None:
        """Count a finding that opens no alert."""
        self._held[finding.detector] += 1
        self._seen, self._untold = max(self._seen, finding.seen), True

    def finding(self, limits: str) -> Finding | None:
        """What to tell, if anything was held back since the last call.

        Args:
            limits: which there are, in words.
        """
        if not self._untold:
            return None
        self._untold = False
        count = self._held.total()
        return Finding(
            detector=FLOOD,
            subject="tenant",
            severity="medium",
            reason=f"{count} findings opened no alert; {limits}",
            title=f"Too many alerts at once: {count} findings were held back",
            seen=self._seen,
            evidence={"held_back": count, **{f"held_back_{name}": number for name, number in self._held.items()}},
        )

    def over(self) -> None:
        """The alert about the flood closed: the next begins at nothing."""
        self._held.clear()

    def save(self) -> list[Any]:
        """Plain values for msgpack."""
        return [dict(self._held), self._seen, self._untold]

    def load(self, packed: list[Any]) -> None:
        """Inverse of save."""
        held, self._seen, self._untold = packed
        self._held = Counter(held)
