"""The analysts' views say what the events say, whatever way the events came in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from schemas.signals import Binding, EndedEntry, Overlay, OverlayEntry
from schemas.topics import BINDINGS, OVERLAYS
from streams.warehouse.embedded import Embedded
from streams.warehouse.event_store import EventStore
from streams.warehouse.signal_rows import Record
from streams.warehouse.signal_tables import SIGNAL_TABLES
from tests.streams.store import batch

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

COLUMNS = {
    "traffic_1m": "tenant workload time queries denied nxdomain servfail cached clients names bytes_in bytes_out p50_us p90_us p99_us",
    "traffic_1h": "tenant workload time queries denied nxdomain servfail cached clients names bytes_in bytes_out p50_us p90_us p99_us",
    "who_asked": "tenant registered_domain qname workload client queries denied first_asked last_asked",
    "denied_by_rule": "tenant hour rule tier workload queries clients names top_name",
    "new_names": "tenant registered_domain first_seen last_seen queries first_workload first_client first_name",
    "top_talkers": "tenant hour client workload queries denied nxdomain names bytes_out",
    "slow_upstreams": "tenant hour upstream queries failures p50_us p90_us p99_us",
    "service_map": "tenant workload name registered_domain internal queries denied addresses first_asked last_asked",
    "overlay_history": "tenant id pattern action mode severity detector reason created expires ended ending",
}


@pytest.mark.parametrize("view", COLUMNS)
def test_views_have_the_columns_that_notebooks_rely_on(embedded: Embedded, view: str) -> None:
    """Named, in order, ``tenant`` first."""
    sql = "SELECT name FROM system.columns WHERE database = 'nameward' AND table = {view:String} ORDER BY position"
    assert [name for (name,) in embedded.query(sql, {"view": view})] == COLUMNS[view].split()


@pytest.mark.parametrize("view", sorted(set(COLUMNS) - {"overlay_history"}))
def test_a_filter_on_the_tenant_reaches_the_primary_key(embedded: Embedded, view: str) -> None:
    """So that a view reads that tenant's rows alone."""
    EventStore(embedded).store([batch(0, 5, verdict="deny", upstream="udp://192.0.2.53:53")])
    plan = embedded.query(f"EXPLAIN indexes = 1 SELECT * FROM nameward.{view} WHERE tenant = 'acme'")
    assert "(tenant in ['acme', 'acme'])" in "\n".join(line for (line,) in plan)


@pytest.fixture
def filled(embedded: Embedded) -> Embedded:
    """Two tenants, three inserts, one of them repeated as after a failure."""
    events = EventStore(embedded)
    events.store([batch(0, 60, time=NOON, latency_us=100), batch(60, 40, time=NOON + timedelta(seconds=59), latency_us=100)])
    denied = batch(0, 30, source="r2", tenant="globex", time=NOON, verdict="deny", rule="block/ads", tier="tenant",
                   rcode="NXDOMAIN", answer_source="policy", qname="ads.example.net", registered_domain="example.net")
    events.store([denied])
    slow = batch(100, 10, time=NOON + timedelta(minutes=2), qname="db.example.org", registered_domain="example.org",
                 answer_source="upstream", upstream="udp://192.0.2.53:53", upstream_latency_us=2000, rcode="SERVFAIL", client="10.1.7.5")
    events.store([slow, denied])
    events.store([batch(0, 60, time=NOON), slow, denied])
    return embedded


EXPECTED = {
    "SELECT toInt64(queries), toInt64(cached), toInt64(names) FROM nameward.traffic_1m WHERE tenant = 'acme' ORDER BY time": [(100, 100, 100), (10, 0, 1)],
    "SELECT toInt64(queries), toInt64(servfail), toInt64(bytes_in), toInt64(clients) FROM nameward.traffic_1h WHERE tenant = 'acme'": [(110, 10, 4400, 2)],
    "SELECT abs(p50_us - 100) <= 1, abs(p99_us - 100) <= 1 FROM nameward.traffic_1h WHERE tenant = 'acme'": [(1, 1)],
    "SELECT client, toInt64(queries), toString(first_asked) FROM nameward.who_asked WHERE tenant = 'acme' AND qname = 'db.example.org'":
        [("10.1.7.5", 10, "2026-11-22 12:02:00.000000")],
    "SELECT tenant, rule, tier, toInt64(queries), toInt64(clients), top_name FROM nameward.denied_by_rule": [("globex", "block/ads", "tenant", 30, 1, "ads.example.net")],
    "SELECT registered_domain, toInt64(queries), first_workload, first_client, first_name FROM nameward.new_names WHERE tenant = 'acme' AND registered_domain = 'example.org'":
        [("example.org", 10, "frontend", "10.1.7.5", "db.example.org")],
    "SELECT client, toInt64(queries), toInt64(names) FROM nameward.top_talkers WHERE tenant = 'acme' ORDER BY queries DESC": [("10.1.7.4", 100, 100), ("10.1.7.5", 10, 1)],
    "SELECT upstream, toInt64(queries), toInt64(failures), p90_us BETWEEN 1980 AND 2000 FROM nameward.slow_upstreams": [("udp://192.0.2.53:53", 10, 10, 1)],
    "SELECT workload, toInt64(queries), toInt64(denied), internal FROM nameward.service_map WHERE name = 'ads.example.net'": [("frontend", 30, 30, 0)],
}


