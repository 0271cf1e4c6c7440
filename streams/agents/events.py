"""Agents of analytics: batches of query events -> the states of their tenants -> telemetry, alerts, signals, overlays.

An agent takes batches and holds them a moment; a task updates the states with all that came, in memory, and sends what
was found. The checkpoint writes changed states to the table once for many batches, waits until the broker has them, and
only then acknowledges the batches.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from faust import streams as faust_streams
from faust.types import AppT, EventT, StreamT, TableT

from schemas.batches import BatchError
from schemas.topics import EVENTS, partition_of
from streams.agents import topic_of
from streams.agents.collector import Acknowledge
from streams.agents.findings import Outputs
from streams.agents.policy import follow_settings
from streams.agents.states import Learnt, States, tenants_of
from streams.agents.status import serve_status, standing
from streams.analysis import TenantSettings
from streams.codec import read_batch
from streams.config import WorkerSettings
from streams.warehouse import Warehouse, WarehouseError, learnt

_LOG = logging.getLogger(__name__)
_TICK_S = 1.0
_PATIENCE_S = 10.0
# Batches of so many seconds, or so many rows of a partition, are taken in together.
_HELD_S = 0.05
_HELD_ROWS = 20_000


class Analytics:
    """What the agents and tasks of analytics share.

    Args:
        app: Faust's. table: of the states. partitions: of dns.events.
        warehouse: durable memory, or None.
    """

    def __init__(
        self,
        app: AppT,
        table: TableT[bytes, bytes],
        settings: WorkerSettings,
        *,
        partitions: int,
        warehouse: Warehouse | None,
    ) -> None:
        self._app, self._table, self._settings, self._partitions = app, table, settings, partitions
        self._warehouse = warehouse
        self.states, self.outputs = States(table), Outputs(app)
        self.prepared = asyncio.Event()
        self.events = 0
        self._last: dict[int, EventT] = {}
        self._unwritten: dict[int, list[EventT]] = {}

    async def take(self, event: EventT) -> None:
        """One record of dns.events; a bad one is skipped here, the sink tells dns.dead."""
        await self.prepared.wait()
        partition, waiting = event.message.partition, 0
        try:
            header, columns = read_batch(event.value)
            if header.count:
                self.events += header.count
                waiting = self.states.hold(partition, columns)
        except BatchError as error:
            _LOG.warning("%s/%d offset %d: %s", EVENTS.name, partition, event.message.offset, error)
        self._last[partition] = event
        self._unwritten.setdefault(partition, []).append(event)
        if waiting >= _HELD_ROWS:
            await self.digest()

    async def digest(self) -> None:
        """Update states with the batches that wait, and tell what was found."""
        await self.outputs.send(self.states.digest(time.time()))

    async def gather(self) -> None:
        """Digest what came, several times a second."""
        while True:
            await asyncio.sleep(_HELD_S)
            if not (self._app.rebalancing or self._app.in_recovery):
                await self.digest()

    async def checkpoint(self, acknowledge: Acknowledge) -> None:
        """Write changed states and acknowledge the batches they contain."""
        found, unwritten = self.states.digest(time.time()), self._unwritten
        contained = {partition: len(events) for partition, events in unwritten.items()}
        await self.outputs.send(found)
        if self._unwritten is not unwritten:
            return  # partitions changed hands meanwhile
        # What was taken while findings were sent belongs to the next checkpoint.
        done = [event for partition, count in contained.items() for event in unwritten[partition][:count]]
        self._unwritten = {partition: events[contained.get(partition, 0) :] for partition, events in unwritten.items()}
        for partition, event in self._last.items():
            with _within(event):
                self.states.write(partition)
        await self.outputs.settled()
        await self._app.producer.flush()
        for event in done:
            await acknowledge(event)

    def let_go(self) -> None:
        """Partitions change hands: what is not written will be replayed to whoever gets them."""
        self.states.forget()
        self._last, self._unwritten = {}, {}

    async def prepare(self) -> None:
        """Know what was learnt and who the tenants are before the first event; without them after ten seconds."""
        known = asyncio.Event()
        self._app.add_future(follow_settings(self._settings.kafka.bootstrap, self._configured, known))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if self._warehouse is not None:
                    self.states.learnt = await asyncio.to_thread(_recall, self._warehouse)
                await known.wait()
        except (TimeoutError, WarehouseError) as error:
            _LOG.warning("starting without all that was learnt before: %s", error or "no answer in time")
        self.open()
        self.prepared.set()

    def open(self) -> None:
        """Load every tenant's state of the assigned partitions, for time to pass in it."""
        mine = {place.partition for place in self._app.consumer.assignment() if place.topic == EVENTS.name}
        tenants = tenants_of(self._table.keys()) | self.states.learnt.tenants
        for tenant in tenants:
            if (partition := partition_of(tenant, self._partitions)) in mine:
                self.states.open(partition, [tenant], time.time())

    async def pass_time(self, acknowledge: Acknowledge) -> None:
        """Every second: close idle windows, expire entries; write at checkpoints."""
        await self.prepare()
        written = time.monotonic()
        while True:
            await asyncio.sleep(min(_TICK_S, self._settings.checkpoint_seconds))
            if self._app.rebalancing or self._app.in_recovery:
                continue
            if not len(self.states):
                self.open()
            await self.digest()
            await self.outputs.send(self.states.tick(time.time()))
            if time.monotonic() - written >= self._settings.checkpoint_seconds:
                await self.checkpoint(acknowledge)
                written = time.monotonic()

    async def remember(self) -> None:
        """Tell the warehouse from time to time what was learnt."""
        while self._warehouse is not None:
            await asyncio.sleep(self._settings.learnt_seconds)
            await self.save()

    async def save(self) -> None:
        """Tell the warehouse now; it may be away."""
        if self._warehouse is None:
            return
        values = self.states.baselines()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await asyncio.to_thread(learnt.save_baselines, self._warehouse, values, datetime.now(UTC))
        except (WarehouseError, TimeoutError) as error:
            _LOG.warning("what was learnt could not be saved: %s", error or "no answer in time")

    async def _configured(self, tenant: str, settings: TenantSettings) -> None:
        await self.outputs.send(self.states.configure(tenant, settings, time.time()))


