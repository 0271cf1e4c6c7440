"""An analyst of acme reads acme, and nothing of globex by any query we could think of: engine, wall and interface together."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import clickhouse_connect
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.signals import Binding, ContextSignal, Overlay, OverlayEntry
from schemas.topics import BINDINGS, CONTEXT, OVERLAYS
from streams.warehouse import accounts
from streams.warehouse.access import tenant_tables, tenant_views
from streams.warehouse.embedded import Embedded
from streams.warehouse.event_store import EventStore
from streams.warehouse.loopback import Loopback
from streams.warehouse.signal_rows import Record
from streams.warehouse.signal_tables import SIGNAL_TABLES
from tests.streams.store import Store, batch, running

SECRET = "zebra"  # noqa: S105 - a word to look for
"""Stands in everything of globex and nowhere else."""
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
PASSWORD = "correct horse"  # noqa: S105 - of accounts made here


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with rows of two tenants in one part, and an analyst of each."""
    with running(tmp_path_factory.mktemp("shared")) as store:
        fill(store.url)
        people = {f"{tenant}-analyst": accounts.account(tenant, PASSWORD) for tenant in ("acme", "globex")}
        accounts.write(store.directory / "store", people)
        yield store


def fill(url: str) -> None:
    """Rows of acme, and of globex, which say the secret."""
    warehouse = Loopback(url)
    theirs = {"tenant": "globex", "workload": SECRET, "client": f"10.{SECRET}", "rule": f"{SECRET}/r", "verdict": "deny", "upstream": f"udp://{SECRET}:53",
              "registered_domain": f"{SECRET}.example", "qname": f"secret.{SECRET}.example", "tags": (SECRET,), "ede_text": SECRET, "source": f"r-{SECRET}"}
    EventStore(warehouse).store([batch(0, 40, upstream="udp://192.0.2.53:53"), batch(0, 60, **theirs)])
    tell(warehouse, BINDINGS.name, Binding(tenant="globex", workload=SECRET, name=f"secret.{SECRET}.example", address="192.0.2.99", until=NOW))
    tell(warehouse, CONTEXT.name, ContextSignal(tenant="globex", kind="k", subject=SECRET, value=SECRET, source=SECRET, reason=SECRET, created=NOW, expires=NOW))
    entry = OverlayEntry(id="a", pattern=SECRET, action="deny", mode="audit", severity="high", reason=SECRET, detector="dga", created=NOW, expires=NOW)
    tell(warehouse, OVERLAYS.name, Overlay(tenant="globex", revision=1, entries=(entry,), changed=NOW))
    warehouse.execute("INSERT INTO nameward.policy_objects (key, kind, body) VALUES ('Tenant//globex', 'Tenant', 'zebra')")


def tell(warehouse: Loopback, topic: str, message: object) -> None:
    """One message as the sink stores it."""
    table = SIGNAL_TABLES[topic]
    warehouse.insert_arrow(table.name, table.rows([Record("", msgspec.json.encode(message), 1000, 1)]))


def ask(store: Store, sql: str | bytes, *, who: str = "acme-analyst", key: str = PASSWORD, headers: dict[str, str] | None = None, **options: str) -> tuple[int, str]:
    """Status, and everything that came back: headers and body."""
    connection = HTTPConnection("127.0.0.1", store.port, timeout=60)
    connection.request("POST", "/?" + urlencode(options), sql, {"X-ClickHouse-User": who, "X-ClickHouse-Key": key, **(headers or {})})
    response = connection.getresponse()
    body = response.read()
    told = f"{response.headers.get('X-ClickHouse-Summary', '')}\n"
    connection.close()
    return response.status, told + body.decode(errors="replace")


