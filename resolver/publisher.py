"""Query events -> Kafka: bounded buffers, batches, acknowledgements, exact counts of what was lost.

Stands behind the answer: ``offer`` is called when the answer has already been handed to the socket; it never waits and
never raises. Everything else runs in tasks of its own. It must not know how an answer was found.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from resolver.buffer import EventBuffer, Offer
from resolver.counters import Counters
from resolver.delivery import Delivery, Transport
from resolver.in_slices import in_slices
from resolver.lanes import Batch, Lane, encode, encode_counters
from resolver.rows import Rows, Template, cut, split
from resolver.tally import Tally
from schemas.batches import BatchHeader
from schemas.topics import partition_of

__all__ = ["Limits", "Publisher", "Template"]

log = logging.getLogger(__name__)

_HEARTBEAT = 1.0
_TICKS = 10
_TURN = 0.00002
"""Seconds a batch is encoded until queries have their turn: it goes on at a hundredth of the time, where p99 looks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a publisher.

    Args:
        flush_ms: milliseconds an event waits at most before it is cut into a batch.
        batch_events: events of one batch at most.
        max_events, max_bytes: bounds of everything not acknowledged yet; beyond, events are dropped and counted.
    """

    flush_ms: int = 250
    batch_events: int = 2000
    max_events: int = 200_000
    max_bytes: int = 16 * 2**20


class Publisher:
    """Publishes the events of one worker.

    Args:
        counters: cells of this worker's epoch.
        source: name of the worker slot.
        transport: where messages go.
        limits: bounds.

    Attributes:
        offer: takes one event or drops and counts it; see EventBuffer.offer.
        buffer: where it goes.
        tally: what the events taken from there say about queries.
        slow: events offered through `offer_slow`.
        delivery: how batches leave, and whether they do.
    """

    offer: Offer

    def __init__(self, counters: Counters, source: str, transport: Transport, limits: Limits) -> None:
        self.counters, self._source, self.limits = counters, source, limits
        self.buffer = EventBuffer(
            counters.offered, counters.dropped, max_events=limits.max_events, max_bytes=limits.max_bytes
        )
        self.offer = self.buffer.offer
        self.tally = Tally()
        self.slow = 0
        self.delivery = Delivery(transport, self._next_batch, self._settled)
        self._killed = counters.predecessors()
        self._partitions = 0
        self._collected: deque[Rows] = deque()
        self._unrouted: deque[Rows] = deque()
        self._running: asyncio.Task[None] | None = None
        self._sequence = 0
        self._encoding = asyncio.Lock()
        self._said = (0, 0, 0)

    def offer_slow(self, template: Template, time_ns: int, latency_us: int, upstream_us: int = 0) -> None:
        """The same as `offer`, for events from anywhere but the fast path; the difference is the fast path's share."""
        self.slow += 1
        self.buffer.offer(template, time_ns, latency_us, upstream_us)

    async def run(self) -> None:
        """Publish until cancelled or closed."""
        self._running = asyncio.current_task()
        await asyncio.gather(self._flushing(), self._speaking())

    async def close(self, seconds: float) -> int:
        """Publish what is left and the last word about this epoch, in bounded time.

        Returns:
            events that were not acknowledged in that time; the successor's closing word accounts for them.
        """
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._finish()
        await self.delivery.stop()
        self.counters.close()
        return self.buffer.held()

    async def _finish(self) -> None:
        if not self._partitions:
            self._partitions = await self.delivery.connect()
        self._close_predecessors()
        await self._collect()
        await self._route()
        await self.delivery.finish()
        self._say(self._header(closed=True), partial(self.counters.forget, self.counters.epoch))
        await self.delivery.finish()

    async def _speaking(self) -> None:
        """Connect, say the last word for killed predecessors, then speak when counters changed without a batch."""
        self._partitions = await self.delivery.connect()
        self._close_predecessors()
        while True:
            await asyncio.sleep(_HEARTBEAT)
            self._partitions = max(self._partitions, self.delivery.partitions())
            if self._said != self._counts() and not self.delivery.lane(0).busy:
                self._say(self._header())

    def _close_predecessors(self) -> None:
        """Say the last word about epochs of killed workers, once."""
        for old in self._killed:
            header = BatchHeader(
                source=self._source,
                epoch=old.epoch,
                first_sequence=0,
                count=0,
                partition=0,
                closed=True,
                offered=old.offered,
                dropped=old.dropped,
                acknowledged=old.acknowledged,
            )
            self._say(header, partial(self.counters.forget, old.epoch))
        self._killed = []

    async def _flushing(self) -> None:
        """Cut batches every flush_ms, or sooner when one is full."""
        while True:
            for _ in range(_TICKS):
                await asyncio.sleep(self.limits.flush_ms / 1000 / _TICKS)
                if len(self.buffer) >= self.limits.batch_events:
                    break
            if self._partitions or len(self.buffer) >= self.limits.batch_events:
                await self._collect()
            if self._partitions:
                await self._route()

    async def _collect(self) -> None:
        """Take what is in the buffer and count it, a piece at a time: queries are answered between them."""
        if len(self.buffer):
            self._collected.extend(cut(self.buffer.take(), self.limits.batch_events))
        while self._collected:
            await asyncio.sleep(0)
            await in_slices(self.tally.adding(self._collected[0]), _TURN)
            self._unrouted.append(self._collected.popleft())

    async def _route(self) -> None:
        """Hand what was collected to the lanes of its partitions, one at a time: queries are answered between them."""
        while self._unrouted:
            await asyncio.sleep(0)
            rows, lanes = self._unrouted.popleft(), []
            for partition, part in split(rows, lambda tenant: partition_of(tenant, self._partitions)).items():
                lane = self.delivery.lane(partition)
                lane.add(part)
                lanes.append(lane)
            for lane in lanes:
                if lane.busy and lane.waiting >= self.limits.batch_events:
                    await self._encode_ahead(lane)
                self.delivery.kick(lane)
                await asyncio.sleep(0)

    async def _next_batch(self, lane: Lane) -> Batch:
        if not lane.ready:
            async with self._encoding:
                if not lane.ready:  # nobody encoded ahead meanwhile
                    return await self._encode(lane)
        return lane.ready.popleft()

    async def _encode_ahead(self, lane: Lane) -> None:
        async with self._encoding:
            if lane.waiting >= self.limits.batch_events:  # its turn to be sent did not come meanwhile
                lane.ready.append(await self._encode(lane))

    async def _encode(self, lane: Lane) -> Batch:
        """One batch at a time over all lanes: rows leave their lane, and sequences are given, in one order."""
        rows = lane.next_rows(self.limits.batch_events)
        try:
            encoding = encode(self._header(partition=lane.partition, count=len(rows)), rows)
            batch = await in_slices(encoding, _TURN)
        except asyncio.CancelledError:
            lane.put_back(rows)
            raise
        except (ValueError, TypeError, OverflowError, pa.ArrowException):
            log.exception("%d events that cannot be encoded are dropped and counted", len(rows))
            self._settled(rows.weight, 0, len(rows))
            value = encode_counters(self._header(partition=lane.partition))
            self.buffer.account(len(value))
            return Batch(value, 0)
        self._sequence += len(rows)
        self.buffer.account(len(batch.value) - rows.weight)
        return batch

    def _settled(self, size: int, acknowledged: int, given_up: int) -> None:
        self.counters.acknowledged.value += acknowledged
        self.counters.dropped.value += given_up
        self.buffer.release(acknowledged + given_up, size)

    def _counts(self) -> tuple[int, int, int]:
        return self.counters.offered.value, self.counters.dropped.value, self.counters.acknowledged.value

    def _header(self, *, partition: int = 0, count: int = 0, closed: bool = False) -> BatchHeader:
        self._said = offered, dropped, acknowledged = self._counts()
        return BatchHeader(
            source=self._source,
            epoch=self.counters.epoch,
            first_sequence=self._sequence,
            count=count,
            partition=partition,
            offered=offered,
            dropped=dropped,
            acknowledged=acknowledged,
            closed=closed,
        )

    def _say(self, header: BatchHeader, delivered: Callable[[], None] | None = None) -> None:
        """Queue a message that only carries counters."""
        value = encode_counters(header)
        self.buffer.account(len(value))
        lane = self.delivery.lane(header.partition)
        lane.ready.append(Batch(value, 0, delivered))
        self.delivery.kick(lane)
