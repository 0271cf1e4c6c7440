"""One target's way: alerts of its own consumer group, tried until delivered or dead, then committed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.signals import Alert, encode_signal
from schemas.topics import ALERTS
from streams.codec import dead_letter
from streams.config import KafkaSettings
from streams.delivery.backoff import pause
from streams.delivery.errors import DeliveryError
from streams.delivery.settings import Target

_LOG = logging.getLogger(__name__)
_RETRY_S = 1.0
_HOUR_MS = 3_600_000
_decode = msgspec.json.Decoder(Alert).decode

Bury = Callable[[bytes], Awaitable[object]]
"""Puts a dead letter on dns.dead and returns when the broker has it."""


class Receiver(Protocol):
    """A kind of target."""

    async def send(self, alert: Alert) -> None:
        """One attempt. Raises DeliveryError."""

    async def close(self) -> None:
        """Let go of connections."""


class Route:
    """Delivers to one target, an alert after the other, in order.

    Args:
        target: its settings.
        receiver: what speaks to it.
        kafka: the broker.
        bury: see Bury.
        history_s: how old an alert may be when the target is new.

    Attributes:
        delivered, buried: how many.
        assigned: set while the group has given this process the topic.
    """

    def __init__(self, target: Target, receiver: Receiver, kafka: KafkaSettings, bury: Bury, history_s: float) -> None:
        self._target, self._receiver, self._kafka, self._bury = target, receiver, kafka, bury
        self._oldest = datetime.now(UTC) - timedelta(seconds=history_s)
        self._new: bool | None = None  # whether the group had no position when this process met it
        self.delivered = self.buried = 0
        self.assigned = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled; a broker that is away is waited for."""
        try:
            while True:
                with contextlib.suppress(KafkaError, OSError):
                    await self._follow()
                await asyncio.sleep(_RETRY_S)
        finally:
            await self._receiver.close()

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            ALERTS.name,
            bootstrap_servers=self._kafka.bootstrap,
            group_id=f"nameward-delivery-{self._target.name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(self._kafka.session_seconds * 1000),
            heartbeat_interval_ms=int(min(3.0, self._kafka.session_seconds / 3) * 1000),
            rebalance_timeout_ms=int(self._kafka.rebalance_seconds * 1000),
            max_poll_interval_ms=_HOUR_MS,  # a target may be away for long; heartbeats say that this process is not
        )
        try:
            await consumer.start()
            while True:
                batches = await consumer.getmany(timeout_ms=500, max_records=100)
                if consumer.assignment():
                    self.assigned.set()
                for place, records in batches.items():
                    await self._take(consumer, place, records)
        finally:
            await consumer.stop()

    async def _take(self, consumer: AIOKafkaConsumer, place: TopicPartition, records: Iterable[ConsumerRecord]) -> None:
        if self._new is None:
            self._new = await consumer.committed(place) is None
        for record in records:
            alert = self._alert(record)
            if alert and self._target.wants(alert) and not (self._new and alert.changed < self._oldest):
                await self._deliver(record, alert)
                await consumer.commit({place: record.offset + 1})
        await consumer.commit({place: record.offset + 1})

    def _alert(self, record: ConsumerRecord) -> Alert | None:
        try:
            return _decode(record.value or b"")
        except msgspec.MsgspecError as error:
            # Everybody who reads the topic meets it: the sink is the one who puts it on dns.dead.
            _LOG.warning("%s offset %d is no alert and is passed over: %s", record.topic, record.offset, error)
            return None

    async def _deliver(self, record: ConsumerRecord, alert: Alert) -> None:
        """Until the target has it, or it lies on dns.dead."""
        error = DeliveryError("")
        for attempt in range(1, self._target.attempts + 1):
            try:
                await self._receiver.send(alert)
            except DeliveryError as failure:
                error = failure
            else:
                self.delivered += 1
                return
            _LOG.warning("delivery %s, attempt %d: %s", self._target.name, attempt, error)
            if error.final or attempt == self._target.attempts:
                break
            await asyncio.sleep(pause(attempt, error.after_s, random.random()))
        self.buried += 1
        told = f"delivery {self._target.name} gave up after {attempt} attempts: {error}"
        letter = dead_letter(
            record.topic, record.partition, record.offset, error=told, value=record.value, now=datetime.now(UTC)
        )
        await self._bury(encode_signal(letter))
