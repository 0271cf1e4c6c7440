"""Agents of analytics: batches of query events -> the states of their tenants -> telemetry, alerts, signals, overlays.

An agent takes a batch, updates states in memory and sends what was found. The checkpoint writes changed states to the
table once for many batches, waits until the broker has them, and only then acknowledges the batches.
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
        partition, now = event.message.partition, time.time()
        found = []
        try:
            header, columns = read_batch(event.value)
            if header.count:
                self.events += header.count
                found = self.states.update(partition, columns, now)
        except BatchError as error:
            _LOG.warning("%s/%d offset %d: %s", EVENTS.name, partition, event.message.offset, error)
        self._last[partition] = event
        self._unwritten.setdefault(partition, []).append(event)
        await self.outputs.send(found)

    async def checkpoint(self, acknowledge: Acknowledge) -> None:
        """Write changed states and acknowledge the batches they contain."""
        done = [event for events in self._unwritten.values() for event in events]
        self._unwritten = {}
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
            await self.outputs.send(self.states.tick(time.time()))
            if time.monotonic() - written >= self._settings.checkpoint_seconds:
                await self.checkpoint(acknowledge)
                written = time.monotonic()

    async def remember(self) -> None:
        """Tell the warehouse from time to time what was learnt."""
        while self._warehouse is not None:
            await asyncio.sleep(self._settings.learnt_seconds)
            values = self.states.baselines()
            try:
                await asyncio.to_thread(learnt.save_baselines, self._warehouse, values, datetime.now(UTC))
            except WarehouseError as error:
                _LOG.warning("what was learnt could not be saved, trying again later: %s", error)

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
    app.on_partitions_revoked.connect(let_go)
    app.task(pass_time)
    serve_status(app, settings, page)
    app.task(analytics.remember)
    return analytics
