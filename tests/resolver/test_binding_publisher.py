"""Bindings on a real broker: told with their keys, told again when the broker comes back, ended by a tombstone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from compose.failure import Failure
from compose.topics import create
from resolver.binding_publisher import BindingPublisher
from resolver.bindings import Bindings, Keep
from schemas.signals import Binding
from schemas.topics import BINDINGS
from tests.patience import PROCESS_S
from tests.resolver.path import NOW
from tests.resolver.test_bindings import asker, records
from tests.resolver.test_kafka import Embedded

KEY = "acme/frontend/a.example/192.0.2.1/r1"
pytestmark = pytest.mark.broker


@pytest.fixture
def broker() -> Iterator[Embedded]:
    """The embedded broker."""
    node = Embedded()
    node.start()
    yield node
    with suppress(ProcessLookupError):
        node.stop()


async def read(bootstrap: str, count: int) -> list[tuple[str, Binding | None]]:
    """The first messages of dns.bindings, waiting for them."""
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(BINDINGS.name, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        found = []
        async with asyncio.timeout(PROCESS_S):
            while len(found) < count:
                record = await consumer.getone()
                value = msgspec.json.decode(record.value, type=Binding) if record.value else None
                found.append((record.key.decode(), value))
        return found
    finally:
        await consumer.stop()


async def topics(bootstrap: str) -> None:
    """Create the topics, waiting for the broker."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Failure):
                await create(bootstrap, timeout_s=5)
                return
            await asyncio.sleep(0.1)


async def test_told_and_ended(broker: Embedded) -> None:
    """A binding is told under its key; its end is a tombstone."""
    await topics(broker.bootstrap)
    now = NOW
    bindings = Bindings("r1")
    bindings.learn(asker(), "a.example", records("192.0.2.1"), Keep(60, 300), now=now)
    running = asyncio.create_task(BindingPublisher(bindings, broker.bootstrap, clock=lambda: now).run())
    ((key, binding),) = await read(broker.bootstrap, 1)
    assert key == KEY
    assert binding is not None
    assert (binding.workload, binding.address) == ("frontend", "192.0.2.1")
    now += 3600
    assert (await read(broker.bootstrap, 2))[1] == (KEY, None)
    running.cancel()


async def test_told_when_broker_comes(broker: Embedded) -> None:
    """What was learnt while the broker was away is told when it is back."""
    broker.stop()
    bindings = Bindings("r1")
    bindings.learn(asker(), "a.example", records("192.0.2.1"), Keep(60, 300), now=NOW)
    publisher = BindingPublisher(bindings, broker.bootstrap, clock=lambda: NOW)
    running = asyncio.create_task(publisher.run())
    broker.start()
    await topics(broker.bootstrap)
    assert [key for key, _ in await read(broker.bootstrap, 1)] == [KEY]
    running.cancel()
