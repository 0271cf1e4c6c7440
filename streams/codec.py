"""Bytes of dns.events -> a batch that can be trusted, and what is said on dns.dead about bytes that cannot.

Stands between Kafka and everything else: past this point rows agree with their header. Knows neither Faust nor clocks.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from schemas.batches import BatchError, BatchHeader, decode_batch
from schemas.signals import DeadLetter

_KEPT = 64 * 1024


def read_batch(value: bytes | None) -> tuple[BatchHeader, pa.RecordBatch]:
    """Decode and check one record of dns.events.

    Raises:
        BatchError: says what is wrong with it.
    """
    if value is None:
        raise BatchError("a record without a value")
    header, columns = decode_batch(value)
    try:
        columns.validate(full=True)
    except pa.ArrowException as error:
        raise BatchError(f"columns are damaged: {error}") from error
    if header.count:
        _check_numbering(header, columns)
    return header, columns


def _check_numbering(header: BatchHeader, columns: pa.RecordBatch) -> None:
    """Rows must carry the header's source, epoch and partition, and count on from its first sequence."""
    first = {name: columns.column(name)[0].as_py() for name in ("source", "epoch", "partition", "sequence")}
    last = columns.column("sequence")[-1].as_py()
    named = (header.source, header.epoch, header.partition, header.first_sequence)
    if tuple(first.values()) != named or last != header.first_sequence + header.count - 1:
        raise BatchError(f"rows say {first} to {last}, the header {named} and {header.count} events")


def dead_letter(
    topic: str, partition: int, offset: int, *, error: object, value: bytes | None, now: datetime
) -> DeadLetter:
    """What goes to dns.dead: the origin, the reason and the first 64 KiB."""
    return DeadLetter(
        topic=topic, partition=partition, offset=offset, error=str(error), time=now, value=(value or b"")[:_KEPT]
    )
