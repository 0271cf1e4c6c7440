"""The tenants' settings, from policy.objects: every worker reads the whole topic, so no consumer group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.objects import Tenant, decode_object, object_key
from schemas.topics import OBJECTS
from streams.analysis import TenantSettings

_LOG = logging.getLogger(__name__)
_RETRY_S = 1.0
_TENANT = object_key("Tenant", "x").partition("/")[0].encode() + b"/"

Configured = Callable[[str, TenantSettings], Awaitable[None]]


async def follow_settings(bootstrap: str, configured: Configured, known: asyncio.Event) -> None:
    """Tell of every Tenant object, then of every change, until cancelled; a broker that is away is waited for.

    Args:
        bootstrap: of the broker.
        configured: awaited with a tenant's name and its settings; defaults for one that was deleted.
        known: set once all that the topic holds now has been told.
    """
    while True:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
        try:
            await consumer.start()
            await _follow(consumer, configured, known)
        except (KafkaError, OSError) as error:
            _LOG.info("policy settings: broker away, trying again: %s", error)
            await asyncio.sleep(_RETRY_S)
        finally:
            await consumer.stop()


async def _follow(consumer: AIOKafkaConsumer, configured: Configured, known: asyncio.Event) -> None:
    place = TopicPartition(OBJECTS.name, 0)
    consumer.assign([place])
    end = (await consumer.end_offsets([place]))[place]
    while True:
        if await consumer.position(place) >= end:
            known.set()
        for message in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
            if (message.key or b"").startswith(_TENANT):
                name = message.key.rpartition(b"/")[2].decode(errors="replace")
                await configured(name, _settings(message.value))


def _settings(value: bytes | None) -> TenantSettings:
    if value is None:
        return TenantSettings()
    try:
        obj = decode_object(value)
    except msgspec.MsgspecError as error:
        _LOG.warning("policy.objects: a Tenant object that cannot be read is ignored: %s", error)
        return TenantSettings()
    return TenantSettings.of(obj.spec) if isinstance(obj, Tenant) else TenantSettings()
