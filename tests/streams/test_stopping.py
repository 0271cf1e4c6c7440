"""A worker that is stopped - at rest, while the broker hangs, at any moment of its start - keeps its word and leaves no traceback."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from compose import broker, topics
from schemas.batches import encode_batch
from schemas.topics import EVENTS, partition_of
from streams.topics import TopicError, make_changelogs
from tests.integration import kafka as apache
from tests.patience import PROCESS_S, patient
from tests.peers.ports import free_port
from tests.streams.store import batch
from tests.streams.workers import Worker, until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(170)]

TENANTS = [f"tenant-{number}" for number in range(60)]
ROWS = 20
TRACE = "Traceback"


class Broker(Protocol):
    """A broker that can be made to hang."""

    bootstrap: str

    def signal(self, number: int) -> None:
        """Send its process a signal."""


class Embedded:
    """The embedded broker."""

    def __init__(self) -> None:
        port = free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        command = broker.command(broker.binary(), "127.0.0.1", port)
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**broker.ENVIRONMENT})
        until(lambda: asyncio.run(broker.listens("127.0.0.1", port)))

    def signal(self, number: int) -> None:
        """Send its process a signal."""
        self.process.send_signal(number)


@pytest.fixture(scope="module", params=["embedded", "apache"])
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Each broker with the topics of the contract."""
    if request.param == "embedded":
        embedded = Embedded()
        asyncio.run(topics.create(embedded.bootstrap))
        yield embedded
        embedded.process.kill()
        embedded.process.wait(PROCESS_S)
        return
    with apache.running(tmp_path_factory.mktemp("kafka")) as node:
        asyncio.run(topics.create(node.bootstrap))
        yield node


@pytest.fixture
def analytics(kafka: Broker, tmp_path: Path) -> Iterator[Worker]:
    """A worker in a group of its own, with tables of its own; it writes a checkpoint in ten minutes at the earliest."""
    settings = {"bootstrap": kafka.bootstrap, "session_seconds": 6, "rebalance_seconds": 6, "batch_bytes": 1}
    worker = Worker("analytics", tmp_path, kafka.bootstrap, kafka=settings, group=f"g-{tmp_path.name}", checkpoint_seconds=600)
    yield worker
    if worker.process is not None and worker.process.poll() is None:
        worker.kill()


async def publish(bootstrap: str) -> None:
    """One batch of each tenant."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for tenant in TENANTS:
        place = partition_of(tenant, EVENTS.partitions)
        now = datetime.now(UTC)
        header, columns = batch(0, ROWS, tenant=tenant, source=f"r-{tenant}", epoch=int(now.timestamp() * 1e6), partition=place, time=now)
        await producer.send_and_wait(EVENTS.name, encode_batch(header, columns), partition=place)
    await producer.stop()


async def ends(bootstrap: str, topic: str, group: str | None = None) -> dict[int, int]:
    """Partition -> its end, or, of a group, how far that has committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(topic, number) for number in range(EVENTS.partitions)]
    try:
        consumer.assign(places)
        if group:
            return {place.partition: await consumer.committed(place) or 0 for place in places}
        return {place.partition: end for place, end in (await consumer.end_offsets(places)).items()}
    finally:
        await consumer.stop()


def taken(worker: Worker, batches: int) -> None:
    """Wait until the worker has taken so many batches since its start."""

    def events() -> int:
        with contextlib.suppress(OSError):  # the page is served soon after the worker is ready, on a new socket
            return int(worker.status()["events"])
        return -1

    until(lambda: events() >= batches * ROWS)


def test_the_last_checkpoint_is_written_at_the_end(kafka: Broker, analytics: Worker) -> None:
    """All that was taken is committed, its state is on the changelog, and the next start has nothing to replay."""
    group = f"g-{analytics.directory.name}"
    asyncio.run(publish(kafka.bootstrap))
    analytics.start()
    there = asyncio.run(ends(kafka.bootstrap, EVENTS.name))
    taken(analytics, sum(there.values()))
    assert not any(asyncio.run(ends(kafka.bootstrap, EVENTS.name, group)).values()), "a checkpoint before the last"
    assert analytics.stop() == 0
    assert asyncio.run(ends(kafka.bootstrap, EVENTS.name, group)) == there
    logged = asyncio.run(ends(kafka.bootstrap, f"{group}-states-changelog"))
    assert sum(logged.values()) >= len(TENANTS)
    assert TRACE not in analytics.log()


