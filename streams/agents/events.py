"""Agents of analytics: batches of query events -> the states of their tenants -> telemetry, alerts, signals, overlays.

An agent takes batches and holds them a moment; a task updates the states with all that came, in memory, and sends what
was found. The checkpoint writes changed states to the table once for many batches, waits until the broker has them, and
only then acknowledges the batches.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

from faust.types import AppT, EventT, TableT

from schemas.batches import BatchError
from schemas.signals import AlertOrder
from schemas.topics import EVENTS, partition_of
from streams.agents import memory
from streams.agents.collector import Acknowledge
from streams.agents.crew import Crew
from streams.agents.findings import Outputs
from streams.agents.orders import follow_orders
from streams.agents.policy import follow_settings
from streams.agents.states import States, tenants_of
from streams.agents.table import watch_changelog, within
from streams.analysis import Findings, TenantSettings
from streams.codec import read_batch
from streams.config import WorkerSettings
from streams.pace import ROWS, SPREAD, Pace
from streams.warehouse import Warehouse, WarehouseError

_LOG = logging.getLogger(__name__)
_TICK_S = 1.0
_PATIENCE_S = 10.0
_LAST_S = 4.0


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
        self._pace = Pace(settings.checkpoint_seconds)
        self.states, self.outputs, self.crew = States(table, settings.live_tenants), Outputs(app), Crew(app)
        watch_changelog(table, self.outputs.expect)
        # Held by whoever changes states until what was found is sent: no checkpoint keeps a state ahead of its words.
        self._turn, self._over = asyncio.Lock(), False
        self.prepared = asyncio.Event()
        self.events = 0
        self.acknowledge: Acknowledge = _nobody
        self._last: dict[int, EventT] = {}
        self._unwritten: dict[int, list[EventT]] = {}

    async def take(self, event: EventT) -> None:
        """One record of dns.events; a bad one is skipped here, the sink tells dns.dead."""
        await self.prepared.wait()
        if self._over:
            return  # after the last checkpoint: not acknowledged, so it comes again
        partition, waiting = event.message.partition, 0
        try:
            header, columns = read_batch(event.value)
            self.states.hear(partition, header)
            if header.count:
                self.events += header.count
                waiting = self.states.hold(partition, columns)
        except BatchError as error:
            _LOG.warning("%s/%d offset %d: %s", EVENTS.name, partition, event.message.offset, error)
        self._last[partition] = event
        self._unwritten.setdefault(partition, []).append(event)
        if waiting >= ROWS or (waiting and self.states.spread(partition) >= SPREAD):
            await self.digest()

    async def digest(self) -> None:
        """Update states with the batches that wait, and tell what was found."""
        async with self._turn:
            if not self._over:
                await self._digest(self.states.digest(time.time()))

    async def _digest(self, digesting: Iterator[list[Findings]]) -> None:
        """Tell what is found; what was found of a state is told before it is written, and leaves."""
        for found in digesting:
            await self.outputs.send(found)
            if self.states.crowded:
                self._write()

    def _write(self) -> None:
        for partition, event in self._last.items():
            with within(event):
                self.states.write(partition)

    async def gather(self) -> None:
        """Digest what came, several times a second, or less often under load."""
        while True:
            await asyncio.sleep(self._pace.hold())
            if not (self._app.rebalancing or self._app.in_recovery):
                began = time.thread_time()
                await self.digest()
                self._pace.turn = time.thread_time() - began

    async def _checkpoint(self) -> None:
        """Write changed states and acknowledge the batches they contain; the caller has the turn."""
        digesting, unwritten = self.states.digest(time.time()), self._unwritten
        contained = {partition: len(events) for partition, events in unwritten.items()}
        await self._digest(digesting)
        if self._unwritten is not unwritten:
            return  # partitions changed hands meanwhile
        # What was taken while findings were sent belongs to the next checkpoint.
        done = [event for partition, count in contained.items() for event in unwritten[partition][:count]]
        self._unwritten = {partition: events[contained.get(partition, 0) :] for partition, events in unwritten.items()}
        self._write()
        await self.outputs.settled()
        for event in done:
            await self.acknowledge(event)

    async def finish(self) -> None:
        """Write the last checkpoint and fall silent, while producer and tables still work.

        If the broker does not take it in time the batches stay unacknowledged: the next start replays them, and finds
        again what could not be said.
        """
        try:
            async with asyncio.timeout(_LAST_S), self._turn:
                if self.prepared.is_set() and not (self._app.rebalancing or self._app.in_recovery):
                    await self._checkpoint()
        except TimeoutError:
            _LOG.warning("the last checkpoint was not written within %.0f s; its batches are replayed", _LAST_S)
        self._over = True
        await self.crew.dismiss()

    def let_go(self) -> None:
        """Partitions change hands: what is not written will be replayed to whoever gets them."""
        self.states.forget()
        self._last, self._unwritten = {}, {}

    async def prepare(self) -> None:
        """Know baselines, tenants and orders before the first event; without them after ten seconds."""
        known, ordered, bootstrap = asyncio.Event(), asyncio.Event(), self._settings.kafka.bootstrap
        self.crew.start(follow_settings(bootstrap, self._configured, known))
        self.crew.start(follow_orders(bootstrap, self._ordered, ordered))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if self._warehouse is not None:
                    self.states.remember(await memory.recall(self._warehouse))
                await known.wait()
                await ordered.wait()
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
                self.states.open(partition, [tenant])

    async def pass_time(self) -> None:
        """Every second: close idle windows, expire entries; write at checkpoints."""
        await self.prepare()
        written = time.monotonic()
        while True:
            await asyncio.sleep(min(_TICK_S, self._settings.checkpoint_seconds))
            if self._app.rebalancing or self._app.in_recovery:
                continue
            if not len(self.states):
                self.open()
            async with self._turn:
                await self.outputs.send(self.states.tick(time.time()))
                if self._pace.checkpoint_due(time.monotonic() - written):
                    began = time.thread_time()
                    await self._checkpoint()
                    written, self._pace.checkpoint = time.monotonic(), time.thread_time() - began

    async def remember(self) -> None:
        """Tell the warehouse from time to time what was learnt."""
        while self._warehouse is not None:
            await asyncio.sleep(self._settings.learnt_seconds)
            await self.save()

    async def save(self) -> None:
        """Tell the warehouse now; it may be away."""
        if self._warehouse is not None:
            await memory.save(self._warehouse, self.states.baselines(time.time()))

    async def _configured(self, tenant: str, settings: TenantSettings) -> None:
        async with self._turn:
            await self.outputs.send(self.states.configure(tenant, settings, time.time()))

    async def _ordered(self, tenant: str, name: str, order: AlertOrder | None) -> None:
        async with self._turn:
            await self.outputs.send(self.states.order(tenant, name, order, time.time()))


async def _nobody(_: EventT) -> None:
    """Before the agent runs there is nothing to acknowledge."""
