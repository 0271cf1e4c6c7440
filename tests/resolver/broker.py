"""A broker in memory that can be away, slow, forgetful of acknowledgements and particular about sizes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import pyarrow as pa

from resolver.delivery import TooLargeError, UndeliveredError
from schemas.batches import BatchHeader, decode_batch


@dataclass
class MemoryBroker:
    """Transport and broker in one.

    Attributes:
        present: set while it answers.
        swallow: so many messages are stored, their acknowledgements lost.
        largest: bytes of the largest message taken.
        log: messages stored, by partition.
    """

    count: int = 4
    swallow: int = 0
    largest: int = 2**30
    present: asyncio.Event = field(default_factory=asyncio.Event)
    log: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    on_its_way: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    async def start(self) -> int:
        """Connect."""
        if not self.present.is_set():
            raise UndeliveredError("nobody there")
        return self.count

    async def send(self, partition: int, value: bytes) -> None:
        """Store, unless something is in the way."""
        self.on_its_way[partition] += 1
        assert self.on_its_way[partition] == 1, "two batches on their way in one partition"
        try:
            await asyncio.sleep(0)
            if not self.present.is_set():
                raise UndeliveredError("nobody there")
            if len(value) > self.largest:
                raise TooLargeError
            self.log[partition].append(value)
            if self.swallow:
                self.swallow -= 1
                raise UndeliveredError("acknowledgement lost")
        finally:
            self.on_its_way[partition] -= 1

    def partitions(self) -> int:
        """As many as there are."""
        return self.count

    async def stop(self) -> None:
        """Nothing to do."""

    def batches(self) -> list[tuple[int, BatchHeader, pa.RecordBatch]]:
        """Everything stored: partition, header, rows; in order within a partition."""
        return [(partition, *decode_batch(value)) for partition, values in sorted(self.log.items()) for value in values]

    def sequences(self, epoch: int) -> list[int]:
        """Sequences stored for an epoch, repetitions included, sorted."""
        found: list[int] = []
        for _, header, rows in self.batches():
            if header.epoch == epoch:
                found += rows["sequence"].to_pylist()
        return sorted(found)

    def last_word(self, epoch: int) -> BatchHeader:
        """The closing header of an epoch; fails unless there is exactly one."""
        (closing,) = [header for _, header, _ in self.batches() if header.closed and header.epoch == epoch]
        return closing