def _recall(warehouse: Warehouse) -> Learnt:
    return Learnt(
        alerts=learnt.alerts(warehouse), overlays=learnt.overlays(warehouse), baselines=learnt.baselines(warehouse)
    )


@contextmanager
def _within(event: EventT) -> Iterator[None]:
    """As if the event were being processed: Faust takes a table's partition from it."""
    token = faust_streams._current_event.set(weakref.ref(event))  # noqa: SLF001 - Faust has no other way to name a partition
    try:
        yield
    finally:
        faust_streams._current_event.reset(token)  # noqa: SLF001


def register(
    app: AppT,
    settings: WorkerSettings,
    *,
    partitions: int,
    table_options: Mapping[str, object],
    warehouse: Warehouse | None,
) -> Analytics:
    """Put the table, agents and tasks of analytics on a Faust app."""
    table = app.Table("states", key_type=bytes, value_type=bytes, partitions=partitions, options=table_options)
    analytics = Analytics(app, table, settings, partitions=partitions, warehouse=warehouse)
    acknowledge: Acknowledge

    async def analyse(stream: StreamT) -> None:
        nonlocal acknowledge
        source = stream.noack()
        acknowledge = source.ack
        async for event in source.events():
            await analytics.take(event)

    async def let_go(*_: object, **__: object) -> None:
        analytics.let_go()

    async def pass_time() -> None:
        await analytics.pass_time(lambda event: acknowledge(event))  # noqa: PLW0108 - bound later, by the agent

    def page() -> dict[str, Any]:
        return {
            **standing(app),
            "prepared": analytics.prepared.is_set(),
            "tenants": len(analytics.states),
            "events": analytics.events,
            "sent": analytics.outputs.sent,
        }

    app.agent(topic_of(app, EVENTS.name), name="analyse-events")(analyse)

    async def last_words(*_: object, **__: object) -> None:
        await analytics.save()

    app.on_partitions_revoked.connect(let_go)
    app.on_before_shutdown.connect(last_words)
    app.task(pass_time)
    serve_status(app, settings, page)
    app.task(analytics.gather)
    app.task(analytics.remember)
    return analytics
