"""What the stack remembers of policy when its broker forgets: topics, mirror, seed, on the real embedded broker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from compose import seed, topics
from compose.failure import Failure
from compose.mirror import Mirror, Remembered, produce, read_all
from compose.policy_files import read_files
from compose.ports import Address
from schemas.topics import EVENTS, OBJECTS, TOPICS
from tests.patience import patient

TENANT = """apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: initech}
spec: {default: allow, clients: [{subnets: [127.0.9.0/24]}]}
"""


async def test_topics_are_created_once_with_their_partitions(kafka: Address) -> None:
    """Every topic of the contract is made with the contract's partitions; a second call makes none."""
    assert set(await topics.create(str(kafka))) == {topic.name for topic in TOPICS}
    assert await topics.create(str(kafka)) == []
    consumer = AIOKafkaConsumer(bootstrap_servers=str(kafka))
    await consumer.start()
    await consumer.topics()
    assert {topic.name: len(consumer.partitions_for_topic(topic.name)) for topic in TOPICS} == {
        topic.name: topic.partitions for topic in TOPICS
    }
    await consumer.stop()


async def test_topic_that_somebody_made_up_is_replaced(kafka: Address) -> None:
    """A topic with the wrong number of partitions is replaced where that was asked for."""
    client = AIOKafkaAdminClient(bootstrap_servers=str(kafka))
    await client.start()
    await client.create_topics([NewTopic(OBJECTS.name, 4, 1)])
    assert OBJECTS.name in await topics.create(str(kafka), replace=True)
    (described,) = await client.describe_topics([OBJECTS.name])
    assert len(described["partitions"]) == OBJECTS.partitions
    await client.close()


async def test_broker_away_is_one_sentence() -> None:
    """Creating topics where nothing listens fails with the address."""
    with pytest.raises(Failure, match=r"no Kafka broker answers at 127.0.0.1:1"):
        await topics.create("127.0.0.1:1", timeout_s=1)


async def test_mirror_survives_a_new_broker(kafka: Address, tmp_path: Path) -> None:
    """What was written, changed and deleted on the topics is what a new mirror on the same file publishes."""
    await topics.create(str(kafka))
    mirror = Mirror(tmp_path / "policy.mirror")
    following = asyncio.create_task(mirror.follow(str(kafka)))
    producer = AIOKafkaProducer(bootstrap_servers=str(kafka))
    await producer.start()
    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None), (b"c", b"4")):
        await producer.send_and_wait(OBJECTS.name, value, key=key)
    await producer.stop()
    deadline = time.monotonic() + patient(10)
    while mirror.values.objects != {"a": b"3", "c": b"4"}:
        assert time.monotonic() < deadline, mirror.values
        await asyncio.sleep(0.02)
    following.cancel()
    again = Mirror(tmp_path / "policy.mirror")
    assert again.known
    assert again.values.objects == {"a": b"3", "c": b"4"}


async def test_first_start_is_the_demo_and_the_next_what_is_remembered(kafka: Address, tmp_path: Path) -> None:
    """The demo is planted once; a deleted object does not return with the next start."""
    await topics.create(str(kafka))
    first = Mirror(tmp_path / "policy.mirror")
    assert "of the demo" in await seed.plant(first, str(kafka), [], embedded=True)
    held = (await read_all(str(kafka))).objects
    assert {"Tenant/acme/acme", "Tenant/globex/globex", "DNSPolicy/-/frontend-no-com"} <= held.keys()
    del first.values.objects["Tenant/globex/globex"]
    first.save()
    second = Mirror(tmp_path / "policy.mirror")
    assert "known from before" in await seed.plant(second, str(kafka), [], embedded=True)
    assert "Tenant/globex/globex" not in second.values.objects


async def test_given_documents_replace_the_demo(kafka: Address, tmp_path: Path) -> None:
    """With documents of one's own the demo is not planted; a directory gives all its YAML files."""
    await topics.create(str(kafka))
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "one.yaml").write_text(TENANT)
    mirror = Mirror(tmp_path / "policy.mirror")
    await seed.plant(mirror, str(kafka), read_files([tmp_path / "policy"]), embedded=True)
    assert list((await read_all(str(kafka))).objects) == ["Tenant/initech/initech"]


async def test_apache_kafka_keeps_its_own_objects(kafka: Address, tmp_path: Path) -> None:
    """On a broker that remembers, the demo is added only where no object was ever written."""
    await topics.create(str(kafka))
    await produce(str(kafka), Remembered(objects={"Tenant/x/x": b"{}"}))
    await seed.plant(Mirror(tmp_path / "policy.mirror"), str(kafka), [], embedded=False)
    assert list((await read_all(str(kafka))).objects) == ["Tenant/x/x"]


def test_wrong_document_names_file_and_key_path(tmp_path: Path) -> None:
    """A bad document is refused with the file, the document and the key path."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(TENANT.replace("default: allow", "default: maybe"))
    with pytest.raises(Failure, match=r"bad.yaml: document 1: spec.default"):
        read_files([bad])


async def test_recall_reads_the_stores_memory(store: Address, tmp_path: Path) -> None:
    """Where the mirror's file is lost, objects, overlays and orders come back from the store; a store without any is no error."""
    from compose.store import query

    mirror = Mirror(tmp_path / "policy.mirror")
    await seed.recall(mirror, store)
    assert mirror.values.objects == {}
    query(
        store,
        "INSERT INTO nameward.policy_objects (key, kind, name, deleted, changed, body, version) VALUES "
        "('Tenant/a/a', 'Tenant', 'a', 0, now64(3), '{\"a\":1}', 1), ('Tenant/b/b', 'Tenant', 'b', 0, now64(3), '{}', 1), "
        "('Tenant/b/b', 'Tenant', 'b', 1, now64(3), '', 2)",
    )
    query(
        store,
        "INSERT INTO nameward.alert_orders (tenant, id, revoked, changed, body, version) VALUES "
        "('acme', 'm1', 0, now64(3), '{}', 1), ('acme', 'm2', 0, now64(3), '{}', 1), ('acme', 'm2', 1, now64(3), '', 2)",
    )
    await seed.recall(mirror, store)
    assert mirror.values.objects == {"Tenant/a/a": b'{"a":1}'}
    assert mirror.values.orders == {"acme/m1": b"{}"}


def test_events_topic_has_the_partitions_the_resolver_counts_on() -> None:
    """dns.events is the topic that is split; every policy topic has one partition, so that an offset is a version."""
    assert EVENTS.partitions > 1
    assert {topic.partitions for topic in TOPICS if topic.name.startswith("policy.")} == {1}