def test_a_broker_that_hangs_for_a_moment_makes_no_traceback(kafka: Broker, analytics: Worker) -> None:
    """Stopped while the broker hangs, it sends all it has when the broker breathes again, and ends with status 0."""
    for _ in range(2):
        analytics.start()
        asyncio.run(publish(kafka.bootstrap))
        taken(analytics, len(TENANTS))
        kafka.signal(signal.SIGSTOP)
        assert analytics.process is not None
        try:
            analytics.process.terminate()
            with pytest.raises(subprocess.TimeoutExpired):
                analytics.process.wait(0.3)
        finally:
            kafka.signal(signal.SIGCONT)
        assert analytics.process.wait(PROCESS_S) == 0
        assert TRACE not in analytics.log()


def test_a_broker_that_hangs_for_good_makes_one_line(kafka: Broker, analytics: Worker) -> None:
    """It ends in time with status 0, says that the checkpoint is missing, and the next start replays what it held."""
    analytics.start()
    asyncio.run(publish(kafka.bootstrap))
    taken(analytics, len(TENANTS))
    kafka.signal(signal.SIGSTOP)
    try:
        assert analytics.stop() == 0
    finally:
        kafka.signal(signal.SIGCONT)
    assert TRACE not in analytics.log()
    assert analytics.log().count("its batches are replayed") == 1
    analytics.start()
    taken(analytics, len(TENANTS))
    assert analytics.stop() == 0
    assert TRACE not in analytics.log()


def test_a_broker_that_hangs_when_the_worker_joins_holds_nothing_up(kafka: Broker, tmp_path: Path) -> None:
    """Stopped while it waits to become a member of its group, it ends with status 0, in time and without a traceback."""
    joining = Worker("analytics", tmp_path, kafka.bootstrap, group=f"g-{tmp_path.name}", log_level="info")
    joining.launch()
    until(lambda: "Discovered coordinator" in joining.log(), every=0.001)
    kafka.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        assert joining.stop() == 0
    finally:
        kafka.signal(signal.SIGCONT)
    assert time.monotonic() - began < patient(2)
    assert TRACE not in joining.log()


def test_a_signal_at_any_moment_of_the_start_makes_no_traceback(analytics: Worker) -> None:
    """From the imports to the first events: a clean end, or death by that very signal before anything was begun."""
    signals = itertools.cycle((signal.SIGINT, signal.SIGTERM))
    for tenth, number in zip((2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 25, 30), signals, strict=False):
        assert analytics.interrupt(tenth / 10, number) in {0, -number}
        assert TRACE not in analytics.log(), f"{number.name} after {tenth / 10} s"


def test_changelogs_are_whole_before_faust_starts(kafka: Broker, tmp_path: Path) -> None:
    """Made once with the partitions of dns.events; again is nothing; another size is a sentence."""
    name = f"made-{tmp_path.name}-changelog"
    for _ in range(2):
        asyncio.run(make_changelogs(kafka.bootstrap, [name], EVENTS.partitions))
        assert len(asyncio.run(ends(kafka.bootstrap, name))) == EVENTS.partitions
    with pytest.raises(TopicError, match=f"{name} has {EVENTS.partitions} partitions"):
        asyncio.run(make_changelogs(kafka.bootstrap, [name], EVENTS.partitions + 1))


def test_a_changelog_of_another_size_ends_the_worker_in_one_sentence(kafka: Broker, analytics: Worker) -> None:
    """Status 1; Faust would have ended with a traceback."""
    name = f"g-{analytics.directory.name}-states-changelog"
    asyncio.run(_create(kafka.bootstrap, NewTopic(name, EVENTS.partitions + 1, 1)))
    analytics.launch()
    assert analytics.process is not None
    assert analytics.process.wait(PROCESS_S) == 1
    assert analytics.log().splitlines()[-1].startswith(f"analytics: topic {name} has {EVENTS.partitions + 1} partitions")
    assert TRACE not in analytics.log()


async def _create(bootstrap: str, topic: NewTopic) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    await client.create_topics([topic])
    await client.close()
