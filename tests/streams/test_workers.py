"""The two workers as processes on a real broker: kills, a store that goes away, records that cannot be read.

The broker is the embedded one; both brokers under a whole stack are the business of tests/integration.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from compose import broker, topics
from schemas.batches import encode_batch
from schemas.signals import DeadLetter
from schemas.topics import DEAD, EVENTS, partition_of
from streams.warehouse.loopback import Loopback
from tests.patience import PROCESS_S
from tests.peers.ports import free_port
from tests.streams.store import Store, batch, running
from tests.streams.workers import Worker, until

pytestmark = pytest.mark.timeout(170)

TENANT = "acme"
PARTITION = partition_of(TENANT, EVENTS.partitions)


class Bench:
    """A broker with topics, a store, both workers."""

    def __init__(self, directory: Path, store: Store) -> None:
        self.store = store
        self.bootstrap = f"127.0.0.1:{free_port()}"
        host, _, port = self.bootstrap.partition(":")
        self.broker = subprocess.Popen(
            broker.command(broker.binary(), host, int(port)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**broker.ENVIRONMENT},
        )
        until(lambda: asyncio.run(broker.listens(host, int(port))))
        asyncio.run(topics.create(self.bootstrap))
        self.workers = [Worker(name, directory, self.bootstrap, store.url) for name in ("analytics", "sink")]

    def publish(self, *values: bytes) -> None:
        """Records on dns.events, in order, in the tenant's partition."""
        asyncio.run(self._publish(values))

    async def _publish(self, values: tuple[bytes, ...]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        for value in values:
            await producer.send_and_wait(EVENTS.name, value, partition=PARTITION)
        await producer.stop()

    def dead(self, count: int) -> list[DeadLetter]:
        """The first letters of dns.dead."""
        return asyncio.run(self._dead(count))

    async def _dead(self, count: int) -> list[DeadLetter]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(DEAD.name, 0)])
        letters: list[DeadLetter] = []
        async with asyncio.timeout(PROCESS_S):
            while len(letters) < count:
                letters.append(msgspec.json.decode((await consumer.getone()).value, type=DeadLetter))
        await consumer.stop()
        return letters

    def counted(self, sql: str) -> int:
        """One number from the store, -1 while it is away."""
        with contextlib.suppress(Exception):
            return int(Loopback(self.store.url).query(sql)[0][0])
        return -1


def value(first: int, count: int, **changes: object) -> bytes:
    """One record of dns.events, its events happening now."""
    from datetime import UTC, datetime

    return encode_batch(*batch(first, count, tenant=TENANT, partition=PARTITION, time=datetime.now(UTC), **changes))


STORED = "SELECT toInt64(count()) FROM nameward.query_events"
TWICE = "SELECT toInt64(count()) - toInt64(uniqExact(source, epoch, sequence)) FROM nameward.query_events"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Everything up; the workers end with status 0 and leave no traceback."""
    directory = tmp_path_factory.mktemp("workers")
    with running(directory / "store") as store:
        made = Bench(directory, store)
        try:
            for worker in made.workers:
                worker.start()
            yield made
            assert [worker.stop() for worker in made.workers] == [0, 0]
            assert not [worker.name for worker in made.workers if "Traceback" in worker.log()]
        finally:
            for worker in made.workers:
                if worker.process is not None and worker.process.poll() is None:
                    worker.kill()
            made.broker.kill()
            made.broker.wait(PROCESS_S)


def test_events_reach_the_warehouse_within_two_seconds(bench: Bench) -> None:
    """From the broker's acknowledgement to a query's answer."""
    bench.publish(value(0, 10))
    until(lambda: bench.counted(STORED) >= 10, 2)


def test_workers_say_how_they_are(bench: Bench) -> None:
    """Running, recovered, nothing behind."""
    for worker in bench.workers:
        until(lambda worker=worker: worker.status()["behind"] == 0)  # type: ignore[misc]
        page = worker.status()
        assert page["running"]
        assert page["recovered"]
        assert f"{EVENTS.name}/{PARTITION}" in page["assigned"]


def test_a_bad_record_is_buried_and_its_neighbours_are_stored(bench: Bench) -> None:
    """dns.dead names origin and reason."""
    before = bench.counted(STORED)
    bench.publish(value(10, 10), b"no batch at all", value(20, 10))
    until(lambda: bench.counted(STORED) == before + 20)
    letter = bench.dead(1)[0]
    assert (letter.topic, letter.partition, letter.value) == (EVENTS.name, PARTITION, b"no batch at all")
    assert letter.error


def test_kills_lose_nothing_and_double_nothing(bench: Bench) -> None:
    """Both workers, with records before, while they are down and after; windows count every query once."""
    epoch = 2000
    stored = f"{STORED} WHERE epoch = {epoch}"
    bench.publish(*(value(n * 50, 50, epoch=epoch) for n in range(20)))
    until(lambda: bench.counted(stored) > 0)
    for worker in bench.workers:
        worker.kill()
    bench.publish(*(value(n * 50, 50, epoch=epoch) for n in range(20, 40)))
    for worker in bench.workers:
        worker.start()
    bench.publish(*(value(n * 50, 50, epoch=epoch) for n in range(40, 60)))
    until(lambda: bench.counted(stored) == 3000)
    assert bench.counted(TWICE) == 0
    everything = bench.counted(STORED)
    windows = "SELECT toInt64(sum(queries)) FROM nameward.telemetry FINAL WHERE workload = '' AND window_seconds = 10"
    until(lambda: bench.counted(windows) == everything, 40)


def test_a_store_that_is_away_is_waited_for(bench: Bench) -> None:
    """Nothing is lost; the sink says so while it lasts."""
    epoch, sink = 3000, bench.workers[1]
    bench.store.kill()
    bench.publish(*(value(n * 50, 50, epoch=epoch) for n in range(20)))
    until(lambda: "does not answer" in sink.status()["warehouse"])
    bench.store.start()
    until(lambda: bench.counted(f"{STORED} WHERE epoch = {epoch}") == 1000)
    assert bench.counted(TWICE) == 0
    until(lambda: sink.status()["warehouse"] == "ok")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("directory: x\n", "document: Object missing required field `kafka`"),
        ("kafka: {bootstrap: 'localhost:1'}\ndirectory: x\nwarehous: y\n", "unknown field `warehous`"),
    ],
)
def test_bad_settings_end_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    """With status 1."""
    file = tmp_path / "sink.yaml"
    file.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "streams", "sink", "--config", str(file)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_warehouse_nobody_serves_ends_in_one_sentence(bench: Bench, tmp_path: Path) -> None:
    """Before anything is read."""
    file = tmp_path / "sink.yaml"
    file.write_text(f"kafka: {{bootstrap: '{bench.bootstrap}'}}\ndirectory: {tmp_path}\nwarehouse: mysql://x\n")
    ended = subprocess.run(
        [sys.executable, "-m", "streams", "sink", "--config", str(file)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("sink: warehouse 'mysql://x': expected http://")
