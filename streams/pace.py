"""When analytics takes in what waits, and when it makes a checkpoint: larger turns and fewer checkpoints under load.

A turn costs by tenant as much as by event, so that turns that hold more cost less an event. Here too is how a tenant's
time passes. Pure: times in, times out; the agents wait. Must not know what a turn does.
"""

from __future__ import annotations

from dataclasses import dataclass

HELD, HELD_MOST = 0.05, 2.0
"""Seconds batches wait for others: at least, and at most under load."""
HELD_TURNS = 4
"""Under load batches wait so many times what the last turn took."""
ROWS = 300_000
"""Rows that are taken in at once, however long they waited: what bounds the memory of a turn."""
SPREAD = 600.0
"""Seconds of event time of a partition that are taken in at once. A backlog of few events a minute costs by its minutes
(SPAN), and what a turn found is told at its end: without an end the worker would be deaf for a minute."""
SPAN = 60.0
"""Seconds of event time a tenant takes in at once: a backlog is judged as its events happened, not as one lump."""
AHEAD = 5.0
"""Seconds an event's time may be ahead of processing time; what is further ahead counts as this."""
FAR = 600.0
"""Seconds behind processing time from which events are taken to be of another time."""
EVERY, OPEN_EVERY = 5.0, 60.0
"""Seconds between looks at a state in memory, and at one set aside while an alert or entry is open: orders may end."""
CHECKPOINT_TIMES, CHECKPOINT_MOST = 5, 10.0
"""Checkpoints are apart by so many times what the last took, but for this at most so many seconds."""


@dataclass(slots=True)
class Pace:
    """What the last turn and the last checkpoint took, seconds of processor time.

    checkpoint_seconds: what they are apart by at least, as configured.
    """

    checkpoint_seconds: float = 1.0
    turn: float = 0.0
    checkpoint: float = 0.0

    def hold(self) -> float:
        """Seconds until the next turn."""
        return min(max(HELD, self.turn * HELD_TURNS), HELD_MOST)

    def checkpoint_due(self, since: float) -> bool:
        """Whether one is due, so many seconds after the last."""
        return since >= max(self.checkpoint_seconds, min(self.checkpoint * CHECKPOINT_TIMES, CHECKPOINT_MOST))
