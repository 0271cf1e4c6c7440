"""One node of Apache Kafka: prepared with clear errors, restarted on its directory with its data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from compose import topics
from compose.kafka import artifacts, node
from schemas.topics import EVENTS, OBJECTS
from tests import peers
from tests.integration.kafka import ApacheKafka


def test_missing_java_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Java the error says what is needed."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(node.NodeError, match="Java 17"):
        node.prepare(tmp_path, tmp_path / "node", 9092)


def test_storage_that_cannot_be_formatted_is_told(tmp_path: Path) -> None:
    """A directory without jars cannot format anything; Java's word for it is in the error."""
    peers.require("java")
    with pytest.raises(node.NodeError, match="could not format"):
        node.prepare(tmp_path, tmp_path / "node", 9092)


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[ApacheKafka]:
    """A running node."""
    peers.require("java")
    try:
        artifacts.fetch()
    except artifacts.ArtifactsError as error:
        peers.missing("kafka", str(error))
    running = ApacheKafka(tmp_path / "kafka")
    running.start()
    yield running
    running.stop()


@pytest.mark.broker
async def test_records_offsets_and_topics_outlive_a_restart(kafka: ApacheKafka) -> None:
    """A stopped node starts again with its topics and their settings, its records and its groups' offsets."""
    await topics.create(kafka.bootstrap)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, max_request_size=4 << 20) as producer:
        for number in range(10):
            await producer.send_and_wait(OBJECTS.name, b"%d" % number, key=b"key")
        # dns.events takes batches larger than Kafka's default of 1 MB.
        await producer.send_and_wait(EVENTS.name, bytes(3 << 20), partition=1)
    assert await taken(kafka, 6) == [b"%d" % number for number in range(6)]
    kafka.stop()
    kafka.start()
    assert await taken(kafka, 4) == [b"%d" % number for number in range(6, 10)]
    assert await topics.create(kafka.bootstrap) == []


async def taken(kafka: ApacheKafka, count: int) -> list[bytes]:
    """Take so many records as a member of a group and commit."""
    async with AIOKafkaConsumer(
        OBJECTS.name,
        bootstrap_servers=kafka.bootstrap,
        group_id="restart",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=1,
    ) as consumer:
        found = [(await consumer.getone()).value for _ in range(count)]
        await consumer.commit()
        return found
