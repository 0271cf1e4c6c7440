"""One queue per partition of dns.events: rows -> encoded batches with contiguous sequences, in order.

Stands between the buffer and Kafka. A lane has at most one batch on its way; what comes meanwhile waits here, as rows
while there are few, encoded (about a tenth of the memory) once there are enough for a batch. This module must not know
Kafka or clocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow as pa

from resolver.columns import arrays, columns
from resolver.rows import Rows, join
from schemas.batches import BatchHeader, decode_batch, encode_batch
from schemas.events import SCHEMA

_COMPRESS_FROM = 64
"""Rows from which compression pays: below, the frames' own headers outweigh it."""


@dataclass(slots=True)
class Batch:
    """One message for dns.events. count 0 carries only counters. `delivered` is called once it is acknowledged."""

    value: bytes
    count: int
    delivered: Callable[[], None] | None = None


@dataclass(slots=True)
class Lane:
    """What waits for one partition, oldest first: encoded batches, then rows."""

    partition: int
    ready: deque[Batch] = field(default_factory=deque)
    rows: deque[Rows] = field(default_factory=deque)
    waiting: int = 0
    busy: bool = False

    def add(self, rows: Rows) -> None:
        """Queue rows."""
        self.rows.append(rows)
        self.waiting += len(rows)

    def put_back(self, rows: Rows) -> None:
        """Queue rows that `next_rows` gave and that came to nothing, in front of all others."""
        self.rows.appendleft(rows)
        self.waiting += len(rows)

    def next_rows(self, most: int) -> Rows:
        """The oldest rows of a lane that has some, joined up to so many events."""
        parts = [self.rows.popleft()]
        size = len(parts[0])
        while self.rows and size + len(self.rows[0]) <= most:
            parts.append(self.rows.popleft())
            size += len(parts[-1])
        self.waiting -= size
        return join(parts)


def encode(header: BatchHeader, rows: Rows) -> Generator[None, None, Batch]:
    """Encode rows under a header that counts them; stops after each column, so that queries are answered in between."""
    made = []
    for array in arrays(
        rows, source=header.source, epoch=header.epoch, partition=header.partition, first_sequence=header.first_sequence
    ):
        made.append(array)
        yield
    batch = pa.RecordBatch.from_arrays(made, schema=SCHEMA)
    return Batch(encode_batch(header, batch, compression="lz4" if len(rows) >= _COMPRESS_FROM else None), len(rows))


def encode_counters(header: BatchHeader) -> bytes:
    """A message without rows that carries a header's counters."""
    return encode_batch(header, _no_rows(), compression=None)


@cache
def _no_rows() -> pa.RecordBatch:
    nothing = np.zeros(0, np.int64)
    return columns(Rows([], nothing, nothing, nothing, nothing), source="", epoch=0, partition=0, first_sequence=0)


def halves(batch: Batch) -> list[Batch]:
    """The same rows as two batches, for a broker that finds one too large; nothing when it cannot be cut."""
    if batch.count < 2:
        return []
    header, rows = decode_batch(batch.value)
    middle = batch.count // 2
    parts = []
    for start, count in ((0, middle), (middle, batch.count - middle)):
        part = BatchHeader(
            source=header.source,
            epoch=header.epoch,
            partition=header.partition,
            offered=header.offered,
            dropped=header.dropped,
            acknowledged=header.acknowledged,
            count=count,
            first_sequence=header.first_sequence + start,
        )
        parts.append(Batch(encode_batch(part, _compact(rows.slice(start, count))), count))
    return parts


def _compact(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with dictionaries of only what they use."""
    arrays = [
        column.dictionary_decode().dictionary_encode() if pa.types.is_dictionary(column.type) else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
