"""Bindings -> dns.bindings: what was learnt, told in small lots; never waited for by a query.

Stands beside the path. What the broker did not take is told again while it still holds. This module must not know how
bindings come about.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from time import time

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from resolver.bindings import Bindings
from schemas.signals import Binding, encode_signal
from schemas.topics import BINDINGS

_LOG = logging.getLogger(__name__)
_EVERY_S = 0.1
_RETRY_S = 1.0
_PATIENCE_S = 5.0
_STOP_S = 1.0


class BindingPublisher:
    """Tells what the handler notes.

    Args:
        bindings: where it is noted.
        bootstrap: host:port of the broker.
        clock: Unix seconds.

    Attributes:
        told: messages the broker has acknowledged.
    """

    def __init__(self, bindings: Bindings, bootstrap: str, *, clock: Callable[[], float] = time) -> None:
        self.told = 0
        self._bindings, self._bootstrap, self._clock = bindings, bootstrap, clock
        self._producer: AIOKafkaProducer | None = None
        self._away = False

    async def run(self) -> None:
        """Tell until cancelled. Connects when there is something to tell, so that it costs nothing where nothing is."""
        try:
            while True:
                await asyncio.sleep(_EVERY_S)
                if lot := self._bindings.take(self._clock()):
                    await self._try(lot)
        finally:
            await self._disconnect()

    async def _try(self, lot: list[tuple[str, Binding | None]]) -> None:
        try:
            await self._tell(lot)
            self._away = False
        except (KafkaError, OSError, TimeoutError) as error:
            if not self._away:
                _LOG.warning("bindings wait: broker %s is away (%s)", self._bootstrap, error)
            self._away = True
            await self._disconnect()
            await asyncio.sleep(_RETRY_S)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap, request_timeout_ms=int(_PATIENCE_S * 1000)
            )
            await self._producer.start()
        return self._producer

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(producer.stop(), _STOP_S)

    async def _tell(self, lot: list[tuple[str, Binding | None]]) -> None:
        done = 0
        try:
            producer = await self._connected()
            async with asyncio.timeout(_PATIENCE_S):
                sent = [
                    await producer.send(
                        BINDINGS.name, encode_signal(binding) if binding else None, key=key.encode(), partition=0
                    )
                    for key, binding in lot
                ]
                for acknowledged in sent:
                    await acknowledged
                    done += 1
        finally:
            self.told += done
            self._bindings.tell_again(lot[done:])
