"""The store is tidied by the sink: roll-ups repaired, retention kept, nothing said when nothing was to be done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from streams.agents.housekeeping import tidy
from streams.warehouse.embedded import Embedded
from streams.warehouse.event_store import EventStore
from streams.warehouse.rollups import check
from tests.streams.store import batch

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_store_is_tidied(embedded: Embedded) -> None:
    """Old events go, and what the roll-ups lack is made up."""
    EventStore(embedded).store([batch(0, 5, time=NOON - timedelta(days=40))])
    EventStore(embedded).store([batch(5, 5, time=NOON)])
    embedded.execute("TRUNCATE TABLE nameward.traffic_hours")
    assert tidy(embedded, TODAY, None) == "11 rows are past their tenant's retention and gone"
    assert check(embedded, TODAY) == []
    assert embedded.query("SELECT count() FROM nameward.query_events") == [(5,)]
    assert tidy(embedded, TODAY, TODAY - timedelta(days=1)) == ""
