"""Rows on their way into and out of tables: the columns of an insert, and signals as rows of their tables.

Pure: values in, Arrow columns out. Must not know how an engine is reached.
"""

from __future__ import annotations

import json

import pyarrow as pa

from streams.warehouse import Row


def insert_statement(table: str, names: list[str]) -> str:
    """``INSERT INTO table (columns)`` with quoted names."""
    return f"INSERT INTO {table} ({', '.join(f'`{name}`' for name in names)})"


def arrow_stream(columns: pa.RecordBatch, compression: str | None = None) -> pa.Buffer:
    """One Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, columns.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(columns)
    return sink.getvalue()


def rows_of(json_compact: bytes) -> list[Row]:
    """Rows of a JSONCompact result."""
    return [tuple(row) for row in json.loads(json_compact)["data"]] if json_compact else []
