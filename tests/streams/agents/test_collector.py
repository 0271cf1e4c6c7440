"""Gathering, storing, acknowledging: nothing is acknowledged before it is stored, nothing is lost by waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from streams.agents.collector import Collector, Item, Limits, pause
from streams.warehouse import AwayError
from tests.patience import PROCESS_S


class Shelf:
    """Stores in a list; fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.attempts, self.forgotten = failures, 0, 0
        self.stored: list[int] = []
        self.acknowledged: list[int] = []
        self.sizes: list[int] = []
        self.open = asyncio.Event()
        self.open.set()

    async def store(self, items: Sequence[Item]) -> None:
        """All or none."""
        self.attempts += 1
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise AwayError("the shelf is away")
        self.stored += [item.event for item in items]
        self.sizes.append(len(items))

    async def acknowledge(self, event: int) -> None:
        """Only what is stored."""
        assert event in self.stored
        self.acknowledged.append(event)

    def forget(self) -> None:
        """Called after failures."""
        self.forgotten += 1

    def collector(self, seconds: float = 0.01, rows: int = 10) -> Collector:
        """Over this shelf."""
        return Collector("things", self.store, uncertain=self.forget, limits=Limits(seconds, rows))

    def item(self, number: int, rows: int = 1) -> Item:
        """One thing."""
        return Item(number, rows, self.acknowledge)


async def until(condition: object) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PROCESS_S):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - conditions of all kinds
            await asyncio.sleep(0.005)


async def run(collector: Collector) -> asyncio.Task[None]:
    """Start it."""
    return asyncio.create_task(collector.run())


async def end(task: asyncio.Task[None]) -> None:
    """Cancel it."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_things_are_stored_in_order_then_acknowledged() -> None:
    """Many in one storing, never more rows than allowed."""
    shelf = Shelf()
    collector = shelf.collector(seconds=0.05)
    task = await run(collector)
    for number in range(25):
        await collector.put(shelf.item(number, rows=2))
    await until(lambda: len(shelf.acknowledged) == 25)
    await end(task)
    assert shelf.acknowledged == shelf.stored == list(range(25))
    assert shelf.sizes == [5] * 5


async def test_a_failure_is_repeated_until_it_works(caplog: pytest.LogCaptureFixture) -> None:
    """Said once when it begins and once when it is over."""
    shelf = Shelf(failures=3)
    collector = shelf.collector()
    task = await run(collector)
    await collector.put(shelf.item(1))
    await until(lambda: collector.away)
    await until(lambda: shelf.acknowledged == [1])
    await end(task)
    assert (shelf.attempts, shelf.forgotten, collector.away) == (4, 3, "")
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "things: cannot store, repeating until it works: the shelf is away",
        "things: stores again after 3 attempts",
    ]


async def test_a_full_queue_holds_the_agent_back() -> None:
    """So that Kafka keeps what the database cannot take."""
    shelf = Shelf()
    shelf.open.clear()
    collector = shelf.collector(rows=1)
    task = await run(collector)
    feeding = asyncio.create_task(feed(collector, shelf, 200))
    await until(lambda: shelf.attempts == 1)
    await asyncio.sleep(0)
    assert not feeding.done()
    shelf.open.set()
    await until(lambda: len(shelf.acknowledged) == 200)
    await feeding
    await end(task)


async def feed(collector: Collector, shelf: Shelf, count: int) -> None:
    """Put many."""
    for number in range(count):
        await collector.put(shelf.item(number))


async def test_what_waits_is_dropped_when_partitions_change_hands() -> None:
    """What is being stored is finished first; the rest comes again from Kafka."""
    shelf = Shelf()
    shelf.open.clear()
    collector = shelf.collector(rows=1)
    task = await run(collector)
    for number in range(5):
        await collector.put(shelf.item(number))
    await until(lambda: shelf.attempts == 1)
    dropping = asyncio.create_task(collector.drop())
    await asyncio.sleep(0.01)
    assert not dropping.done()
    shelf.open.set()
    await dropping
    await until(lambda: shelf.acknowledged == [0])
    assert shelf.forgotten == 2
    await end(task)
    assert shelf.stored == [0]


def test_pauses_double_up_to_ten_seconds_and_are_spread() -> None:
    """Between half and all of the step."""
    assert [pause(attempt, 1.0) for attempt in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert pause(1, 0.0) == 0.2
    assert pause(10_000, 0.5) == 7.5


async def test_the_end_lets_a_storing_finish_and_begins_no_other() -> None:
    """What is being stored is acknowledged, too; what waits is left for the next start."""
    shelf = Shelf()
    collector = shelf.collector(rows=1)
    shelf.open.clear()
    task = await run(collector)
    await collector.put(shelf.item(1))
    await until(lambda: shelf.attempts == 1)
    await collector.put(shelf.item(2))
    ending = asyncio.create_task(collector.finish())
    await asyncio.sleep(0)
    assert not ending.done()
    shelf.open.set()
    async with asyncio.timeout(PROCESS_S):
        await ending
        await task
    assert shelf.acknowledged == [1]
    assert shelf.attempts == 1
