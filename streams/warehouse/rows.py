"""Rows on their way into and out of tables: the columns of an insert, the bytes of a result.

Pure: values in, Arrow columns or rows out. Must not know how an engine is reached.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from streams.warehouse import Row, Settings

_DAY = pa.field("day", pa.date32())


def event_rows(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """One insert of query_events: rows of several batches, with the column ``day`` (UTC day of the latest event)."""
    table = pa.Table.from_batches(list(batches)).unify_dictionaries().combine_chunks()
    merged = table.to_batches()[0]
    latest = pc.max(merged.column("time")).as_py().astimezone(UTC).date()
    return merged.add_column(0, _DAY, pa.array([latest] * merged.num_rows, pa.date32()))


def counter_rows(counters: Sequence[tuple[str, int, int, int, int, bool]], now: datetime) -> pa.RecordBatch:
    """Rows of source_counters from (source, epoch, offered, dropped, acknowledged, closed)."""
    source, epoch, offered, dropped, acknowledged, closed = zip(*counters, strict=True)
    return pa.record_batch(
        {
            "source": pa.array(source, pa.string()),
            "epoch": pa.array(epoch, pa.uint64()),
            "offered": pa.array(offered, pa.uint64()),
            "dropped": pa.array(dropped, pa.uint64()),
            "acknowledged": pa.array(acknowledged, pa.uint64()),
            "closed": pa.array([int(word) for word in closed], pa.uint8()),
            "updated": pa.array([now] * len(counters), pa.timestamp("ms", tz="UTC")),
        }
    )


def insert_statement(table: str, names: Sequence[str], settings: Settings | None = None) -> str:
    """``INSERT INTO table (columns) SETTINGS ...`` with quoted names."""
    chosen = ", ".join(f"{name} = {value}" for name, value in (settings or {}).items())
    columns = ", ".join(f"`{name}`" for name in names)
    return f"INSERT INTO {table} ({columns}){f' SETTINGS {chosen}' if chosen else ''}"


def arrow_stream(columns: pa.RecordBatch, compression: str | None = None) -> pa.Buffer:
    """One Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(columns)
    return sink.getvalue()


def rows_of(json_compact: bytes) -> list[Row]:
    """Rows of a JSONCompact result."""
    return [tuple(row) for row in json.loads(json_compact)["data"]] if json_compact else []
