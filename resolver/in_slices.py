"""Long work on the event loop: slice after slice, with whatever else the loop has to do in between.

The driver of the generators that resolver/policy/steps.py describes. This module must not know what the work is.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TypeVar

from resolver.policy.steps import Steps

T = TypeVar("T")
TURN = 0.0001


async def in_slices(steps: Steps[T], turn: float = TURN) -> T:
    """Do the work of all slices, with whatever the loop has to do in between; the result.

    Args:
        steps: stops after each slice.
        turn: seconds until queries have their turn; a slice that was begun is done.
    """
    while True:
        due = perf_counter() + turn
        try:
            next(steps)
            while perf_counter() < due:
                next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # StopIteration does not know its type
        await asyncio.sleep(0)
