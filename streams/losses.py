"""What resolvers could not publish, from the counters in the headers of their batches: by how much each rose.

A counter only rises within an epoch (the life of a resolver process), so a header may be heard any number of times.
Where a source was never heard of before, what it had lost until then is not told: nobody knows when that was. Bounded.
Must not know windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EPOCHS = 2
"""Of a source: its present life, and the one whose last counter may come late."""
SOURCES = 4096


class Losses:
    """Events dropped by source and epoch, as heard last."""

    def __init__(self) -> None:
        self.heard: dict[str, dict[int, int]] = {}

    def hear(self, source: str, epochs: Mapping[int, int]) -> int:
        """Take in counters of a source by epoch; how many more events were dropped than was known."""
        known = self.heard.get(source)
        if not epochs:
            return 0
        if known is None:
            self.heard[source] = dict(sorted(epochs.items())[-EPOCHS:])
            while len(self.heard) > SOURCES:
                del self.heard[next(iter(self.heard))]
            return 0
        rise = 0
        for epoch, dropped in sorted(epochs.items()):
            if epoch in known or epoch > max(known):
                rise += max(0, dropped - known.get(epoch, 0))
                known[epoch] = max(dropped, known.get(epoch, 0))
        while len(known) > EPOCHS:
            del known[min(known)]
        return rise

    def save(self) -> dict[str, Any]:
        """Plain values for msgpack."""
        return self.heard

    def load(self, heard: dict[str, Any]) -> None:
        """Inverse of save."""
        self.heard = heard
