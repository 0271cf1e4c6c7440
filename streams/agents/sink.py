"""Agents of the sink: every record of dns.events and of the signal topics into the warehouse, exactly once.

Records are handed to collectors; a record that cannot be read, or that the database will never take, goes to dns.dead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from faust.types import AppT, EventT, StreamT

from schemas.batches import BatchError, BatchHeader
from schemas.signals import encode_signal
from schemas.topics import DEAD, EVENTS
from streams.agents import topic_of
from streams.agents.collector import Acknowledge, Collector, Item, Limits
from streams.agents.crew import Crew
from streams.agents.housekeeping import keep_house
from streams.agents.status import serve_status, standing
from streams.codec import dead_letter, read_batch
from streams.config import WorkerSettings
from streams.warehouse import DataError, Warehouse
from streams.warehouse.event_store import Batch, EventStore
from streams.warehouse.signal_rows import Record
from streams.warehouse.signal_tables import KEPT_TOMBSTONES, SIGNAL_TABLES

_LOG = logging.getLogger(__name__)


class Sink:
    """What the sink's agents share: collectors over one warehouse.

    Args:
        warehouse: asked in threads.
        dead: sends a dead letter: ``await dead(value)``.
        crew: of the app.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        settings: WorkerSettings,
        dead: Callable[[bytes], Awaitable[Awaitable[object]]],
        crew: Crew,
    ) -> None:
        self._warehouse, self._dead, self.crew = warehouse, dead, crew
        self.buried = 0
        self.events_store = EventStore(warehouse)
        limits = Limits(settings.batch_seconds, settings.batch_rows)
        self.events = Collector("query events", self._store_events, uncertain=self.events_store.forget, limits=limits)
        self.signals = Collector("signals", self._store_signals, uncertain=lambda: None, limits=limits)

    async def take_events(self, event: EventT, acknowledge: Acknowledge) -> None:
        """One record of dns.events."""
        try:
            batch = read_batch(event.value)
        except BatchError as error:
            await self.bury(event, error)
            await acknowledge(event)
            return
        await self.events.put(Item((event, batch), max(1, batch[0].count), lambda pair: acknowledge(pair[0])))

    async def finish(self) -> None:
        """End the tasks between two inserts, before producer and consumer close."""
        await asyncio.gather(self.events.finish(), self.signals.finish())
        await self.crew.dismiss()

    async def bury(self, event: EventT, error: object) -> None:
        """Say on dns.dead what cannot be stored, and why; waits until the broker has it."""
        message = event.message
        self.buried += 1
        _LOG.warning(
            "%s/%d offset %d goes to %s: %s", message.topic, message.partition, message.offset, DEAD.name, error
        )
        letter = dead_letter(
            message.topic, message.partition, message.offset, error=error, value=event.value, now=datetime.now(UTC)
        )
        # Cancelled while it waits, it must leave the message alone: Faust answers a cancelled one with a traceback.
        await asyncio.shield(await self._dead(encode_signal(letter)))

    async def _store_events(self, items: Sequence[Item]) -> None:
        batches = [item.event[1] for item in items]
        try:
            await asyncio.to_thread(self._deposit, batches)
        except DataError:
            self.events_store.forget()
            for item in items:
                await self._store_alone(item)

    async def _store_alone(self, item: Item) -> None:
        event, batch = item.event
        try:
            await asyncio.to_thread(self._deposit, [batch])
        except DataError as error:
            await self.bury(event, error)
            await asyncio.to_thread(self.events_store.note, [batch[0]], datetime.now(UTC))

    def _deposit(self, batches: Sequence[Batch]) -> None:
        self.events_store.store(batches)
        headers: list[BatchHeader] = [header for header, _ in batches]
        self.events_store.note(headers, datetime.now(UTC))

    async def _store_signals(self, items: Sequence[Item]) -> None:
        by_topic: dict[str, list[EventT]] = {}
        for item in items:
            by_topic.setdefault(item.event.message.topic, []).append(item.event)
        for topic, events in by_topic.items():
            try:
                await asyncio.to_thread(self._insert_signals, topic, events)
            except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, DataError):
                for event in events:
                    await self._signal_alone(topic, event)

    async def _signal_alone(self, topic: str, event: EventT) -> None:
        try:
            await asyncio.to_thread(self._insert_signals, topic, [event])
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, DataError) as error:
            await self.bury(event, error)

    def _insert_signals(self, topic: str, events: Sequence[EventT]) -> None:
        table = SIGNAL_TABLES[topic]
        records = [_record(event) for event in events if event.value is not None or topic in KEPT_TOMBSTONES]
        if records:
            self._warehouse.insert_arrow(table.name, table.rows(records))


def _record(event: EventT) -> Record:
    message = event.message
    return Record(
        key=(event.key or b"").decode(), value=event.value, time_ms=int(message.timestamp * 1000), offset=message.offset
    )


def register(app: AppT, settings: WorkerSettings, warehouse: Warehouse) -> Sink:
    """Put the sink's agents and tasks on a Faust app."""
    dead = topic_of(app, DEAD.name)
    sink = Sink(warehouse, settings, lambda value: dead.send(value=value), Crew(app))

    async def store_events(stream: StreamT) -> None:
        source = stream.noack()
        async for event in source.events():
            await sink.take_events(event, source.ack)

    async def store_signals(stream: StreamT) -> None:
        source = stream.noack()
        async for event in source.events():
            await sink.signals.put(Item(event, 1, source.ack))

    async def let_go(*_: object, **__: object) -> None:
        await sink.events.drop()
        await sink.signals.drop()

    def page() -> dict[str, Any]:
        return {
            **standing(app),
            "stored": sink.events_store.stored,
            "buried": sink.buried,
            "warehouse": sink.events.away or sink.signals.away or "ok",
        }

    app.agent(topic_of(app, EVENTS.name), name="store-events")(store_events)
    app.agent(topic_of(app, *SIGNAL_TABLES), name="store-signals")(store_signals)
    app.on_partitions_revoked.connect(let_go)
    sink.crew.enlist(sink.events.run)
    sink.crew.enlist(sink.signals.run)
    sink.crew.enlist(lambda: keep_house(settings.warehouse))
    serve_status(app, settings, page)
    return sink
