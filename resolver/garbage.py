"""When the collector of reference cycles looks at what: often and at little, for everything stops meanwhile.

By itself it looks when more was made than freed. A full cache frees something old for everything new, so that what is
young can be half a million objects by then, and tens of milliseconds; here the clock decides. app.py starts it. This
module must not know what is made.
"""

from __future__ import annotations

import asyncio
import gc

PERIOD = 0.01
"""Seconds between looks at what was made since the last; at 1,000 misses a second some thousand objects, 50 µs."""
OLDER_TURNS = 4
"""What outlived one look is looked at once more, every so many."""


def settle() -> None:
    """Call when all that lives as long as the process is built: no collection looks at it again.

    A collection stops everything for a quarter of a millisecond per thousand objects it looks at: so few at a time, and
    all of them hardly ever. Little here is ever in a cycle.
    """
    gc.collect()
    gc.set_threshold(1_000, 4, 2_500)
    gc.freeze()


async def look_often() -> None:
    """Look at the young by the clock, until cancelled."""
    turn = 0
    while True:
        await asyncio.sleep(PERIOD)
        turn += 1
        gc.collect(0 if turn % OLDER_TURNS else 1)
