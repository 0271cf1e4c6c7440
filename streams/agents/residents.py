"""Which tenants' states are in memory, and when those that are not need a look: least recently used ones leave first.

Between States and the states: bookkeeping only. Of a tenant that is set aside remain a moment, and what a state keeps
in memory alone; a hundred bytes or two. Must not know tables or what a state does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

from streams.analysis import TenantState
from streams.tenant import Fleeting

Place = tuple[int, str]
"""Partition and tenant."""


@dataclass(slots=True)
class Aside:
    """A tenant whose state is in the table alone. due: when time has to pass for it, Unix seconds; inf: never."""

    due: float
    fleeting: Fleeting = field(default_factory=Fleeting)


class Residents:
    """States in memory, at most so many once those that left have been written.

    Args:
        most: states to keep.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._live: OrderedDict[Place, TenantState] = OrderedDict()
        self._aside: dict[Place, Aside] = {}
        self._partitions: set[int] = set()

    def get(self, place: Place) -> TenantState | None:
        """A state in memory, now the one used last."""
        state = self._live.get(place)
        if state is not None:
            self._live.move_to_end(place)
        return state

    def enter(self, place: Place, state: TenantState, *, used: bool) -> None:
        """Keep a state; one that is here only for time to pass is among the first to leave."""
        self._live[place] = state
        self._partitions.add(place[0])
        if not used:
            self._live.move_to_end(place, last=False)
        self._aside.pop(place, None)

    def aside(self, place: Place) -> Aside | None:
        """What remained of a tenant set aside."""
        return self._aside.get(place)

    def set_aside(self, place: Place, aside: Aside) -> None:
        """Let a state go, or note a tenant whose state nobody asked for yet."""
        self._live.pop(place, None)
        self._partitions.add(place[0])
        self._aside[place] = aside

    def wake(self, tenant: str, *, always: bool) -> None:
        """Have a look at a tenant set aside as soon as possible; without always only if anything of it is open."""
        for partition in self._partitions:
            aside = self._aside.get((partition, tenant))
            if aside is not None and (always or aside.due < inf):
                aside.due = 0.0

    def due(self, now: float, most: int) -> list[Place]:
        """Tenants set aside for which time has to pass, at most so many, those due longest first."""
        found = sorted((aside.due, place) for place, aside in self._aside.items() if aside.due <= now)
        return [place for _, place in found[:most]]

    @property
    def crowded(self) -> bool:
        """Whether more states are in memory than should be."""
        return len(self._live) > self._most

    def leaving(self, partition: int) -> list[TenantState]:
        """States of a partition that have to leave."""
        excess = max(0, len(self._live) - self._most)
        first = [place for place, _ in zip(self._live, range(excess), strict=False)]
        return [self._live[place] for place in first if place[0] == partition]

    def of(self, tenant: str) -> Iterator[TenantState]:
        """States of a tenant in memory."""
        places = ((partition, tenant) for partition in self._partitions)
        return (self._live[place] for place in places if place in self._live)

    def states(self, partition: int | None = None) -> list[TenantState]:
        """States in memory, of one partition or all."""
        return [state for (at, _), state in self._live.items() if partition is None or at == partition]

    def forget(self, partitions: Iterable[int] | None) -> None:
        """Know nothing more of partitions, or of any."""
        gone = None if partitions is None else set(partitions)
        for known in (self._live, self._aside):
            for place in [place for place in known if gone is None or place[0] in gone]:
                del known[place]

    def __contains__(self, place: Place) -> bool:
        return place in self._live or place in self._aside

    def __len__(self) -> int:
        return len(self._live) + len(self._aside)
