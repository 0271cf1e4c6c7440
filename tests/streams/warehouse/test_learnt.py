"""What a stack finds again after its broker forgot everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files

import msgspec

from schemas.batches import BatchHeader
from schemas.signals import Alert, encode_signal
from schemas.topics import ALERTS
from streams.warehouse import learnt
from streams.warehouse.embedded import Embedded
from streams.warehouse.event_store import EventStore
from streams.warehouse.signal_rows import Record
from streams.warehouse.signal_tables import SIGNAL_TABLES
from tests.streams.events import batch, event

NOW = datetime.now(UTC).replace(microsecond=0)


def alert(number: int, state: str, revision: int) -> Record:
    """A record on dns.alerts."""
    example = msgspec.json.decode(
        files("schemas").joinpath("examples", f"{ALERTS.name}.v1.json").read_bytes(), type=Alert
    )
    changed = NOW - timedelta(seconds=100 - revision)
    value = msgspec.structs.replace(
        example, id=f"a{number}", tenant="acme", state=state, revision=revision, changed=changed
    )
    return Record("acme", encode_signal(value), 1000 + revision, number * 10 + revision)


def test_the_last_word_of_an_alert_counts(embedded: Embedded) -> None:
    """Open ones go on, closed ones keep their revision."""
    table = SIGNAL_TABLES[ALERTS.name]
    words = [alert(1, "open", 1), alert(1, "updated", 2), alert(2, "open", 1), alert(2, "closed", 2)]
    embedded.insert_arrow(table.name, table.rows(words))
    last = {known.id: (known.state, known.revision) for known in learnt.alerts(embedded)["acme"]}
    assert last == {"a1": ("updated", 2), "a2": ("closed", 2)}
    assert [known.id for known in learnt.open_alerts(embedded)["acme"]] == ["a1"]


def test_baselines_keep_their_newest_value(embedded: Embedded) -> None:
    """Name by name."""
    learnt.save_baselines(embedded, {"acme": {"storm/mean": 1.5, "storm/variance": 2.0}, "globex": {}}, NOW)
    learnt.save_baselines(embedded, {"acme": {"storm/mean": 3.25}}, NOW + timedelta(seconds=1))
    assert learnt.baselines(embedded) == {"acme": {"storm/mean": 3.25, "storm/variance": 2.0}}


def test_nothing_learnt_is_nothing_found(embedded: Embedded) -> None:
    """An empty warehouse is no error."""
    learnt.save_baselines(embedded, {}, NOW)
    found = (learnt.objects(embedded), learnt.overlays(embedded), learnt.alerts(embedded), learnt.baselines(embedded))
    assert found == ({}, {}, {}, {})
    assert learnt.asked(embedded) == {}


def test_what_each_tenant_has_asked_is_found_again(embedded: Embedded) -> None:
    """Registered domains, those asked last first, and since when; nothing of other tenants."""
    header = BatchHeader(source="r1", epoch=1, first_sequence=0, count=3, partition=0, offered=3, acknowledged=0)
    asked = [("acme", "old.example.com", 0.0), ("acme", "new.example.net", 60.0), ("globex", "x.example.org", 30.0)]
    events = [event(NOW.timestamp() + time, name, at, tenant=tenant) for at, (tenant, name, time) in enumerate(asked)]
    EventStore(embedded).store([(header, batch(events))])
    assert learnt.asked(embedded) == {
        "acme": (["example.net", "example.com"], NOW.timestamp()),
        "globex": (["example.org"], NOW.timestamp() + 30),
    }