def test_views_answer_their_questions(filled: Embedded) -> None:
    """Counts, unique counts, quantiles, firsts; replays leave no trace."""
    assert {sql: filled.query(sql) for sql in EXPECTED} == EXPECTED


def tell(warehouse: Embedded, topic: str, *messages: object) -> None:
    """Store messages as the sink does."""
    table = SIGNAL_TABLES[topic]
    records = [Record("", msgspec.json.encode(message), 1000 + number, number) for number, message in enumerate(messages)]
    warehouse.insert_arrow(table.name, table.rows(records))


def test_the_service_map_knows_addresses_of_bindings(filled: Embedded) -> None:
    """Of the same tenant and workload; bindings of names nobody asked add no rows."""
    binding = Binding(tenant="acme", workload="frontend", name="db.example.org", address="192.0.2.7", until=datetime.now(UTC))
    others = [msgspec.structs.replace(binding, tenant="globex", address="192.0.2.8"), msgspec.structs.replace(binding, name="never.example.org")]
    tell(filled, BINDINGS.name, binding, msgspec.structs.replace(binding, address="192.0.2.6", source="r2"), *others)
    rows = filled.query("SELECT tenant, name, addresses FROM nameward.service_map WHERE notEmpty(addresses)")
    assert rows == [("acme", "db.example.org", ["192.0.2.6", "192.0.2.7"])]
    assert filled.query("SELECT count() FROM nameward.service_map WHERE queries = 0") == [(0,)]


def entry(name: str, created: int, expires: int) -> OverlayEntry:
    """An entry; times in seconds from NOON."""
    return OverlayEntry(id=name, pattern=f"*.{name}.example", action="deny", mode="audit", severity="high", reason="because", detector="dga",
                        created=NOON + timedelta(seconds=created), expires=NOON + timedelta(seconds=expires))


def test_every_overlay_entry_has_its_end(embedded: Embedded) -> None:
    """Renewed and then expired, withdrawn before its time, in force, run out unheard, and a second life of the same id."""
    forever = 10**9
    told = [
        (0, [entry("a", 0, 60), entry("b", 0, 600), entry("c", 0, forever), entry("e", 0, 30)]),
        (30, [entry("a", 0, 90), entry("b", 0, 600), entry("c", 0, forever)]),
        (50, [entry("a", 0, 90), entry("c", 0, forever)]),
        (90, [entry("c", 0, forever), entry("d", 90, 100), entry("e", 80, 120)]),
    ]
    tell(embedded, OVERLAYS.name, *(Overlay(tenant="acme", revision=n, entries=tuple(entries), changed=NOON + timedelta(seconds=at))
                                    for n, (at, entries) in enumerate(told, 1)))
    rows = embedded.query("SELECT id, dateDiff('second', created, expires), dateDiff('second', created, ended), ending, pattern"
                          " FROM nameward.overlay_history WHERE tenant = 'acme' ORDER BY id, created")
    assert rows == [
        ("a", 90, 90, "expired", "*.a.example"),
        ("b", 600, 50, "withdrawn", "*.b.example"),
        ("c", forever, None, "", "*.c.example"),
        ("d", 10, 10, "expired", "*.d.example"),
        ("e", 30, 30, "expired", "*.e.example"),
        ("e", 40, 40, "expired", "*.e.example"),
    ]


def test_an_end_that_was_told_keeps_its_time_and_reason(embedded: Embedded) -> None:
    """Whatever the overlays in between would make of it, and told twice like once."""
    end = EndedEntry(id="a", created=NOON, ended=NOON + timedelta(seconds=20), ending="closed by ada: a backup")
    told = [Overlay(tenant="acme", revision=1, entries=(entry("a", 0, 60),), changed=NOON)]
    told += [Overlay(tenant="acme", revision=n, entries=(), changed=NOON + timedelta(seconds=20 * n), ended=(end,)) for n in (2, 3)]
    tell(embedded, OVERLAYS.name, *told)
    rows = embedded.query("SELECT id, dateDiff('second', created, ended), ending FROM nameward.overlay_history WHERE tenant = 'acme'")
    assert rows == [("a", 20, "closed by ada: a backup")]
