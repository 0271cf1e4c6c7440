"""dns.events as the command line writes it: rows of one source and epoch, in order, with the counters of the ledger.

What the resolver's publisher does for live queries, for events that are all there already: nothing is dropped, one
batch is on its way at a time, and the last word closes the epoch. Must not know where events come from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from compose.failure import Failure
from compose.policy_topic import producing
from resolver.columns import columns
from resolver.lanes import encode_counters
from resolver.rows import Rows, cut
from schemas.batches import BatchHeader, encode_batch
from schemas.topics import EVENTS, partition_of


class EventWriter:
    """Writes the events of one (source, epoch).

    Args:
        producer: started.
        partitions: of dns.events.

    Attributes:
        sent: events the broker has.
    """

    def __init__(self, producer: AIOKafkaProducer, source: str, epoch: int, partitions: int) -> None:
        self._producer, self._source, self._epoch, self._partitions = producer, source, epoch, partitions
        self.sent = 0

    async def send(self, tenant: str, events: Rows) -> None:
        """Write rows of one tenant; the broker has them on return.

        Raises:
            KafkaError: if it does not take them.
        """
        partition = partition_of(tenant, self._partitions)
        header = self._header(partition, len(events), self.sent + len(events))
        try:
            await self._write(_encoded(header, events), partition)
        except MessageSizeTooLargeError:
            if len(events) < 2:
                raise
            for half in cut(events, (len(events) + 1) // 2):
                await self.send(tenant, half)
            return
        self.sent += len(events)

    async def close(self) -> None:
        """Say that the epoch is complete."""
        await self._write(encode_counters(self._header(0, 0, self.sent, closed=True)), 0)

    def _header(self, partition: int, count: int, offered: int, *, closed: bool = False) -> BatchHeader:
        return BatchHeader(
            source=self._source,
            epoch=self._epoch,
            first_sequence=self.sent,
            count=count,
            partition=partition,
            offered=offered,
            acknowledged=self.sent,
            closed=closed,
        )

    async def _write(self, value: bytes, partition: int) -> None:
        await self._producer.send_and_wait(EVENTS.name, value, partition=partition)


@asynccontextmanager
async def writing(bootstrap: str, source: str, epoch: int) -> AsyncIterator[EventWriter]:
    """A writer of events; the epoch is closed at the end, but not after an error: then the same may be written again.

    Raises:
        Failure: if no broker answers, has no topic of events, or does not take what is sent.
    """
    async with producing(bootstrap) as producer:
        partitions = await producer.partitions_for(EVENTS.name)
        if not partitions:
            raise Failure(f"the broker at {bootstrap} has no topic {EVENTS.name}: start the stack with `nameward up`")
        writer = EventWriter(producer, source, epoch, len(partitions))
        yield writer
        await writer.close()


def _encoded(header: BatchHeader, events: Rows) -> bytes:
    made = columns(
        events,
        source=header.source,
        epoch=header.epoch,
        partition=header.partition,
        first_sequence=header.first_sequence,
    )
    return encode_batch(header, made)
