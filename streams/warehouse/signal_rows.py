"""Records of the topics as rows of their tables: how each becomes cells. signal_tables.py says which goes where.

Pure. Each row carries ``version``, made of the record's time and offset: of two rows with the same key the later
counts, so the same record may be stored any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from schemas.signals import AlertOrder, EndedEntry, Overlay, PolicyStatus


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic: key, value (None for a tombstone), time in Unix milliseconds, offset."""

    key: str
    value: bytes | None
    time_ms: int
    offset: int

    @property
    def version(self) -> int:
        """Rises with time; the offset settles what one millisecond holds."""
        return (self.time_ms << 20) | (self.offset & 0xFFFFF)


@dataclass(frozen=True, slots=True)
class SignalTable:
    """Where the records of a topic go: table, columns, and how a record becomes cells (in column order)."""

    name: str
    schema: pa.Schema
    cells: Callable[[Record], Mapping[str, Any]]

    def rows(self, records: Sequence[Record]) -> pa.RecordBatch:
        """Rows of an insert.

        Raises:
            msgspec.MsgspecError: when a value is not what the topic says.
        """
        return pa.RecordBatch.from_pylist(
            [{**self.cells(record), "version": record.version} for record in records], self.schema
        )


def schema_of(**columns: pa.DataType) -> pa.Schema:
    """Columns of a table, and its ``version``."""
    return pa.schema([*columns.items(), ("version", pa.uint64())])


def named(kind: type[msgspec.Struct]) -> Callable[[Record], Mapping[str, Any]]:
    """Cells by field name, and the message itself as ``body``."""
    decode = msgspec.json.Decoder(kind).decode

    def cells(record: Record) -> Mapping[str, Any]:
        body = record.value or b""
        value = decode(body)
        return {
            **{name: _plain(getattr(value, name)) for name in value.__struct_fields__ if name != "version"},
            "body": body.decode(),
        }

    return cells


def _plain(value: object) -> object:
    """Structs as mappings, mappings as pairs, as Arrow takes them."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, tuple):
        return [msgspec.structs.asdict(item) if isinstance(item, msgspec.Struct) else item for item in value]
    return value


def overlay_cells(record: Record) -> Mapping[str, Any]:
    """An overlay, its entries as parallel columns."""
    overlay = msgspec.json.decode(record.value or b"", type=Overlay)
    names = ("id", "pattern", "action", "mode", "severity", "reason", "detector", "created", "expires")
    columns = {f"entries.{name}": [getattr(entry, name) for entry in overlay.entries] for name in names}
    return {
        "tenant": overlay.tenant,
        "revision": overlay.revision,
        "changed": overlay.changed,
        **columns,
        **{f"ended.{name}": [getattr(end, name) for end in overlay.ended] for name in EndedEntry.__struct_fields__},
        "body": (record.value or b"").decode(),
    }


def status_cells(record: Record) -> Mapping[str, Any]:
    """What a resolver says of itself."""
    status = msgspec.json.decode(record.value or b"", type=PolicyStatus)
    refused = {
        "refused.key": [item.key for item in status.refused],
        "refused.error": [item.error for item in status.refused],
    }
    return {**msgspec.structs.asdict(status), **refused, "stopped": int(status.stopped)}


def object_cells(record: Record) -> Mapping[str, Any]:
    """An operator's object, or its end."""
    kind, _, rest = record.key.partition("/")
    return {
        "key": record.key,
        "kind": kind,
        "name": rest.partition("/")[2],
        "deleted": int(record.value is None),
        "changed": datetime.fromtimestamp(record.time_ms / 1000, UTC),
        "body": (record.value or b"").decode(),
    }


def order_cells(record: Record) -> Mapping[str, Any]:
    """An order about alerts; a tombstone revokes it.

    Raises:
        msgspec.MsgspecError: when it is no order.
    """
    if record.value is not None:
        msgspec.json.decode(record.value, type=AlertOrder)
    tenant, _, name = record.key.partition("/")
    return {
        "tenant": tenant,
        "id": name,
        "revoked": int(record.value is None),
        "changed": datetime.fromtimestamp(record.time_ms / 1000, UTC),
        "body": (record.value or b"").decode(),
    }
