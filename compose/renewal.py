"""Renews the embedded broker before it is too full: planned, without losing an event.

It keeps everything in memory for ever, and reading costs it time in proportion to the batches it holds. So, when it has
grown: resolvers hold events back, streams read to the end, the broker is replaced by an empty one, everything is put
back, events flow again. Answers are not touched. local.py owns the parts; here is the order and when.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from compose.metrics import resident_bytes
from schemas.topics import ALERTS, CONTEXT, EVENTS, OVERLAYS, TELEMETRY

BATCH_LIMIT = 20_000
"""Batches in one partition at which the broker is due: a fetch then costs it some 15 ms."""
_SPOKEN_BY_ANALYTICS = (TELEMETRY, ALERTS, CONTEXT, OVERLAYS)


async def due(bootstrap: str, pid: int, limit_mb: int) -> str:
    """Why the broker should be renewed now; empty if it need not be.

    Args:
        bootstrap: of the embedded broker.
        pid: its process.
        limit_mb: resident memory it may have, in MB.
    """
    resident = resident_bytes(pid)
    if resident > limit_mb * 2**20:
        return f"it holds {resident / 2**20:.0f} MB"
    ends = await _ends(bootstrap, _partitions((EVENTS.name, EVENTS.partitions)))
    longest = max(ends.values(), default=0)
    return f"it holds {longest} batches in one partition" if longest > BATCH_LIMIT else ""


async def read_to_end(bootstrap: str, group: str, *, within_s: float) -> bool:
    """Wait until a consumer group has committed all of dns.events and, for the sink, of what analytics said.

    Args:
        bootstrap: of the broker.
        group: consumer group.
        within_s: seconds to wait; False when they are over or the broker is away.
    """
    places = _partitions((EVENTS.name, EVENTS.partitions))
    if group.endswith("sink"):
        places += _partitions(*((topic.name, topic.partitions) for topic in _SPOKEN_BY_ANALYTICS))
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if await _committed_to_end(bootstrap, group, places):
                return True
        except (KafkaError, OSError, TimeoutError):
            return False
        await asyncio.sleep(0.2)
    return False


async def _committed_to_end(bootstrap: str, group: str, places: list[TopicPartition]) -> bool:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        return all([(await consumer.committed(place) or 0) >= end for place, end in ends.items()])
    finally:
        await consumer.stop()


async def _ends(bootstrap: str, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    try:
        await consumer.start()
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    except (KafkaError, OSError, TimeoutError):
        return {}
    finally:
        await consumer.stop()
    return ends


def _partitions(*topics: tuple[str, int]) -> list[TopicPartition]:
    return [TopicPartition(name, number) for name, count in topics for number in range(count)]


def groups(streams: Iterable[str]) -> list[str]:
    """Consumer groups of the embedded stream processors."""
    return [f"nameward-{name}" for name in streams]
