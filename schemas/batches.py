"""Many events <-> one Arrow IPC stream, the value of one record on ``dns.events``.

The header travels in the Arrow schema's metadata, so that the message stays a plain Arrow stream which ClickHouse's
own Kafka engine (format ArrowStream) reads. This module must not know Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

import msgspec
import pyarrow as pa

from schemas.events import SCHEMA, AnswerRecord, AuditVerdict, QueryEvent

VERSION = 1
_META_KEY = b"nameward.batch"


class BatchError(ValueError):
    """A record on dns.events that is not a batch of this contract."""


class BatchHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the sink needs to know of a batch without reading its rows.

    Args:
        source: resolver worker, e.g. ``r1``.
        epoch: Unix milliseconds at which that worker process started.
        first_sequence: sequence of the first row; rows count on from there without a gap.
        count: rows in the batch; 0 in a heartbeat that only carries the counters.
        partition: partition of dns.events the batch was cut for.
        offered: events this (source, epoch) had to publish until now.
        dropped: of these, how many were given up and will never be published, exactly.
        acknowledged: of these, how many the broker had acknowledged when the batch was made.
        closed: true in the last word about an epoch (clean end, or its successor reporting for a killed worker).
        version: version of this contract.
    """

    source: str
    epoch: int
    first_sequence: int
    count: int
    partition: int
    offered: int = 0
    dropped: int = 0
    acknowledged: int = 0
    closed: bool = False
    version: int = VERSION


_encode_header = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(BatchHeader).decode


def encode_batch(header: BatchHeader, columns: pa.RecordBatch, *, compression: str | None = "lz4") -> bytes:
    """Serialize one batch.

    Args:
        header: see BatchHeader; ``count`` must equal ``columns.num_rows``.
        columns: rows in the order of events.SCHEMA.
        compression: ``lz4``, ``zstd`` or None.

    Raises:
        BatchError: if count and rows disagree.
    """
    if header.count != columns.num_rows:
        raise BatchError(f"header counts {header.count} events, the batch holds {columns.num_rows}")
    schema = columns.schema.with_metadata({_META_KEY: _encode_header(header)})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        writer.write_batch(columns.replace_schema_metadata(schema.metadata))
    return bytes(sink.getvalue())


def decode_batch(value: bytes) -> tuple[BatchHeader, pa.RecordBatch]:
    """Read one record of dns.events.

    Raises:
        BatchError: if the bytes are not an Arrow stream with our header and schema.
    """
    try:
        reader = pa.ipc.open_stream(value, options=pa.ipc.IpcReadOptions(use_threads=False))
        header = _decode_header((reader.schema.metadata or {}).get(_META_KEY, b""))
        columns = reader.read_next_batch()
    except (pa.ArrowException, msgspec.MsgspecError, StopIteration, OSError, UnicodeError) as error:
        # UnicodeError: names of a damaged schema are decoded by Python, not by Arrow
        raise BatchError(f"not a batch of query events: {error}") from error
    if header.version != VERSION:
        raise BatchError(f"batch version {header.version}, this program reads {VERSION}")
    if not columns.schema.equals(SCHEMA):
        raise BatchError("columns of the batch differ from the schema of query events")
    if columns.num_rows != header.count:
        raise BatchError(f"header counts {header.count} events, the batch holds {columns.num_rows}")
    return header, columns


def columns_of(events: list[QueryEvent]) -> pa.RecordBatch:
    """Columns of events given as values; for tests, imports and examples, not for the resolver's flush."""
    arrays: list[pa.Array] = []
    for field in SCHEMA:
        rows = [_cell(event, field.name) for event in events]
        if pa.types.is_dictionary(field.type):
            arrays.append(pa.array(rows, pa.string()).dictionary_encode().cast(field.type))
        else:
            arrays.append(pa.array(rows, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _cell(event: QueryEvent, name: str) -> object:
    group, _, part = name.partition(".")
    value = getattr(event, group)
    if part:
        return [getattr(item, part) for item in value]
    return list(value.items()) if isinstance(value, dict) else value


def events_of(columns: pa.RecordBatch) -> Iterator[QueryEvent]:
    """Rows as values, for people and tests."""
    for row in columns.to_pylist():
        answers = zip(row.pop("answers.type"), row.pop("answers.data"), row.pop("answers.ttl"), strict=True)
        audits = zip(row.pop("audits.rule"), row.pop("audits.verdict"), row.pop("audits.tier"), strict=True)
        row["answers"] = tuple(AnswerRecord(*item) for item in answers)
        row["audits"] = tuple(AuditVerdict(*item) for item in audits)
        row["labels"] = dict(row["labels"])
        row["tags"] = tuple(row["tags"])
        row["time"] = row["time"].astimezone(UTC)
        yield QueryEvent(**row)
