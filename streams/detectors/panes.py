"""Stretches of event time that are judged when they are over: the same findings however the events were cut.

Stands between a detector's update and its judgement. Must not know what is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.columns import TenantRows
from streams.distinct import close_together

LATE = 5.0
"""Seconds after its end in which a pane still takes events."""


@dataclass(slots=True)
class Panes:
    """Panes of `seconds`, by number (Unix seconds // seconds). open_from: the first that still takes events."""

    seconds: int
    open_from: int = 0

    def place(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Pane of each time; what comes too late counts in the first open one."""
        numbers: NDArray[np.int64] = np.maximum((times // self.seconds).astype(np.int64), self.open_from)
        return numbers

    def over(self, clock: float, waiting: Iterable[int]) -> list[int]:
        """Those of the waiting panes that are over, in order; they take no more events."""
        self.open_from = max(self.open_from, int((clock - LATE) // self.seconds))
        return sorted(number for number in waiting if number < self.open_from)


def by_pane(rows: TenantRows, seconds: int, earliest: int | None) -> Iterator[tuple[int, TenantRows]]:
    """(pane, its rows), panes rising, for who judges each pane when the next begins; late rows count in `earliest`."""
    if not len(rows):
        return
    panes = Panes(seconds, earliest or 0).place(rows.times)
    numbers = close_together(panes)
    if len(numbers) == 1:
        yield numbers[0], rows
        return
    for pane in numbers:
        yield pane, rows.only(panes == pane)
