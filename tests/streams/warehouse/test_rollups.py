"""Roll-ups agree with the events: after replays, after a store that died between the two, after hands in the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from streams.warehouse import WarehouseError
from streams.warehouse.embedded import Embedded
from streams.warehouse.event_store import EventStore
from streams.warehouse.rollups import ROLLUPS, Difference, backfill, check
from tests.streams.store import batch

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_SUMS = "SELECT tenant, toInt64(sum(queries)) FROM nameward.{} GROUP BY tenant ORDER BY tenant"


def fill(warehouse: Embedded) -> None:
    """Two tenants on two days, denied and upstream."""
    events = EventStore(warehouse)
    events.store([batch(0, 20, time=NOON - timedelta(days=1)), batch(20, 10, tenant="globex", time=NOON - timedelta(days=1), verdict="deny")])
    events.store([batch(30, 5, time=NOON, upstream="udp://192.0.2.53:53"), batch(35, 7, tenant="globex", time=NOON, verdict="deny")])


def shown(warehouse: Embedded) -> dict[str, list[tuple[object, ...]]]:
    """What the views say, whole."""
    views = ("traffic_1m", "traffic_1h", "who_asked", "denied_by_rule", "new_names", "top_talkers", "slow_upstreams", "service_map")
    return {view: warehouse.query(f"SELECT * FROM nameward.{view} ORDER BY ALL") for view in views}


def test_inserts_and_replays_leave_no_difference(embedded: Embedded) -> None:
    """Sums equal counts."""
    fill(embedded)
    fill(embedded)
    assert check(embedded, TODAY) == []
    assert embedded.query(_SUMS.format("traffic_hours")) == [("acme", 25), ("globex", 17)]


@pytest.mark.parametrize(
    "harm",
    ["TRUNCATE TABLE nameward.{0}", "INSERT INTO nameward.{0} SELECT * FROM nameward.{0}", "ALTER TABLE nameward.{0} DELETE WHERE day = '2026-11-22' SETTINGS mutations_sync = 1"],
    ids=["lost", "doubled", "a day lost"],
)
def test_a_difference_is_found_and_built_again(embedded: Embedded, harm: str) -> None:
    """In each of the roll-ups; afterwards views say what they said before."""
    fill(embedded)
    before = shown(embedded)
    for rollup in ROLLUPS:
        embedded.execute(harm.format(rollup.name))
    assert {difference.rollup for difference in check(embedded, TODAY)} == {rollup.name for rollup in ROLLUPS}
    assert backfill(embedded, TODAY) == []
    assert check(embedded, TODAY) == []
    assert shown(embedded) == before
    assert embedded.query("SELECT name FROM system.tables WHERE database = 'nameward' AND name LIKE 'repair%'") == []


def test_a_difference_names_roll_up_day_and_tenant(embedded: Embedded) -> None:
    """With both counts."""
    fill(embedded)
    embedded.execute("ALTER TABLE nameward.names_asked DELETE WHERE tenant = 'globex' AND day = '2026-11-21' SETTINGS mutations_sync = 1")
    assert check(embedded, TODAY) == [Difference("names_asked", "2026-11-21", "globex", 10, 0)]


def test_a_view_that_fails_leaves_a_difference_that_heals(embedded: Embedded) -> None:
    """The events are there, the sums are not; the sink asks the events and goes on."""
    fill(embedded)
    embedded.execute("CREATE MATERIALIZED VIEW nameward.broken TO nameward.first_seen AS"
                     " SELECT day, tenant, toString(throwIf(queries > 0)) AS registered_domain FROM nameward.traffic_minutes")
    insert = "INSERT INTO nameward.query_events (day, tenant, source, epoch, sequence) SELECT '2026-11-22', 'acme', 'r1', 1000, 42"
    try:
        with pytest.raises(WarehouseError, match="while pushing to view nameward.broken"):
            embedded.execute(insert)
    finally:
        embedded.execute("DROP TABLE nameward.broken SYNC")
    EventStore(embedded).store([batch(40, 8, time=NOON)])
    assert embedded.query("SELECT count(), uniqExact(sequence) FROM nameward.query_events") == [(48, 48)]
    backfill(embedded, TODAY)
    assert check(embedded, TODAY) == []
    assert embedded.query(_SUMS.format("names_asked")) == [("acme", 31), ("globex", 17)]


def test_days_before_since_are_left_alone(embedded: Embedded) -> None:
    """What a busy store does each hour."""
    fill(embedded)
    embedded.execute("TRUNCATE TABLE nameward.names_asked")
    assert backfill(embedded, TODAY, TODAY) == []
    assert embedded.query("SELECT DISTINCT toString(day) FROM nameward.names_asked") == [("2026-11-22",)]
    assert {difference.day for difference in check(embedded, TODAY)} == {"2026-11-21"}


def test_what_a_roll_up_no_longer_keeps_is_no_difference(embedded: Embedded) -> None:
    """Minutes end after 90 days, whatever the tenant's retention."""
    EventStore(embedded).store([batch(0, 5, time=NOON - timedelta(days=100))])
    embedded.execute("TRUNCATE TABLE nameward.traffic_minutes")
    assert check(embedded, TODAY) == []


def test_a_tenant_of_any_name_is_built_again(embedded: Embedded) -> None:
    """Quotes and backslashes are text."""
    EventStore(embedded).store([batch(0, 5, tenant="it's \\ 100%", time=NOON), batch(5, 5, tenant="", time=NOON)])
    embedded.execute("TRUNCATE TABLE nameward.traffic_hours")
    assert backfill(embedded, TODAY) == []
    assert check(embedded, TODAY) == []
