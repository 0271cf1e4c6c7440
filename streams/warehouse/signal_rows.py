"""Telemetry, alerts, context signals, overlays, policy objects and resolver status as rows of their tables.

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

from schemas.signals import Alert, ContextSignal, Overlay, PolicyStatus, Telemetry
from schemas.topics import ALERTS, CONTEXT, OBJECTS, OVERLAYS, STATUS, TELEMETRY

_TEXTS = pa.list_(pa.string())
_MS, _US = pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="UTC")
_TOP = pa.list_(pa.struct([("item", pa.string()), ("count", pa.uint64()), ("error", pa.uint64())]))
_NUMBER, _TEXT = pa.uint64(), pa.string()


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


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([*columns.items(), ("version", pa.uint64())])


def _named(kind: type[msgspec.Struct]) -> Callable[[Record], Mapping[str, Any]]:
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


def _overlay(record: Record) -> Mapping[str, Any]:
    overlay = msgspec.json.decode(record.value or b"", type=Overlay)
    names = ("id", "pattern", "action", "mode", "severity", "reason", "detector", "created", "expires")
    columns = {f"entries.{name}": [getattr(entry, name) for entry in overlay.entries] for name in names}
    return {
        "tenant": overlay.tenant,
        "revision": overlay.revision,
        "changed": overlay.changed,
        **columns,
        "body": (record.value or b"").decode(),
    }


def _status(record: Record) -> Mapping[str, Any]:
    status = msgspec.json.decode(record.value or b"", type=PolicyStatus)
    refused = {
        "refused.key": [item.key for item in status.refused],
        "refused.error": [item.error for item in status.refused],
    }
    return {**msgspec.structs.asdict(status), **refused, "stopped": int(status.stopped)}


def _object(record: Record) -> Mapping[str, Any]:
    kind, _, rest = record.key.partition("/")
    return {
        "key": record.key,
        "kind": kind,
        "name": rest.partition("/")[2],
        "deleted": int(record.value is None),
        "changed": datetime.fromtimestamp(record.time_ms / 1000, UTC),
        "body": (record.value or b"").decode(),
    }


SIGNAL_TABLES: Mapping[str, SignalTable] = {
    TELEMETRY.name: SignalTable(
        "nameward.telemetry",
        _schema(
            tenant=_TEXT,
            workload=_TEXT,
            window_start=_MS,
            window_seconds=_NUMBER,
            queries=_NUMBER,
            bytes_in=_NUMBER,
            bytes_out=_NUMBER,
            counts=pa.map_(_TEXT, _NUMBER),
            clients=pa.float64(),
            names=pa.float64(),
            latency_us=pa.map_(_TEXT, pa.float64()),
            top_names=_TOP,
            top_domains=_TOP,
            top_clients=_TOP,
            top_denied=_TOP,
            body=_TEXT,
        ),
        _named(Telemetry),
    ),
    ALERTS.name: SignalTable(
        "nameward.alerts",
        _schema(
            tenant=_TEXT,
            id=_TEXT,
            revision=_NUMBER,
            detector=_TEXT,
            subject=_TEXT,
            state=_TEXT,
            severity=_TEXT,
            severity_reason=_TEXT,
            title=_TEXT,
            first_seen=_US,
            last_seen=_US,
            changed=_US,
            samples=_TEXTS,
            workloads=_TEXTS,
            clients=_TEXTS,
            body=_TEXT,
        ),
        _named(Alert),
    ),
    CONTEXT.name: SignalTable(
        "nameward.context_signals",
        _schema(
            tenant=_TEXT,
            kind=_TEXT,
            subject=_TEXT,
            value=_TEXT,
            source=_TEXT,
            reason=_TEXT,
            created=_US,
            expires=_US,
            body=_TEXT,
        ),
        _named(ContextSignal),
    ),
    OVERLAYS.name: SignalTable(
        "nameward.overlays",
        pa.schema(
            [
                ("tenant", _TEXT),
                ("revision", _NUMBER),
                ("changed", _US),
                *(
                    (f"entries.{name}", _TEXTS)
                    for name in ("id", "pattern", "action", "mode", "severity", "reason", "detector")
                ),
                ("entries.created", pa.list_(_US)),
                ("entries.expires", pa.list_(_US)),
                ("body", _TEXT),
                ("version", _NUMBER),
            ]
        ),
        _overlay,
    ),
    OBJECTS.name: SignalTable(
        "nameward.policy_objects",
        _schema(key=_TEXT, kind=_TEXT, name=_TEXT, deleted=pa.uint8(), changed=_MS, body=_TEXT),
        _object,
    ),
    STATUS.name: SignalTable(
        "nameward.policy_status",
        pa.schema(
            [
                ("resolver", _TEXT),
                ("epoch", _NUMBER),
                ("time", _US),
                ("policy_version", _TEXT),
                ("objects", _NUMBER),
                ("objects_offset", pa.int64()),
                ("overlays_offset", pa.int64()),
                ("refused.key", _TEXTS),
                ("refused.error", _TEXTS),
                ("stopped", pa.uint8()),
                ("version", _NUMBER),
            ]
        ),
        _status,
    ),
}
