"""policy.objects and policy.overlays -> store: follow both topics, verify, swap, keep a snapshot on disk.

dns.context is followed beside them by signal_feed.py; the swaps that its signals need are made here.

Stands beside the path: whatever happens to the broker, the policy in force stays. The topics are read from their
beginning at every start. A topic that has become shorter or empty means that the broker forgot; what is in force stays
until it has something to say again. This module must not know what objects mean, nor who answers queries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from resolver.in_slices import in_slices
from resolver.policy.snapshot import SnapshotError
from resolver.policy.steps import Steps
from resolver.policy.store import PolicyStore
from resolver.policy_place import Place, put_object, put_overlay
from resolver.policy_status import StatusPublisher
from resolver.policy_swap import Swapper
from resolver.set_files import SetFiles
from resolver.signal_feed import SignalFeed
from resolver.topic_reader import topic_reader
from schemas.topics import OBJECTS, OVERLAYS

_LOG = logging.getLogger(__name__)
_CHECK_S = 5.0
_POLL_MS = 1000
_SETTLE_S = 0.3
"""How long a topic that began anew must be quiet: whoever fills it again has not said all with the first record."""
_BACKOFF_S = (0.2, 5.0)
_SNAPSHOT_S = 1.0
_LOOK_S = 0.25
"""How often to look whether something expired or a signal came: at most so many swaps, however many signals."""


class PolicyFeed:
    """Keeps a store up to date.

    Args:
        store: to fill.
        name: of this resolver worker, key of its status.
        epoch: start of this process, Unix milliseconds.
        bootstrap: host:port of the broker.
        snapshot: file that outlives the process; workers of one directory may share it.
        files: reads the files of domain sets; None reads none.
        clock: Unix seconds.

    Attributes:
        loaded: set once there is a policy from the snapshot or the topics, its files read.
        connected: whether the topics are being followed at the moment.
    """

    def __init__(
        self,
        store: PolicyStore,
        *,
        name: str,
        epoch: int,
        bootstrap: str,
        snapshot: Path,
        files: SetFiles | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self.loaded = asyncio.Event()
        self.connected = False
        self._store = store
        self._name = name
        self._bootstrap = bootstrap
        self._snapshot = snapshot
        self._clock = clock
        self._status = StatusPublisher(store, name=name, epoch=epoch, bootstrap=bootstrap, clock=clock)
        self._signals = SignalFeed(store, bootstrap=bootstrap, clock=clock)
        self._swapper = Swapper(store, files, clock)
        self._unsaved = asyncio.Event()
        self._objects = Place(TopicPartition(OBJECTS.name, 0), partial(put_object, store), store.forget_objects)
        self._overlays = Place(TopicPartition(OVERLAYS.name, 0), partial(put_overlay, store), store.forget_overlays)

    def restore(self) -> None:
        """Put the snapshot in force, if there is a good one. Called by run; earlier to answer at once."""
        try:
            self._store.restore(self._snapshot.read_bytes(), self._clock())
        except FileNotFoundError:
            return
        except (OSError, SnapshotError) as error:
            _LOG.warning("policy snapshot %s is of no use: %s", self._snapshot, error)
            return
        self._objects.next, self._overlays.next = self._store.objects_offset, self._store.overlays_offset
        self._store.objects_offset = self._store.overlays_offset = 0
        self._swapper.expiry = self._store.next_expiry(self._clock())
        if self._store.objects and not self._store.files_wanted():
            self.loaded.set()

    @property
    def busy(self) -> bool:
        """Whether a policy waits for files that are still being read."""
        return self._swapper.busy

    async def run(self) -> None:
        """Follow the topics until cancelled; a broker that is away is waited for."""
        if not self._store.epoch:
            self.restore()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._status.run())
            tasks.create_task(self._keep_snapshot())
            tasks.create_task(self._keep_current())
            tasks.create_task(self._signals.run())
            if self._store.objects:
                await self._swap()
                self.loaded.set()
            tasks.create_task(self._swapper.follow_files(self._status.due.set))
            await self._follow_for_ever()

    async def _follow_for_ever(self) -> None:
        backoff, told = _BACKOFF_S[0], False
        while True:
            consumer = topic_reader(self._bootstrap)
            try:
                await consumer.start()
                backoff, told = _BACKOFF_S[0], False
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                if not told:
                    _LOG.warning("policy feed: broker %s is away (%s); policy in force stays", self._bootstrap, error)
                told = True
            finally:
                self.connected = False
                await consumer.stop()
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _BACKOFF_S[1])

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        places = {place.partition: place for place in (self._objects, self._overlays)}
        while not {partition.topic for partition in places} <= await consumer.topics():  # noqa: ASYNC110 - only the broker knows
            await asyncio.sleep(_SETTLE_S)
        consumer.assign(list(places))
        await self._begin(consumer, list(places.values()))
        self.connected = True
        check = self._clock() + _CHECK_S
        while True:
            for partition, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                place = places[partition]
                if not all(place.take(record) for record in records):
                    place.rewound = True
                    await self._begin(consumer, [place])
                else:
                    place.target = max(place.target, consumer.highwater(partition) or 0)
            await self._deliver(consumer)
            if self._clock() >= check:
                await self._check(consumer)
                check = self._clock() + _CHECK_S

    async def _begin(self, consumer: AIOKafkaConsumer, places: list[Place]) -> None:
        for place in places:
            ends = await consumer.end_offsets([place.partition])
            place.begin(ends[place.partition])
            await consumer.seek_to_beginning(place.partition)
        self._note_offsets()
        await self._deliver(consumer)

    async def _check(self, consumer: AIOKafkaConsumer) -> None:
        """Look whether the broker still has what was read: a broker started anew begins its topics at 0 again.

        An empty topic says so; else what was read last must come again. An end before it says nothing, for the
        embedded broker counts a batch of several records as one there.
        """
        for place in (self._objects, self._overlays):
            ends = await consumer.end_offsets([place.partition])
            if not ends[place.partition] and place.next:
                await self._begin(consumer, [place])
                continue
            place.give_up(ends[place.partition])
            if place.last is not None:
                consumer.seek(place.partition, place.last[0])

    async def _deliver(self, consumer: AIOKafkaConsumer) -> None:
        places = [place for place in (self._objects, self._overlays) if place.due()]
        for place in places:
            if place.rewound and not await self._settled(consumer, place):
                return
        if places:
            await self._swap(*(place.delivering() for place in places))
            self._note_offsets()  # not before it is in force
            self._unsaved.set()
        if not self._objects.anew:
            self.loaded.set()

    async def _settled(self, consumer: AIOKafkaConsumer, place: Place) -> bool:
        await asyncio.sleep(_SETTLE_S)
        ends = await consumer.end_offsets([place.partition])
        place.target = ends[place.partition]
        return place.next >= place.target

    def _note_offsets(self) -> None:
        """Tell only of records that are in force: not of those still waiting for more, or forgotten by the broker."""
        self._store.objects_offset = self._objects.delivered
        self._store.overlays_offset = self._overlays.delivered
        self._status.due.set()

    async def _swap(self, *deliveries: Steps[None]) -> None:
        await self._swapper.swap(*deliveries)
        self._status.due.set()

    async def _keep_current(self) -> None:
        """Swap when something in force expires, also while the broker is away, and when a signal in use came."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._clock() >= self._swapper.expiry or self._store.signals.due:
                await self._swap()

    async def _keep_snapshot(self) -> None:
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            draft = self._snapshot.with_name(f"{self._snapshot.name}.{self._name}")
            try:
                snapshot = await in_slices(self._store.taking_snapshot())
                await asyncio.to_thread(_write, self._snapshot, draft, snapshot)
            except OSError as error:
                _LOG.warning("policy snapshot %s cannot be written: %s", self._snapshot, error)
            await asyncio.sleep(_SNAPSHOT_S)


def _write(path: Path, draft: Path, value: bytes) -> None:
    draft.write_bytes(value)
    draft.replace(path)
