"""The embedded stack's memory: the last objects, overlays and orders about alerts, followed on Kafka, kept in one file.

The embedded broker forgets its topics when it ends. This mirror reads policy.objects, policy.overlays and alerts.orders
as everybody does and writes what it saw to ``policy.mirror``, so that a new broker can be given the same at once.
Values stay the bytes they were: what they mean is for others to know.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from compose.failure import Failure
from schemas.topics import OBJECTS, ORDERS, OVERLAYS

_RETRY_S = 0.5
_AHEAD_MS = 50
"""The embedded broker holds a fetch to its end: asking more often than resolvers do, a change is remembered before they
have it in force, that is before `apply` returns."""


class Remembered(msgspec.Struct):
    """Key -> value of the topics."""

    objects: dict[str, bytes] = {}
    overlays: dict[str, bytes] = {}
    orders: dict[str, bytes] = {}


class Mirror:
    """Follows its topics and remembers their last values.

    Args:
        path: file that survives the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known = path.exists()
        self.values = Remembered()
        if self.known:
            with contextlib.suppress(msgspec.MsgspecError, OSError):
                self.values = msgspec.msgpack.decode(path.read_bytes(), type=Remembered)

    def save(self) -> None:
        """Write the file, whole or not at all."""
        draft = self._path.with_suffix(".new")
        draft.write_bytes(msgspec.msgpack.encode(self.values))
        draft.replace(self._path)
        self.known = True

    async def publish(self, bootstrap: str) -> tuple[int, int]:
        """Give a broker that knows nothing all that is remembered; return the numbers of objects and overlays."""
        await produce(bootstrap, self.values)
        return len(self.values.objects), len(self.values.overlays)

    async def follow(self, bootstrap: str) -> None:
        """Read the topics until cancelled; a broker that is away is waited for."""
        while True:
            with contextlib.suppress(KafkaError, OSError):
                await self._follow_once(bootstrap)
            await asyncio.sleep(_RETRY_S)

    async def _follow_once(self, bootstrap: str) -> None:
        places = _places(self.values)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=_AHEAD_MS
        )
        await consumer.start()
        try:
            consumer.assign(list(places))
            while True:
                records = await consumer.getmany(timeout_ms=1000)
                changed = [
                    _apply(places[place], message.key, message.value)
                    for place, batch in records.items()
                    for message in batch
                ]
                if any(changed):
                    self.save()
        finally:
            await consumer.stop()


async def produce(bootstrap: str, values: Remembered) -> None:
    """Write values to their topics and wait until the broker has them.

    Raises:
        Failure: if it does not take them.
    """
    # One record a batch: the embedded broker counts batches where the end of a partition is asked for.
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=1)
    try:
        await producer.start()
        sent = [
            await producer.send(place.topic, value, key=key.encode(), partition=place.partition)
            for place, held in _places(values).items()
            for key, value in held.items()
        ]
        await asyncio.gather(*sent)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Failure(f"the broker at {bootstrap} does not take policy objects: {error}") from error
    finally:
        await producer.stop()


async def read_all(bootstrap: str) -> Remembered:
    """Last values of the topics as they are now."""
    values = Remembered()
    places = _places(values)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(list(places))
        ends = await consumer.end_offsets(list(places))
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for place, batch in (await consumer.getmany(timeout_ms=500)).items():
                for message in batch:
                    _apply(places[place], message.key, message.value)
    finally:
        await consumer.stop()
    return values


def _places(values: Remembered) -> dict[TopicPartition, dict[str, bytes]]:
    held = ((OBJECTS, values.objects), (OVERLAYS, values.overlays), (ORDERS, values.orders))
    return {TopicPartition(topic.name, 0): known for topic, known in held}


def _apply(values: dict[str, bytes], key: bytes | None, value: bytes | None) -> bool:
    name = (key or b"").decode(errors="replace")
    if not name:
        return False
    if value is None:
        return values.pop(name, None) is not None
    changed = values.get(name) != value
    values[name] = value
    return changed
