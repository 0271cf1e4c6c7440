"""What is older than its tenant keeps goes, and nothing else; the ledger and the sink remember it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from schemas.objects import Metadata, Tenant, encode_object, object_key
from schemas.tenant_spec import Privacy, TenantSpec
from streams.warehouse.embedded import Embedded
from streams.warehouse.event_store import EventStore
from streams.warehouse.retention import expired, retain, retention
from streams.warehouse.rollups import check
from tests.streams.store import batch

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAYS = {"acme": 10, "globex": 60}


def fill(warehouse: Embedded) -> EventStore:
    """Both tenants 0, 20 and 40 days ago, and an account of it all."""
    events = EventStore(warehouse)
    sequence = 0
    for ago in (40, 20, 0):
        time = NOON - timedelta(days=ago)
        events.store([batch(sequence, 5, time=time), batch(sequence + 5, 5, time=time, tenant="globex")])
        sequence += 10
    events.note([batch(30, 0, offered=30, acknowledged=30, closed=True)[0]], NOON)
    return events


def kept(warehouse: Embedded, table: str) -> list[tuple[object, ...]]:
    """(tenant, day) with rows."""
    return warehouse.query(f"SELECT DISTINCT tenant, toString(day) FROM nameward.{table} ORDER BY tenant, day")


def test_each_tenant_keeps_its_own_days(embedded: Embedded) -> None:
    """Events, and roll-ups that name clients; those that only count stay."""
    fill(embedded)
    found = expired(embedded, DAYS, TODAY)
    assert {(item.tenant, item.day, item.rows) for item in found if item.table == "query_events"} == {
        ("acme", "2026-10-13", 5), ("acme", "2026-11-02", 5)}
    retain(embedded, found)
    left = [("acme", "2026-11-22"), ("globex", "2026-10-13"), ("globex", "2026-11-02"), ("globex", "2026-11-22")]
    assert kept(embedded, "query_events") == kept(embedded, "names_asked") == kept(embedded, "talkers_hours") == left
    assert len(kept(embedded, "traffic_hours")) == len(kept(embedded, "first_seen")) == 6
    assert embedded.query("SELECT tenant, first_client FROM nameward.new_names ORDER BY tenant") == [("acme", ""), ("globex", "10.1.7.4")]
    assert expired(embedded, DAYS, TODAY) == []


def test_a_day_that_is_over_for_all_is_dropped_whole(embedded: Embedded) -> None:
    """As one partition; unknown tenants keep the default of 30 days."""
    fill(embedded)
    retain(embedded, expired(embedded, {}, TODAY))
    assert embedded.query("SELECT DISTINCT toString(day) FROM nameward.query_events ORDER BY day") == [("2026-11-02",), ("2026-11-22",)]


def test_the_ledger_still_adds_up(embedded: Embedded) -> None:
    """What was stored and taken away is not missing; done twice, as after a failure, it counts once."""
    fill(embedded)
    found = expired(embedded, DAYS, TODAY)
    retain(embedded, found)
    retain(embedded, found)
    sql = "SELECT toInt64(produced), toInt64(stored), toInt64(missing) FROM nameward.ledger"
    assert embedded.query(sql) == [(30, 30, 0)]


def test_a_replay_of_what_was_taken_away_is_skipped(embedded: Embedded) -> None:
    """Even when nothing of its source is left."""
    fill(embedded)
    retain(embedded, expired(embedded, {"acme": 10, "globex": 10}, TODAY + timedelta(days=30)))
    assert embedded.query("SELECT count() FROM nameward.query_events") == [(0,)]
    again = EventStore(embedded)
    again.store([batch(0, 5), batch(25, 10, time=NOON)])
    assert embedded.query("SELECT min(sequence), max(sequence) FROM nameward.query_events") == [(30, 34)]


def test_roll_ups_of_what_was_taken_away_are_no_difference(embedded: Embedded) -> None:
    """They are all that is left of it."""
    fill(embedded)
    retain(embedded, expired(embedded, DAYS, TODAY))
    assert check(embedded, TODAY) == []


def test_days_are_those_of_policy(embedded: Embedded) -> None:
    """The newest object of a tenant that was not deleted."""
    sql = "INSERT INTO nameward.policy_objects (key, kind, name, deleted, body, version) SELECT {key:String}, 'Tenant', {name:String}, {gone:UInt8}, {body:String}, {version:UInt64}"
    for name, days, gone, version in [("acme", 30, 0, 1), ("acme", 7, 0, 2), ("globex", 9, 0, 1), ("initech", 5, 1, 2)]:
        spec = TenantSpec(default="allow", privacy=Privacy(retention_days=days))
        body = encode_object(Tenant(api_version="nameward.io/v1", metadata=Metadata(name=name), spec=spec)).decode()
        embedded.execute(sql, {"key": object_key("Tenant", name), "name": name, "gone": gone, "body": body, "version": version})
    assert retention(embedded) == {"acme": 7, "globex": 9}
