"""Many records -> one storing: gathers what agents hand over, stores it, acknowledges only then.

Between the sink's agents and the warehouse; waits while the database is away. Offsets of what is not stored are never
committed, so Kafka keeps the rest.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.warehouse import WarehouseError

_LOG = logging.getLogger(__name__)
_FIRST_S, _LONGEST_S = 0.2, 10.0
_WAITING = 64
_LAST_S = 4.0


Acknowledge = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Gather for so many seconds, or until so many rows are there."""

    seconds: float
    rows: int


@dataclass(frozen=True, slots=True)
class Item:
    """One record on its way: the Faust event, how many rows it holds, how to acknowledge it."""

    event: Any
    rows: int
    acknowledge: Acknowledge


def pause(attempt: int, chance: float) -> float:
    """Seconds before repeating for the attempt-th time (from 0): doubling up to 10 s, spread by chance in [0, 1)."""
    return min(_LONGEST_S, _FIRST_S * 2.0 ** min(attempt, 16)) * (0.5 + chance / 2)


class Collector:
    """One bounded queue and the task that empties it.

    Args:
        name: in log lines.
        store: stores items, all or none; WarehouseError means: again, later.
        uncertain: called after every failed attempt.
        limits: of gathering.
    """

    def __init__(
        self,
        name: str,
        store: Callable[[Sequence[Item]], Awaitable[None]],
        *,
        uncertain: Callable[[], None],
        limits: Limits,
    ) -> None:
        self._name, self._store, self._uncertain = name, store, uncertain
        self._limits = limits
        self._queue: asyncio.Queue[Item] = asyncio.Queue(_WAITING)
        self._storing, self._over = asyncio.Lock(), False
        self.away = ""

    async def put(self, item: Item) -> None:
        """Hand over one record; waits while 64 are waiting already."""
        await self._queue.put(item)

    async def drop(self) -> None:
        """Forget what is not being stored yet - it will come again - and wait for what is, five seconds at most."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._uncertain()
        if not self.away:
            try:
                async with asyncio.timeout(5), self._storing:
                    self._uncertain()
            except TimeoutError:
                _LOG.warning("%s: an insert still runs while partitions change hands", self._name)

    async def finish(self) -> None:
        """Let what is being stored be stored and acknowledged, and take in nothing more; what waits will come again."""
        if not self.away:
            try:
                async with asyncio.timeout(_LAST_S), self._storing:
                    pass
            except TimeoutError:
                _LOG.warning("%s: an insert still runs at the end; what it stores is not stored again", self._name)
        self._over = True

    async def run(self) -> None:
        """Gather, store, acknowledge, until finished."""
        while True:
            items = await self._gather()
            async with self._storing:
                if self._over:
                    return
                await self._insist(items)
                for item in items:
                    await item.acknowledge(item.event)

    async def _gather(self) -> list[Item]:
        items = [await self._queue.get()]
        rows, deadline = items[0].rows, asyncio.get_running_loop().time() + self._limits.seconds
        while rows < self._limits.rows:
            try:
                async with asyncio.timeout_at(deadline):
                    item = await self._queue.get()
            except TimeoutError:
                break
            items.append(item)
            rows += item.rows
        return items

    async def _insist(self, items: Sequence[Item]) -> None:
        attempt = 0
        while True:
            try:
                await self._store(items)
            except WarehouseError as error:
                self._uncertain()
                if str(error) != self.away:
                    self.away = str(error)
                    _LOG.warning("%s: cannot store, repeating until it works: %s", self._name, error)
                await asyncio.sleep(pause(attempt, random.random()))
                attempt += 1
            else:
                if self.away:
                    _LOG.warning("%s: stores again after %d attempts", self._name, attempt)
                    self.away = ""
                return
