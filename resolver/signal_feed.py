"""dns.context -> store: follow the topic of context signals from its beginning.

Stands beside policy_feed.py with a connection of its own, since the topic is long and policy must not wait for it.
A signal that cannot be read is told once and counted; the rest goes on. This module must not know what signals mean.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from resolver.policy.store import PolicyStore
from resolver.policy_place import Place
from resolver.topic_reader import topic_reader
from schemas.signals import ContextSignal
from schemas.topics import CONTEXT

_LOG = logging.getLogger(__name__)
_CHECK_S = 5.0
_POLL_MS = 1000
_AT_ONCE = 250
_RETRY_S = 2.0
_decode = msgspec.json.Decoder(ContextSignal).decode


class SignalFeed:
    """Keeps a store's signals up to date; the swaps they need are the policy feed's.

    Args:
        store: to fill.
        bootstrap: host:port of the broker.
        clock: Unix seconds.
    """

    def __init__(self, store: PolicyStore, *, bootstrap: str, clock: Callable[[], float]) -> None:
        self._store, self._bootstrap, self._clock = store, bootstrap, clock
        # a broker that forgot what was said does not make it untrue: signals end by themselves
        self._place = Place(TopicPartition(CONTEXT.name, 0), self._put, lambda: None)
        self._told = 0

    async def run(self) -> None:
        """Follow the topic until cancelled; a broker that is away is waited for."""
        while True:
            consumer = topic_reader(self._bootstrap)
            try:
                await consumer.start()
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                _LOG.debug("signals: broker %s is away: %s", self._bootstrap, error)
            finally:
                await consumer.stop()
            await asyncio.sleep(_RETRY_S)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while CONTEXT.name not in await consumer.topics():  # noqa: ASYNC110 - only the broker knows
            await asyncio.sleep(_RETRY_S)
        consumer.assign([self._place.partition])
        await self._begin(consumer)
        check = self._clock() + _CHECK_S
        while True:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)).values():
                if not all(self._place.take(record) for record in records):
                    await self._begin(consumer)
                else:
                    self._place.deliver()
            if self._clock() >= check and self._place.last is not None:
                # What was read last must come again; a broker that forgot it says something else at that place, or
                # that there is no such place, upon which its beginning comes. Its end is no help: the embedded broker
                # counts batches there.
                consumer.seek(self._place.partition, self._place.last[0])
                check = self._clock() + _CHECK_S

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        self._place.begin(0)
        await consumer.seek_to_beginning(self._place.partition)

    def _put(self, key: str, value: bytes | None) -> None:
        signals = self._store.signals
        try:
            self._store.put_signal(_decode(value or b""), self._clock())
        except ValueError as error:  # msgspec's errors too
            if not signals.refused:
                _LOG.warning("refused a signal of %r on %s (more are only counted): %s", key, CONTEXT.name, error)
            signals.refused += 1
        if signals.dropped and not self._told:
            self._told = signals.dropped
            _LOG.warning("too many signals: those that expire first make room (more are only counted)")