def test_an_analyst_reads_their_tenant(shared: Store) -> None:
    """Tables and views, with joins and subqueries, as if nobody else were there."""
    for sql, said in {
        "SELECT count(), uniqExact(tenant) FROM nameward.query_events": "40\t1",
        "SELECT count() FROM query_events WHERE tenant = 'acme'": "40",
        "SELECT sum(queries), max(denied) FROM nameward.traffic_1h": "40\t0",
        "WITH a AS (SELECT qname FROM nameward.who_asked) SELECT count() FROM a JOIN nameward.who_asked AS b USING (qname)": "40",
        "SELECT count() FROM (SELECT DISTINCT qname FROM query_events UNION ALL SELECT 'x')": "41",
        "FROM nameward.new_names SELECT count()": "1",
        "SELECT upstream, queries FROM nameward.slow_upstreams": "udp://192.0.2.53:53\t40",
        "SELECT number FROM numbers(3) WHERE number = {n:UInt8}": "2",
    }.items():
        status, told = ask(shared, sql, param_n="2")
        assert (status, told.partition("\n")[2].strip()) == (200, said), told
    assert "nameward" not in ask(shared, "SHOW TABLES")[1]
    assert "traffic_1m" in ask(shared, "SHOW TABLES FROM nameward")[1]
    assert "registered_domain" in ask(shared, "DESCRIBE nameward.new_names")[1]
    assert ask(shared, "SELECT count() FROM nameward.query_events", who="globex-analyst")[1].endswith("60\n")


@pytest.mark.parametrize("name", [*tenant_tables(), *tenant_views()])
def test_every_table_and_view_shows_one_tenant(shared: Store, name: str) -> None:
    """All columns of all rows."""
    status, told = ask(shared, f"SELECT *, tenant != 'acme' FROM nameward.{name} FORMAT JSONEachRow")
    assert status == 200, told
    assert SECRET not in told
    assert ask(shared, f"SELECT count() FROM nameward.{name} WHERE tenant != 'acme'")[1].split("\n")[1] == "0"


def test_tables_of_tenants_are_those_with_the_column(embedded: Embedded) -> None:
    """None forgotten: a table that gets the column gets the filter."""
    sql = "SELECT table FROM system.columns WHERE database = 'nameward' AND name = 'tenant'"
    kinds = dict(embedded.query("SELECT name, engine FROM system.tables WHERE database = 'nameward'"))
    named = {table for (table,) in embedded.query(sql) if kinds[table] != "MaterializedView"}
    assert named == {*tenant_tables(), *tenant_views()}


QUERIES = Path(__file__).with_name("isolation.txt").read_text().splitlines()


@pytest.mark.parametrize("sql", [line for line in QUERIES if line and not line.startswith("#")])
def test_no_query_tells_of_another_tenant(shared: Store, sql: str) -> None:
    """Neither in rows nor in errors nor in the numbers of the answer."""
    status, told = ask(shared, sql)
    assert SECRET not in told
    assert "10\t60" not in told
    assert '"60"' not in told
    if status == 200:
        assert told.partition("\n")[2].strip() not in {"60", "100"}, "counts rows of others"


ORACLES = {
    "SELECT count() FROM nameward.query_events WHERE qname LIKE '%zeb%'": "0",
    "SELECT count() FROM nameward.query_events PREWHERE throwIf(tenant = 'globex') = 0": "40",
    "SELECT count() FROM nameward.query_events WHERE throwIf(verdict = 'deny') = 0": "40",
    "SELECT count() FROM nameward.query_events PREWHERE toUInt8(if(verdict = 'deny', qname, '1')) = 1": "40",
    "SELECT count() FROM nameward.query_events WHERE intDiv(1, verdict = 'allow') = 1": "40",
    "SELECT count() FROM nameward.query_events AS a ANY LEFT JOIN nameward.who_asked AS b ON throwIf(b.tenant = 'globex') = 0 AND a.qname = b.qname": "40",
    "SELECT sum(throwIf(denied > 0)) FROM nameward.who_asked": "0",
    "SELECT sum(throwIf(tenant = 'globex')) FROM nameward.names_asked FINAL": "0",
    "SELECT count() FROM nameward.alerts_now WHERE throwIf(tenant = 'globex') = 0": "0",
    "SELECT count() FROM nameward.overlay_history WHERE throwIf(tenant = 'globex') = 0": "0",
    "SELECT count() FROM nameward.context_signals PREWHERE throwIf(1) = 0": "0",
    "SELECT 'globex' IN (SELECT tenant FROM nameward.query_events)": "0",
    "SELECT exists(SELECT 1 FROM nameward.overlays)": "0",
    "SELECT max(denied) FROM nameward.traffic_1m": "0",
}


@pytest.mark.parametrize("sql", ORACLES)
def test_errors_and_aggregates_are_no_oracles(shared: Store, sql: str) -> None:
    """An expression that fails on rows of others does not get to see them."""
    status, told = ask(shared, sql)
    assert (status, told.partition("\n")[2].strip()) == (200, ORACLES[sql]), told


