"""The process that delivers: one route a target, a producer for what is dead; ``ready`` once every group has formed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.topics import DEAD
from streams.config import ConfigError, KafkaSettings
from streams.delivery.file import File
from streams.delivery.route import Receiver, Route
from streams.delivery.settings import DeliverySettings, Target, secret_of
from streams.delivery.syslog import Syslog
from streams.delivery.webhook import Webhook

_LOG = logging.getLogger(__name__)
_RETRY_S = 1.0


def receiver_of(target: Target) -> Receiver:
    """What speaks to a target.

    Raises:
        ConfigError: its secret or its certificates cannot be read.
    """
    try:
        if target.kind == "webhook":
            return Webhook(target, secret_of(target), lambda: datetime.now(UTC))
        return Syslog(target) if target.kind == "syslog" else File(target)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"delivery {target.name}: ca_file {target.ca_file}: {error.strerror or error}") from error


async def run(settings: DeliverySettings, kafka: KafkaSettings) -> None:
    """Deliver until SIGTERM or SIGINT.

    Raises:
        ConfigError: a secret or certificates cannot be read.
    """
    receivers = [(target, receiver_of(target)) for target in settings.deliveries]
    graveyard = Graveyard(kafka)
    routes = [Route(target, one, kafka, graveyard.bury, settings.history_seconds) for target, one in receivers]
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    working = [asyncio.create_task(route.run()) for route in routes]
    working.append(asyncio.create_task(_say_ready(routes)))
    ending = asyncio.create_task(over.wait())
    await asyncio.wait([ending, *working[:-1]], return_when=asyncio.FIRST_COMPLETED)
    await _end([ending, *working])
    await graveyard.close()


async def _say_ready(routes: Iterable[Route]) -> None:
    for route in routes:
        await route.assigned.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()


async def _end(tasks: Iterable[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


class Graveyard:
    """Writes to dns.dead; a broker that is away is waited for, since nothing may be lost in between."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()

    async def bury(self, letter: bytes) -> None:
        """Return when the broker has it."""
        async with self._turn:
            while True:
                try:
                    producer = await self._started()
                    await producer.send_and_wait(DEAD.name, letter)
                except (KafkaError, OSError) as error:
                    _LOG.warning("%s cannot be written, trying again: %s", DEAD.name, type(error).__name__)
                    await self.close()
                    await asyncio.sleep(_RETRY_S)
                else:
                    return

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._kafka.bootstrap, acks="all", max_batch_size=self._kafka.batch_bytes
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def close(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with contextlib.suppress(KafkaError, OSError):
                await producer.stop()
