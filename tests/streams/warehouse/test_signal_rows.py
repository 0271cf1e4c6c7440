"""Every golden message lands in its table and can be read back; the same message twice is one row."""

from __future__ import annotations

from importlib.resources import files

import msgspec
import pytest

from schemas.signals import Overlay, encode_signal
from schemas.topics import ALERTS, BINDINGS, CONTEXT, OBJECTS, ORDERS, OVERLAYS, STATUS, TELEMETRY
from streams.warehouse import learnt
from streams.warehouse.embedded import Embedded
from streams.warehouse.signal_rows import Record
from streams.warehouse.signal_tables import SIGNAL_TABLES


def golden(topic: str) -> bytes:
    """The example message of a topic (the first, where there are several)."""
    value = files("schemas").joinpath("examples", f"{topic}.v1.json").read_bytes()
    several = msgspec.json.decode(value)
    return msgspec.json.encode(several[0]) if isinstance(several, list) else value


def put(warehouse: Embedded, topic: str, *records: Record) -> None:
    """Insert records as the sink does."""
    table = SIGNAL_TABLES[topic]
    warehouse.insert_arrow(table.name, table.rows(records))


@pytest.mark.parametrize("topic", [t.name for t in (TELEMETRY, ALERTS, CONTEXT, OVERLAYS, OBJECTS, STATUS, ORDERS, BINDINGS)])
def test_a_message_twice_is_one_row(embedded: Embedded, topic: str) -> None:
    """Replays do no harm."""
    record = Record(key="Tenant/acme/acme", value=golden(topic), time_ms=1_780_000_000_000, offset=4)
    put(embedded, topic, record)
    put(embedded, topic, record, record)
    assert embedded.query(f"SELECT toInt64(count()) FROM {SIGNAL_TABLES[topic].name} FINAL") == [(1,)]


def test_columns_hold_what_the_message_says(embedded: Embedded) -> None:
    """Maps, top lists and times are columns, not text."""
    message = msgspec.json.decode(golden(TELEMETRY.name))
    put(embedded, TELEMETRY.name, Record("acme", golden(TELEMETRY.name), 1, 1))
    item, count = message["top_names"][0]["item"], message["top_names"][0]["count"]
    name, number = next(iter(message["counts"].items()))
    rows = embedded.query(
        "SELECT toInt64(queries), toInt64(counts[{name:String}]), top_names[1].item, toInt64(top_names[1].count), body"
        " FROM nameward.telemetry",
        {"name": name},
    )
    assert rows == [(message["queries"], number, item, count, golden(TELEMETRY.name).decode())]


def test_the_later_object_counts_and_a_tombstone_deletes(embedded: Embedded) -> None:
    """By time, then by offset."""
    value = golden(OBJECTS.name)
    key = "Tenant/acme/acme"
    put(embedded, OBJECTS.name, Record(key, value, 1000, 7), Record("Tenant/b/b", value, 1000, 8))
    assert set(learnt.objects(embedded)) == {key, "Tenant/b/b"}
    put(embedded, OBJECTS.name, Record("Tenant/b/b", None, 1000, 9), Record(key, value, 900, 99))
    assert set(learnt.objects(embedded)) == {key}


def test_the_last_overlay_of_a_tenant_is_remembered(embedded: Embedded) -> None:
    """Whole, with its entries."""
    overlay = msgspec.json.decode(golden(OVERLAYS.name), type=Overlay)
    newer = msgspec.structs.replace(overlay, revision=overlay.revision + 1, entries=())
    put(embedded, OVERLAYS.name, Record(overlay.tenant, encode_signal(overlay), 5, 1))
    assert learnt.overlays(embedded) == {overlay.tenant: overlay}
    put(embedded, OVERLAYS.name, Record(overlay.tenant, encode_signal(newer), 6, 2))
    assert learnt.overlays(embedded) == {overlay.tenant: newer}


def test_a_value_that_is_not_what_the_topic_says_is_refused() -> None:
    """By name of the field."""
    with pytest.raises(msgspec.MsgspecError, match="tenant"):
        SIGNAL_TABLES[ALERTS.name].rows([Record("acme", b'{"tenant": 5}', 1, 1)])