REQUESTS: list[dict[str, str]] = [
    {"readonly": "0"}, {"log_comment": "nameward analyst of globex"}, {"log_comment": ""}, {"additional_table_filters": "{}"}, {"role": "operator"},
    {"session_id": "shared"}, {"database": "system"}, {"database": "information_schema"}, {"param_x": "y'; SELECT 1"}, {"query_id": "x"},
    {"user": "default"}, {"user": "globex-analyst"}, {"default_format": "JSON"}, {"output_format_write_statistics": "1"}, {"extremes": "1"},
    {"dialect": "prql"}, {"max_rows_to_read": "1"}, {"send_logs_level": "trace"}, {"log_queries": "1"}, {"query": "SET readonly = 0;"},
]


@pytest.mark.parametrize("options", REQUESTS, ids=str)
def test_no_parameter_of_a_request_opens_more(shared: Store, options: dict[str, str]) -> None:
    """Settings, roles, databases, users beside the header, sessions."""
    for sql in ("SELECT tenant, qname FROM nameward.query_events ORDER BY qname DESC LIMIT 100", "SELECT getSetting('readonly') + count() FROM nameward.query_events"):
        status, told = ask(shared, sql, **options)
        assert SECRET not in told
        assert status != 200 or '"rows_read"' not in told
        assert not {"60", "61", "100", "101"} & set(told.split())


def test_identifiers_in_parameters_are_judged_as_written(shared: Store) -> None:
    """A table's name may come by parameter; then that table counts."""
    assert ask(shared, "SELECT count() FROM {t:Identifier}", param_t="query_events")[1].endswith("40\n")
    for database, table in (("system", "parts"), ("nameward", "policy_objects"), ("nameward", "source_counters")):
        status, told = ask(shared, "SELECT * FROM {d:Identifier}.{t:Identifier}", param_d=database, param_t=table)
        assert status != 200
        assert SECRET not in told


def test_bodies_in_any_packing_are_judged(shared: Store) -> None:
    """Compressed, and split between URL and body."""
    sql = b"SELECT * FROM nameward.policy_objects"
    assert "Not enough privileges" in ask(shared, gzip.compress(sql), headers={"Content-Encoding": "gzip"})[1]
    assert "Not enough privileges" in ask(shared, b"FROM nameward.policy_objects", query="SELECT *")[1]


@pytest.mark.parametrize("sql", ["INSERT INTO nameward.query_events (tenant) VALUES ('acme')", "INSERT INTO nameward.query_events SELECT * FROM nameward.query_events",
                                 "CREATE TABLE x (a Int8) ENGINE = Memory", "CREATE TEMPORARY TABLE x (a Int8)", "DROP TABLE nameward.query_events", "TRUNCATE TABLE nameward.alerts",
                                 "ALTER TABLE nameward.query_events DELETE WHERE 1", "DELETE FROM nameward.alerts WHERE 1", "OPTIMIZE TABLE nameward.alerts", "SET readonly = 0",
                                 "SET ROLE operator", "USE system", "KILL QUERY WHERE 1", "SYSTEM FLUSH LOGS", "GRANT ALL ON *.* TO default", "EXECUTE AS default SELECT 1",
                                 "CREATE FUNCTION f AS x -> x", "BACKUP TABLE nameward.alerts TO Disk('a', 'b')", "ATTACH TABLE x", "RENAME TABLE nameward.alerts TO nameward.b"])
def test_analysts_change_nothing(shared: Store, sql: str) -> None:
    """Every verb but those that read is refused, whatever the engine would say."""
    status, told = ask(shared, sql)
    assert status != 200
    assert "Not enough privileges" in told
    assert Loopback(shared.url).query("SELECT count() FROM nameward.query_events") == [(100,)]


