"""Batches -> broker: per partition one on its way, sent again until it is acknowledged, so that order holds.

Stands behind publisher.py. A batch may arrive twice (acknowledgement lost); its sequences tell. Knows when the broker
is away and says so once. It must not know how batches are made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from resolver.lanes import Batch, Lane, halves

log = logging.getLogger(__name__)

_LATE = 3.0
_BACKOFF = (0.1, 2.0)


class UndeliveredError(Exception):
    """A message that was not acknowledged; it may be sent again."""


class TooLargeError(Exception):
    """A message the broker will never take because of its size."""


class Transport(Protocol):
    """Where messages go; see kafka.py."""

    async def start(self) -> int:
        """Connect and return the number of partitions of dns.events.

        Raises:
            UndeliveredError: when there is no broker or no topic yet.
        """

    async def send(self, partition: int, value: bytes) -> None:
        """Return once the message is acknowledged.

        Raises:
            UndeliveredError: when that did not happen in time.
            TooLargeError: when it never will.
        """

    def partitions(self) -> int:
        """Number of partitions of dns.events as last heard."""

    async def stop(self) -> None:
        """Disconnect."""


class Delivery:
    """The lanes of one worker and the tasks that empty them.

    Args:
        transport: where messages go.
        next_batch: the oldest of what a lane holds, as a batch; the lane holds something.
        settled: called with (bytes, events acknowledged, events given up) when a batch is done with.

    Attributes:
        reachable: whether the broker acknowledged last.
        trouble: why not, in one clause; empty while reachable.
    """

    def __init__(
        self,
        transport: Transport,
        next_batch: Callable[[Lane], Awaitable[Batch]],
        settled: Callable[[int, int, int], None],
    ) -> None:
        self._transport, self._next_batch, self._settled = transport, next_batch, settled
        self.reachable, self.trouble = False, "not connected yet"
        self._quiet = False
        self._lanes: dict[int, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._reopening: asyncio.TimerHandle | None = None

    @property
    def held(self) -> bool:
        """Whether messages are held back."""
        return not self._open.is_set()

    def hold(self, seconds: float) -> None:
        """Send nothing new for so many seconds or until resume(): the broker is about to be replaced."""
        self._open.clear()
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = asyncio.get_running_loop().call_later(seconds, self.resume)

    def resume(self) -> None:
        """Send again."""
        self._open.set()
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

    def lane(self, partition: int) -> Lane:
        """The lane of a partition."""
        return self._lanes.setdefault(partition, Lane(partition))

    def kick(self, lane: Lane) -> None:
        """Start emptying a lane unless that is going on."""
        if not lane.busy:
            lane.busy = True
            task = asyncio.create_task(self._drain(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait until every lane is empty, those that were filled and not started yet too."""
        self.resume()
        for lane in self._lanes.values():
            if lane.rows or lane.ready:
                self.kick(lane)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Give up what is on its way and disconnect."""
        self.resume()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._transport.stop()

    async def connect(self) -> int:
        """Connect, however long that takes, and return the number of partitions of dns.events."""
        backoff = _BACKOFF[0]
        while True:
            try:
                partitions = await self._transport.start()
            except UndeliveredError as error:
                self._away(str(error))
            else:
                self._back()
                return partitions
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, _BACKOFF[1])

    def partitions(self) -> int:
        """Number of partitions of dns.events as last heard."""
        return self._transport.partitions()

    async def _drain(self, lane: Lane) -> None:
        try:
            while lane.ready or lane.rows:
                await self._deliver(lane, await self._next_batch(lane))
        finally:
            lane.busy = False

    async def _deliver(self, lane: Lane, batch: Batch) -> None:
        """Send until acknowledged; cut a batch that is too large, give up a single event that is."""
        backoff = _BACKOFF[0]
        clock = asyncio.get_running_loop().time
        late = clock() + _LATE
        while True:
            await self._open.wait()
            try:
                await self._send(lane.partition, batch.value, late - clock())
            except UndeliveredError as error:
                if clock() >= late:  # a broker may refuse once and take the next attempt
                    self._away(str(error))
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, _BACKOFF[1])
            except TooLargeError:
                await self._deliver_cut(lane, batch)
                return
            else:
                break
        self._back()
        self._settled(len(batch.value), batch.count, 0)
        if batch.delivered is not None:
            batch.delivered()

    async def _deliver_cut(self, lane: Lane, batch: Batch) -> None:
        parts = halves(batch)
        if not parts:
            log.error(
                "an event of %d bytes is larger than the broker takes; it is dropped and counted", len(batch.value)
            )
            self._settled(len(batch.value), 0, batch.count)
            return
        self._settled(len(batch.value) - sum(len(part.value) for part in parts), 0, 0)
        for part in parts:
            await self._deliver(lane, part)

    async def _send(self, partition: int, value: bytes, patience: float) -> None:
        sending = asyncio.ensure_future(self._transport.send(partition, value))
        try:
            await asyncio.wait({sending}, timeout=max(patience, 0))
            if not sending.done():
                self._away(f"no acknowledgement within {_LATE:.0f} s")
            await sending
        finally:
            sending.cancel()

    def _away(self, reason: str) -> None:
        self.reachable, self.trouble = False, reason
        if not self._quiet:
            self._quiet = True
            log.warning("Kafka is away, events are kept in memory: %s", reason)

    def _back(self) -> None:
        self.reachable, self.trouble = True, ""
        if self._quiet:
            self._quiet = False
            log.warning("Kafka is back, events flow again")
