"""policy.objects as the command line uses it: read what is there, write changes, wait until they are in force.

In force is what each live resolver says on policy.status. This module must not know files or what objects mean.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from compose.failure import Failure
from compose.policy_versions import version_of
from schemas.objects import PolicyObject, decode_object, encode_object
from schemas.signals import PolicyStatus
from schemas.topics import FOLLOWED_BY, OBJECTS, STATUS

LIVE_S = 15.0
"""A resolver that has been silent for so long is not live (see PolicyStatus)."""
_PATIENCE_S = 10.0
_STATUSES = 1000
"""How many of the latest statuses to look at: those of the last 15 s of several hundred workers."""
_BY = "by"
_decode_status = msgspec.json.Decoder(PolicyStatus).decode


class Written(NamedTuple):
    """When a record was written, and by whom; nobody where that was not said."""

    time: datetime
    who: str


@dataclass(slots=True)
class Present:
    """What policy.objects holds.

    Attributes:
        objects: by key.
        unreadable: key -> error of those that cannot be read.
        written: key -> last write, deletions too.
        earlier: (key, version) -> object, of the versions asked for, as far as the topic still has them.
        end: next offset.
    """

    objects: dict[str, PolicyObject] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    earlier: dict[tuple[str, str], PolicyObject] = field(default_factory=dict)
    end: int = 0


@asynccontextmanager
async def following(bootstrap: str, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    """A consumer of a topic of one partition, in no group.

    Raises:
        Failure: if no broker answers, goes away, or has no such topic.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    try:
        await asyncio.wait_for(consumer.start(), _PATIENCE_S)
        if topic not in await consumer.topics():
            raise Failure(f"the broker at {bootstrap} has no topic {topic}: start the stack with `nameward up` first")
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        yield consumer, partition
    except (KafkaError, OSError, TimeoutError) as error:
        raise Failure(f"no Kafka broker answers at {bootstrap} (is the stack up?)") from error
    finally:
        await consumer.stop()


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of acknowledged records, one a batch: the embedded broker counts batches where ends are asked for.

    Raises:
        Failure: if no broker answers, or it does not take what is sent.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", request_timeout_ms=int(_PATIENCE_S * 1000), max_batch_size=1
    )
    try:
        await asyncio.wait_for(producer.start(), _PATIENCE_S)
        yield producer
    except (KafkaError, OSError, TimeoutError) as error:
        raise Failure(f"the broker at {bootstrap} did not take the change: {error or type(error).__name__}") from error
    finally:
        await producer.stop()


async def read_to_end(consumer: AIOKafkaConsumer, partition: TopicPartition) -> AsyncIterator[ConsumerRecord]:
    """Records up to the end as it is now.

    Raises:
        TimeoutError: if they do not come.
    """
    ends = await consumer.end_offsets([partition])
    deadline = time.monotonic() + _PATIENCE_S
    while await consumer.position(partition) < ends[partition]:
        records = (await consumer.getmany(timeout_ms=200)).get(partition, [])
        deadline = time.monotonic() + _PATIENCE_S if records else deadline
        if time.monotonic() > deadline:
            raise TimeoutError
        for record in records:
            yield record


async def read_present(bootstrap: str, versions: Mapping[str, str] | None = None) -> Present:
    """Everything on policy.objects.

    Args:
        bootstrap: host:port of the broker.
        versions: key -> version that somebody has read and wants to see again.

    Raises:
        Failure: if the broker does not answer.
    """
    present = Present()
    async with following(bootstrap, OBJECTS.name) as (consumer, partition):
        async for record in read_to_end(consumer, partition):
            _take(present, record, versions or {})
        present.end = max(present.end, (await consumer.end_offsets([partition]))[partition])
    return present


def _take(present: Present, record: ConsumerRecord, versions: Mapping[str, str]) -> None:
    key = (record.key or b"").decode(errors="replace")
    present.objects.pop(key, None)
    present.unreadable.pop(key, None)
    present.end = record.offset + 1
    who = dict(record.headers or ()).get(_BY, b"").decode(errors="replace")
    present.written[key] = Written(datetime.fromtimestamp(max(0, record.timestamp) / 1000, UTC), who)
    if record.value is None:
        return
    try:
        obj = present.objects[key] = decode_object(record.value)
    except msgspec.MsgspecError as error:
        present.unreadable[key] = str(error)
        return
    if key in versions and version_of(obj) == versions[key]:
        present.earlier[key, versions[key]] = obj


async def publish(producer: AIOKafkaProducer, changes: Mapping[str, PolicyObject | None], who: str) -> int:
    """Write objects, and tombstones for None; returns the offset behind the last.

    Each record says how many follow it, so that resolvers put all of them in force together.

    Args:
        producer: see producing.
        changes: by key.
        who: is said beside each record.

    Raises:
        KafkaError: if the broker does not take them.
    """
    sent = []
    for behind, (key, obj) in zip(range(len(changes) - 1, -1, -1), changes.items(), strict=True):
        headers = [(_BY, who.encode()), (FOLLOWED_BY, str(behind).encode())]
        value = encode_object(obj) if obj else None
        sent.append(await producer.send(OBJECTS.name, value, key=key.encode(), partition=0, headers=headers))
    return max([record.offset + 1 for record in await asyncio.gather(*sent)], default=0)


@dataclass(slots=True)
class Outcome:
    """What resolvers said of a change, by name: in force, refused (and why), or nothing (seconds since heard of)."""

    confirmed: list[str] = field(default_factory=list)
    refused: dict[str, list[str]] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)


async def wait_in_force(bootstrap: str, offset: int, keys: Iterable[str], timeout_s: float) -> Outcome:
    """Wait until every live resolver has everything before `offset` in force, or the time is over.

    Args:
        bootstrap: host:port of the broker.
        offset: next offset of policy.objects after the change.
        keys: of the objects changed; refusals of others are not this change's.
        timeout_s: patience in seconds.

    Raises:
        Failure: if the broker does not answer.
    """
    statuses: dict[str, PolicyStatus] = {}
    concerned = frozenset(keys)
    deadline = time.monotonic() + timeout_s
    async with following(bootstrap, STATUS.name) as (consumer, partition):
        end = (await consumer.end_offsets([partition]))[partition]
        begin = (await consumer.beginning_offsets([partition]))[partition]
        consumer.seek(partition, max(begin, end - _STATUSES))
        async for record in read_to_end(consumer, partition):
            _hear(statuses, record)
        while (outcome := judge(statuses, offset, concerned, datetime.now(UTC))).silent and time.monotonic() < deadline:
            for record in (await consumer.getmany(timeout_ms=100)).get(partition, []):
                _hear(statuses, record)
    return outcome


def _hear(statuses: dict[str, PolicyStatus], record: ConsumerRecord) -> None:
    try:
        status = _decode_status(record.value or b"")
    except msgspec.MsgspecError:
        return
    statuses[status.resolver] = status


def judge(statuses: Mapping[str, PolicyStatus], offset: int, keys: frozenset[str], now: datetime) -> Outcome:
    """What the last word of each worker means for a change (see wait_in_force)."""
    outcome = Outcome()
    for name, status in sorted(statuses.items()):
        age = (now - status.time).total_seconds()
        if status.stopped or age > LIVE_S:
            continue
        refused = [f"{refusal.key}: {refusal.error}" for refusal in status.refused if refusal.key in keys]
        if status.objects_offset < offset:
            outcome.silent[name] = age
        elif refused:
            outcome.refused[name] = refused
        else:
            outcome.confirmed.append(name)
    return outcome
