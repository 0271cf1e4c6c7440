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

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from compose.failure import Failure
from schemas.objects import PolicyObject, decode_object, encode_object
from schemas.signals import PolicyStatus
from schemas.topics import OBJECTS, STATUS

LIVE_S = 15.0
"""A resolver that has been silent for so long is not live (see PolicyStatus)."""
_PATIENCE_S = 10.0
_STATUSES = 1000
"""How many of the latest statuses to look at: those of the last 15 s of several hundred workers."""
_decode_status = msgspec.json.Decoder(PolicyStatus).decode


@dataclass(slots=True)
class Present:
    """What policy.objects holds: objects, those that cannot be read with the error, and its next offset."""

    objects: dict[str, PolicyObject] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    end: int = 0


@asynccontextmanager
async def following(bootstrap: str, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    """A consumer of a topic of one partition, in no group.

    Raises:
        Failure: if no broker answers, goes away, or has no such topic.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
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


async def _read_to_end(consumer: AIOKafkaConsumer, partition: TopicPartition) -> AsyncIterator[ConsumerRecord]:
    ends = await consumer.end_offsets([partition])
    deadline = time.monotonic() + _PATIENCE_S
    while await consumer.position(partition) < ends[partition]:
        records = (await consumer.getmany(timeout_ms=200)).get(partition, [])
        deadline = time.monotonic() + _PATIENCE_S if records else deadline
        if time.monotonic() > deadline:
            raise TimeoutError
        for record in records:
            yield record


async def read_present(bootstrap: str) -> Present:
    """Everything on policy.objects.

    Raises:
        Failure: if the broker does not answer.
    """
    present = Present()
    async with following(bootstrap, OBJECTS.name) as (consumer, partition):
        async for record in _read_to_end(consumer, partition):
            key = (record.key or b"").decode(errors="replace")
            present.objects.pop(key, None)
            present.unreadable.pop(key, None)
            present.end = record.offset + 1
            if record.value is None:
                continue
            try:
                present.objects[key] = decode_object(record.value)
            except msgspec.MsgspecError as error:
                present.unreadable[key] = str(error)
        present.end = max(present.end, (await consumer.end_offsets([partition]))[partition])
    return present


async def publish(bootstrap: str, changes: Mapping[str, PolicyObject | None]) -> int:
    """Write objects, and tombstones for None; returns the offset behind the last.

    Raises:
        Failure: if the broker does not take them.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", request_timeout_ms=int(_PATIENCE_S * 1000))
    try:
        await asyncio.wait_for(producer.start(), _PATIENCE_S)
        sent = [
            await producer.send(OBJECTS.name, encode_object(obj) if obj else None, key=key.encode(), partition=0)
            for key, obj in changes.items()
        ]
        return max([record.offset + 1 for record in await asyncio.gather(*sent)], default=0)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Failure(f"the broker at {bootstrap} did not take the change: {error or type(error).__name__}") from error
    finally:
        await producer.stop()


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
        async for record in _read_to_end(consumer, partition):
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