def test_passwords_are_asked_for(shared: Store) -> None:
    """By header, by URL, by basic authentication; a revoked account ends at once."""
    wrong = ask(shared, "SELECT 1", key="wrong")
    unknown = ask(shared, "SELECT 1", who="acme-analys")
    assert wrong[0] == unknown[0] == 403
    assert wrong[1].replace("acme-analyst", "x") == unknown[1].replace("acme-analys", "x")
    basic = base64.b64encode(f"acme-analyst:{PASSWORD}".encode()).decode()
    blank = {"X-ClickHouse-User": "", "X-ClickHouse-Key": ""}
    assert ask(shared, "SELECT count() FROM query_events", headers={**blank, "Authorization": f"Basic {basic}"})[1].endswith("40\n")
    assert ask(shared, "SELECT count() FROM query_events", who="", key="")[1].endswith("100\n")
    directory = shared.directory / "store"
    people = accounts.read(directory)
    accounts.write(directory, {name: item for name, item in people.items() if name != "globex-analyst"})
    try:
        assert ask(shared, "SELECT 1", who="globex-analyst")[0] == 403
    finally:
        accounts.write(directory, people)
    assert (directory / accounts.FILE).stat().st_mode & 0o077 == 0
    assert PASSWORD not in (directory / accounts.FILE).read_text()


def test_a_real_client_connects_as_an_analyst(shared: Store) -> None:
    """clickhouse-connect asks for settings first, and reads in the native format."""
    client = clickhouse_connect.get_client(host="127.0.0.1", port=shared.port, username="acme-analyst", password=PASSWORD)
    assert client.query("SELECT count() FROM nameward.query_events").result_rows == [(40,)]


_SOURCES = st.sampled_from(["nameward.query_events", "nameward.who_asked", "nameward.names_asked FINAL", "nameward.new_names", "query_events AS q", "nameward.traffic_1h",
                            "merge('nameward', '.*')", "nameward.policy_objects", "system.parts", "mergeTreeIndex('nameward', 'query_events')", "view(SELECT * FROM nameward.overlays)",
                            "nameward.first_seen_feed", "nameward.service_map", "loop(nameward.bindings)"])
_CONDITIONS = st.sampled_from(["1", "tenant = 'globex'", "tenant != 'acme'", "throwIf(tenant = 'globex') = 0", "NOT tenant IN ('acme')", "registered_domain LIKE '%e%'",
                               "tenant IN (SELECT tenant FROM nameward.first_seen)", "1 OR tenant = 'acme'"])
_SHAPES = st.sampled_from(["SELECT * FROM {0} WHERE {1}", "SELECT * FROM (SELECT * FROM {0}) WHERE {1}", "WITH w AS (SELECT * FROM {0}) SELECT * FROM w WHERE {1} UNION ALL SELECT * FROM w",
                           "SELECT groupArray(tuple(*)) FROM {0} WHERE {1}", "SELECT a.* FROM {0} AS a FULL JOIN {2} AS b ON a.tenant = b.tenant", "SELECT * FROM {0} WHERE tenant IN (SELECT tenant FROM {2} WHERE {1})",
                           "SELECT * FROM {0} WHERE {1} ORDER BY tenant DESC LIMIT 5 BY tenant", "SELECT tenant, any(tuple(*)) FROM {0} GROUP BY ALL WITH TOTALS HAVING {1}", "DESCRIBE (SELECT * FROM {0} WHERE {1})",
                           "SELECT * FROM {0} EXCEPT SELECT * FROM {0} WHERE {1}", "EXPLAIN SELECT * FROM {0} WHERE {1}", "SELECT {1} FROM {0} WINDOW w AS (ORDER BY 1) QUALIFY 1"])


@given(shape=_SHAPES, source=_SOURCES, other=_SOURCES, condition=_CONDITIONS)
def test_nor_do_queries_put_together_at_random(shared: Store, shape: str, source: str, other: str, condition: str) -> None:
    """Sources, conditions and shapes in any combination."""
    assert SECRET not in ask(shared, shape.format(source, condition, other))[1]


def test_statistics_of_a_result_count_what_is_shown(shared: Store) -> None:
    """Rows looked at would tell how much of others lies beside."""
    connection = HTTPConnection("127.0.0.1", shared.port, timeout=60)
    connection.request("POST", "/?default_format=JSON", "SELECT tenant FROM nameward.query_events LIMIT 1", {"X-ClickHouse-User": "acme-analyst", "X-ClickHouse-Key": PASSWORD})
    response = connection.getresponse()
    assert "statistics" not in json.loads(response.read())
    assert json.loads(response.headers["X-ClickHouse-Summary"])["read_rows"] == "0"
