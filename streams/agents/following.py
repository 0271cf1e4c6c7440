"""A compacted topic of one partition, followed from its beginning: every worker reads it whole, in no group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

_LOG = logging.getLogger(__name__)
_RETRY_S = 1.0

Told = Callable[[str, bytes | None], Awaitable[None]]
"""Awaited with key and value of a record; None is a tombstone."""


async def follow(bootstrap: str, topic: str, told: Told, known: asyncio.Event) -> None:
    """Tell of every record, then of every new one, until cancelled; a broker that is away is waited for.

    Args:
        bootstrap: of the broker.
        topic: its name.
        told: see Told.
        known: set once all that the topic holds now has been told.
    """
    while True:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
        try:
            await consumer.start()
            await _follow(consumer, TopicPartition(topic, 0), told, known)
        except (KafkaError, OSError) as error:
            _LOG.info("%s: broker away, trying again: %s", topic, error)
            await asyncio.sleep(_RETRY_S)
        finally:
            await consumer.stop()


async def _follow(consumer: AIOKafkaConsumer, place: TopicPartition, told: Told, known: asyncio.Event) -> None:
    consumer.assign([place])
    end = (await consumer.end_offsets([place]))[place]
    while True:
        if await consumer.position(place) >= end:
            known.set()
        for message in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
            await told((message.key or b"").decode(errors="replace"), message.value)
