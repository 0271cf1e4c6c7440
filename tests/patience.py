"""How long tests wait for what must happen.

The machine that judges a change is slow and does other things too, so that what the product promises within a second or
two gets ten times as long there. Nothing waits longer than it must: tests poll. The promises themselves are measured by
`make bench`.
"""

from __future__ import annotations

PROCESS_S = 60.0
"""For a process to start or end, where its speed is not the subject."""


def patient(seconds: float) -> float:
    """Seconds to wait for what should take no more than so many."""
    return max(seconds, min(10 * seconds, PROCESS_S))
