"""Messages to one topic of a Kafka broker, each to a partition of our choice, acknowledged by all replicas in sync.

The publisher's transport; the only module besides policy_feed.py that knows aiokafka. It must not know what a message
means.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from resolver.delivery import TooLargeError, UndeliveredError

_REQUEST_MS = 10_000
_LARGEST = 4 * 2**20
_STOP = 2.0


class KafkaTransport:
    """A producer for one topic.

    Args:
        bootstrap: ``host:port`` of one broker, or several with commas.
        topic: where messages go.
        client: name the broker sees.
    """

    def __init__(self, bootstrap: str, topic: str, client: str) -> None:
        self._bootstrap, self._topic, self._client = bootstrap, topic, client
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> int:
        """Connect and return the number of partitions of the topic.

        Raises:
            UndeliveredError: when there is no broker or no topic yet.
        """
        await self.stop()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            acks="all",
            request_timeout_ms=_REQUEST_MS,
            max_request_size=_LARGEST,
            max_batch_size=_LARGEST,
            metadata_max_age_ms=30_000,
        )
        try:
            await self._producer.start()
            # Asking for a topic that is missing makes many brokers make it up, with too few partitions: look first.
            known = await self._producer.client.fetch_all_metadata()
            if self._topic not in known.topics():
                raise UndeliveredError(f"{self._bootstrap}: there is no topic {self._topic} yet")  # noqa: TRY301
            return len(await self._producer.partitions_for(self._topic))
        except UndeliveredError:
            await self.stop()
            raise
        except Exception as error:  # whatever the client stumbles over, the next attempt comes
            await self.stop()
            raise UndeliveredError(f"{self._bootstrap}: {_reason(error)}") from error

    async def send(self, partition: int, value: bytes) -> None:
        """Return once the message is acknowledged.

        Raises:
            UndeliveredError: when that did not happen in time.
            TooLargeError: when it never will.
        """
        if self._producer is None:
            raise UndeliveredError("not connected")
        try:
            await self._producer.send_and_wait(self._topic, value, partition=partition)
        except MessageSizeTooLargeError as error:
            raise TooLargeError from error
        except AssertionError as error:  # aiokafka's word for a partition the topic does not have
            raise UndeliveredError(f"{self._topic} has no partition {partition}") from error
        except Exception as error:  # whatever the client stumbles over, the message is sent again
            raise UndeliveredError(f"{self._bootstrap}: {_reason(error)}") from error

    def partitions(self) -> int:
        """Number of partitions of the topic as last heard; 0 when unknown."""
        if self._producer is None:
            return 0
        return len(self._producer.client.cluster.partitions_for_topic(self._topic) or ())

    async def stop(self) -> None:
        """Disconnect; waits at most two seconds."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_STOP):
                    await producer.stop()


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
