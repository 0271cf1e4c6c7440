"""What this worker runs -> policy.status: after each swap, and every few seconds as a sign of life.

Stands beside the path. Status is told when it can be and forgotten when not: the next one says it all again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from resolver.policy.store import PolicyStore
from schemas.signals import PolicyStatus, encode_signal
from schemas.topics import STATUS

_EVERY_S = 5.0
_PATIENCE_S = 5.0
_FAREWELL_S = 1.0
_RETRY_S = 1.0


class StatusPublisher:
    """Tells what a store has in force.

    Args:
        store: to tell about.
        name: of this resolver worker.
        epoch: start of this process, Unix milliseconds.
        bootstrap: host:port of the broker.
        clock: Unix seconds.

    Attributes:
        due: set it to have the status told at once.
    """

    def __init__(
        self, store: PolicyStore, *, name: str, epoch: int, bootstrap: str, clock: Callable[[], float]
    ) -> None:
        self.due = asyncio.Event()
        self._store = store
        self._name = name
        self._epoch = epoch
        self._bootstrap = bootstrap
        self._clock = clock

    async def run(self) -> None:
        """Tell until cancelled, and then that this worker has stopped."""
        await self.due.wait()  # the topics are there; asking for them earlier might make a broker make them up
        while True:
            producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, request_timeout_ms=int(_PATIENCE_S * 1000))
            try:
                await producer.start()
                await self._tell_for_ever(producer)
            except asyncio.CancelledError:
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    await asyncio.wait_for(self._tell(producer, stopped=True), _FAREWELL_S)
                raise
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(_RETRY_S)
            finally:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(producer.stop(), _FAREWELL_S)

    async def _tell_for_ever(self, producer: AIOKafkaProducer) -> None:
        while True:
            self.due.clear()
            # Not wait_for: it may swallow a cancellation that comes together with the event (Python 3.11).
            async with asyncio.timeout(_PATIENCE_S):
                await self._tell(producer, stopped=False)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self.due.wait()

    async def _tell(self, producer: AIOKafkaProducer, *, stopped: bool) -> None:
        status = PolicyStatus(
            resolver=self._name,
            epoch=self._epoch,
            time=datetime.fromtimestamp(self._clock(), UTC),
            policy_version=self._store.version,
            objects=len(self._store.objects),
            objects_offset=self._store.objects_offset,
            overlays_offset=self._store.overlays_offset,
            refused=tuple(self._store.refusals),
            stopped=stopped,
        )
        await producer.send_and_wait(STATUS.name, encode_signal(status), key=self._name.encode(), partition=0)
