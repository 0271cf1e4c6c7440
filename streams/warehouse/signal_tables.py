"""Where the records of each topic go: one table of tables. What their cells hold is signal_rows.py's business."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from schemas.signals import Alert, Binding, ContextSignal, Telemetry
from schemas.topics import ALERTS, BINDINGS, CONTEXT, OBJECTS, ORDERS, OVERLAYS, STATUS, TELEMETRY
from streams.warehouse.signal_rows import (
    SignalTable,
    named,
    object_cells,
    order_cells,
    overlay_cells,
    schema_of,
    status_cells,
)

_TEXTS = pa.list_(pa.string())
_MS, _US = pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="UTC")
_TOP = pa.list_(pa.struct([("item", pa.string()), ("count", pa.uint64()), ("error", pa.uint64())]))
_NUMBER, _TEXT = pa.uint64(), pa.string()

SIGNAL_TABLES: Mapping[str, SignalTable] = {
    TELEMETRY.name: SignalTable(
        "nameward.telemetry",
        schema_of(
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
            newly_observed=_NUMBER,
            dropped=pa.map_(_TEXT, _NUMBER),
            bounds=pa.map_(_TEXT, pa.float64()),
            body=_TEXT,
        ),
        named(Telemetry),
    ),
    ALERTS.name: SignalTable(
        "nameward.alerts",
        schema_of(
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
            parent=_TEXT,
            muted=_TEXT,
            ending=_TEXT,
            body=_TEXT,
        ),
        named(Alert),
    ),
    CONTEXT.name: SignalTable(
        "nameward.context_signals",
        schema_of(
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
        named(ContextSignal),
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
                ("ended.id", _TEXTS),
                ("ended.created", pa.list_(_US)),
                ("ended.ended", pa.list_(_US)),
                ("ended.ending", _TEXTS),
                ("body", _TEXT),
                ("version", _NUMBER),
            ]
        ),
        overlay_cells,
    ),
    OBJECTS.name: SignalTable(
        "nameward.policy_objects",
        schema_of(key=_TEXT, kind=_TEXT, name=_TEXT, deleted=pa.uint8(), changed=_MS, body=_TEXT),
        object_cells,
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
        status_cells,
    ),
    ORDERS.name: SignalTable(
        "nameward.alert_orders",
        schema_of(tenant=_TEXT, id=_TEXT, revoked=pa.uint8(), changed=_MS, body=_TEXT),
        order_cells,
    ),
    BINDINGS.name: SignalTable(
        "nameward.bindings",
        schema_of(
            tenant=_TEXT,
            workload=_TEXT,
            client=_TEXT,
            name=_TEXT,
            address=_TEXT,
            until=_US,
            source=_TEXT,
            body=_TEXT,
        ),
        named(Binding),
    ),
}
"""Topic -> its table."""

KEPT_TOMBSTONES = frozenset({OBJECTS.name, ORDERS.name})
"""Topics whose tombstones are rows; elsewhere a tombstone says nothing worth keeping."""
