"""Publishing to real brokers: the embedded one and Apache Kafka; their restarts, missing topics, size limits."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from compose import broker as embedded
from resolver.counters import Counters
from resolver.delivery import UndeliveredError
from resolver.kafka import KafkaTransport
from resolver.publisher import Limits, Publisher
from schemas.batches import BatchHeader, decode_batch
from schemas.topics import EVENTS
from tests.integration.kafka import ApacheKafka, require_kafka
from tests.patience import patient
from tests.peers.ports import free_port
from tests.resolver.templates import moment, template

QUICK = Limits(flush_ms=20, batch_events=100)
PARTITIONS = 3


class Embedded:
    """The broker of the embedded stack."""

    def __init__(self) -> None:
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; whoever needs it waits for its topics anyway."""
        command = embedded.command(embedded.binary(), "127.0.0.1", self._port)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """End it; it forgets everything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.broker), pytest.param("apache", marks=pytest.mark.broker)]
)
def broker(request: pytest.FixtureRequest, tmp_path: Path):
    """A running broker."""
    if request.param == "apache":
        require_kafka()
    node = Embedded() if request.param == "embedded" else ApacheKafka(tmp_path / "kafka")
    node.start()
    yield node
    node.stop()


async def create_topic(bootstrap: str, **config: str) -> None:
    """Create dns.events, waiting for the broker."""
    async with asyncio.timeout(30):
        while True:
            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            try:
                await admin.start()
                await admin.create_topics([NewTopic(EVENTS.name, PARTITIONS, 1, topic_configs=config)])
            except (KafkaError, OSError):
                await asyncio.sleep(0.1)
            else:
                return
            finally:
                await admin.close()


async def stored(bootstrap: str, partitions: int = PARTITIONS) -> tuple[list[int], list[BatchHeader]]:
    """Sequences of all events on the broker, sorted, repetitions included; and headers without rows."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    places = [TopicPartition(EVENTS.name, number) for number in range(partitions)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    ends = await consumer.end_offsets(places)
    sequences: list[int] = []
    words = []
    async with asyncio.timeout(30):
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    header, rows = decode_batch(record.value)
                    sequences += rows["sequence"].to_pylist()
                    words += [] if header.count else [header]
    await consumer.stop()
    return sorted(sequences), words


@asynccontextmanager
async def publishing(directory: Path, bootstrap: str, limits: Limits = QUICK) -> AsyncIterator[Publisher]:
    """A publisher that runs."""
    publisher = Publisher(Counters(directory, "r1", 1000), "r1", KafkaTransport(bootstrap, EVENTS.name, "test"), limits)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await publisher.close(10)


async def eventually(probe: Callable[[], object], within: float = 40.0) -> None:
    """Poll until the probe is true."""
    async with asyncio.timeout(patient(within)):
        while not probe():  # noqa: ASYNC110 (any state may be waited for)
            await asyncio.sleep(0.02)


def offer(publisher: Publisher, count: int, start: int = 0) -> None:
    """Offer events of several tenants."""
    templates = [template(number) for number in range(12)]
    for number in range(start, start + count):
        publisher.offer(templates[number % 12], moment(number), number)


async def test_every_event_is_on_the_broker_once(broker: Embedded | ApacheKafka, tmp_path: Path) -> None:
    """Events offered while the broker is still starting included."""
    async with publishing(tmp_path, broker.bootstrap) as publisher:
        offer(publisher, 300)
        await create_topic(broker.bootstrap)
        offer(publisher, 700, 300)
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.counters.dropped.value == 0
    sequences, words = await stored(broker.bootstrap)
    assert sequences == list(range(1000))
    assert [word.offered for word in words if word.closed] == [1000]


async def test_nothing_is_lost_when_kafka_restarts(broker: Embedded | ApacheKafka, tmp_path: Path) -> None:
    """A clean restart of the node under load; Apache Kafka keeps what it had, so every sequence must be there."""
    if isinstance(broker, Embedded):
        pytest.skip("the embedded broker forgets everything when it stops, so there is nothing to compare")
    await create_topic(broker.bootstrap)
    async with publishing(tmp_path, broker.bootstrap) as publisher:
        offer(publisher, 500)
        await eventually(lambda: publisher.buffer.held() == 0)
        restarting = asyncio.create_task(asyncio.to_thread(lambda: (broker.stop(), broker.start())))
        total = 500
        while not restarting.done():
            offer(publisher, 20, total)
            total += 20
            await asyncio.sleep(0.02)
        await restarting
        offer(publisher, 100, total)
        total += 100
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.counters.dropped.value == 0
        assert publisher.delivery.reachable
    sequences, words = await stored(broker.bootstrap)
    assert sorted(set(sequences)) == list(range(total))
    assert [word.acknowledged for word in words if word.closed] == [total]


async def test_a_broker_that_takes_small_messages_gets_small_messages(
    broker: Embedded | ApacheKafka, tmp_path: Path
) -> None:
    """A topic with a low max.message.bytes: batches are cut until they fit."""
    if isinstance(broker, Embedded):
        pytest.skip("the embedded broker has no limit on the size of a message")
    await create_topic(broker.bootstrap, **{"max.message.bytes": "30000"})
    async with publishing(tmp_path, broker.bootstrap, Limits(flush_ms=20, batch_events=5000)) as publisher:
        for number in range(2000):
            publisher.offer(template(number * 3), moment(number), number)
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.counters.dropped.value == 0
    sequences, _ = await stored(broker.bootstrap)
    assert sequences == list(range(2000))


async def test_nobody_there_is_one_clear_reason() -> None:
    """A port without a broker: an error that names it, and nothing left open."""
    transport = KafkaTransport(f"127.0.0.1:{free_port()}", EVENTS.name, "test")
    with pytest.raises(UndeliveredError, match=r"127\.0\.0\.1:\d+"):
        await transport.start()
    with pytest.raises(UndeliveredError):
        await transport.send(0, b"x")
    await transport.stop()
