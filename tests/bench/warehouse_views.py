"""`python -m tests.bench views --rows 100000000`: how long analysts' views take over so many events, asked by an analyst.

Events are made inside the engine, a day at a time, and go through the same roll-ups as any other. With `--store DIR` they stay: called
again, it goes on where it stopped, and asks once all days are made.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from streams.warehouse.embedded import Database, Embedded, run
from streams.warehouse.engine_config import Limits
from streams.warehouse.event_store import INSERT_SETTINGS
from streams.warehouse.migrations import migrate
from streams.warehouse.rollups import ROLLUPS, check
from tests.bench.results import Table, median, thousands

_Made = TypeVar("_Made")
_DAYS = 30
_TENANTS, _CLIENTS, _NAMES = 20, 50, 5_000
_LOOKS = 5

# A few names are asked most of the time: the cube of an even number.
_GENERATE = f"""INSERT INTO nameward.query_events (day, time, source, epoch, sequence, tenant, workload, client, transport, qname, registered_domain, qtype,
qclass, rcode, answer_source, upstream, latency_us, upstream_latency_us, query_size, response_size, verdict, rule, tier, ede, policy_version)
SELECT {{day:Date}}, toDateTime64({{day:Date}}, 6, 'UTC') + number * (86390 / {{rows:UInt64}}), 'r1', {{epoch:UInt64}}, number,
    concat('tenant-', toString(rand(1) % {_TENANTS})), concat('workload-', toString(client_number % 8)), concat('10.1.', toString(client_number), '.7'), 'udp',
    concat('host', toString(name_number % 5), '.site', toString(intDiv(name_number, 5)), '.example.com'), concat('site', toString(intDiv(name_number, 5)), '.example.com'), 'A', 'IN',
    multiIf(fate < 90, 'NOERROR', fate < 98, 'NXDOMAIN', 'SERVFAIL'), if(rand(5) % 4 > 0, 'cache', 'upstream'),
    if(rand(5) % 4 > 0, '', concat('udp://192.0.2.', toString(rand(6) % 3), ':53')), 40 + rand(7) % 20000, rand(7) % 20000, 45, 120,
    if(fate > 94, 'deny', 'allow'), if(fate > 94, concat('block/r', toString(fate)), ''), 'tenant', -1, 'v1'
FROM (SELECT number, toUInt32(pow(rand(2) / 4294967296, 3) * {_NAMES}) AS name_number, rand(3) % {_CLIENTS} AS client_number, rand(4) % 100 AS fate FROM numbers({{rows:UInt64}}))
SETTINGS max_execution_time = 0, max_insert_threads = 2, min_insert_block_size_rows = 500000, min_insert_block_size_bytes = 0,
{", ".join(f"{name} = {value}" for name, value in INSERT_SETTINGS.items())}"""

_QUESTIONS = {
    "traffic by minute, a day": "SELECT time, sum(queries), max(p99_us) FROM nameward.traffic_1m WHERE tenant = '{t}' AND time >= '{today}' GROUP BY time ORDER BY time",
    "traffic by hour, 30 days": "SELECT time, sum(queries), sum(denied), max(clients) FROM nameward.traffic_1h WHERE tenant = '{t}' GROUP BY time ORDER BY time",
    "who asked for a name": "SELECT workload, client, queries, last_asked FROM nameward.who_asked WHERE tenant = '{t}' AND registered_domain = 'site700.example.com'",
    "denied by rule, a week": "SELECT rule, sum(queries), max(clients), any(top_name) FROM nameward.denied_by_rule WHERE tenant = '{t}' AND hour >= '{week}' GROUP BY rule ORDER BY 2 DESC",
    "new names since yesterday": "SELECT registered_domain, first_seen, first_client FROM nameward.new_names WHERE tenant = '{t}' AND first_seen >= '{today}'",
    "top talkers, a day": "SELECT client, sum(queries), sum(nxdomain) FROM nameward.top_talkers WHERE tenant = '{t}' AND hour >= '{today}' GROUP BY client ORDER BY 2 DESC LIMIT 20",
    "slow upstreams, a week": "SELECT upstream, sum(queries), sum(failures), max(p99_us) FROM nameward.slow_upstreams WHERE tenant = '{t}' AND hour >= '{week}' GROUP BY upstream",
    "service map of a workload": "SELECT name, queries, addresses FROM nameward.service_map WHERE tenant = '{t}' AND workload = 'workload-3' ORDER BY queries DESC LIMIT 100",
    "service map of a tenant": "SELECT workload, count(), sum(queries) FROM nameward.service_map WHERE tenant = '{t}' GROUP BY workload",
    "events of an hour, raw": "SELECT time, client, qname, rcode FROM nameward.query_events WHERE tenant = '{t}' AND toStartOfHour(time) = '{today} 09:00:00' LIMIT 1000",
    "events below a domain, raw, 30 days": "SELECT count() FROM nameward.query_events WHERE tenant = '{t}' AND registered_domain = 'site700.example.com'",
}


def measure(rounds: int, seconds: float, rows: int = 100_000_000, store: str = "") -> list[Table]:
    """One table: milliseconds of each question. In a directory of its own, events are made the first time and asked the next."""
    if not store:
        with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary:
            _with(Path(temporary), lambda database: _build(database, rows))
            return [_with(Path(temporary), lambda database: _ask(database, rows))]
    Path(store).mkdir(exist_ok=True)
    if len(_built(Path(store))) < _DAYS:
        _with(Path(store), lambda database: _build(database, rows))
        return []
    return [_with(Path(store), lambda database: _ask(database, rows))]


def _with(directory: Path, work: Callable[[Database], _Made]) -> _Made:
    database = Database(directory, Limits(server_mib=3072, query_mib=2048, query_seconds=3600))
    database.open()
    try:
        return work(database)
    finally:
        database.close()


def _built(directory: Path) -> dict[str, float]:
    """Days that are made, and the seconds each took."""
    file = directory / "built.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _build(database: Database, rows: int) -> None:
    """Make what days are missing; each stays made."""
    warehouse, built = Embedded(database), _built(database.path)
    migrate(warehouse)
    first = min(map(date.fromisoformat, built), default=datetime.now(UTC).date() - timedelta(days=_DAYS - 1))
    for number in range(len(built), _DAYS):
        day = (first + timedelta(days=number)).isoformat()
        for table in ("query_events", *(rollup.name for rollup in ROLLUPS)):  # of a call that was ended amid a day
            warehouse.execute(f"ALTER TABLE nameward.{table} DROP PARTITION '{day}'")
        began = time.perf_counter()
        warehouse.execute(_GENERATE, {"day": day, "rows": rows // _DAYS, "epoch": number})
        (database.path / "built.json").write_text(json.dumps(built := {**built, day: time.perf_counter() - began}))
        print(f"{day}: {built[day]:.0f} s", flush=True)


def _ask(database: Database, rows: int) -> Table:
    table = Table("Views of analysts", ("question of one tenant", "ms (median)", "slowest"), f"python -m tests.bench views --rows {rows}")
    built = _built(database.path)
    warehouse, today = Embedded(database), max(map(date.fromisoformat, built))
    for question, sql in _QUESTIONS.items():
        took = _times(database, sql.format(t="tenant-7", today=today, week=today - timedelta(days=6)))
        table.add(question, f"{median(took) * 1000:,.0f}", f"{max(took) * 1000:,.0f}")
        print(question, table.rows[-1], flush=True)
    _compare(warehouse, table, today)
    _tell(warehouse, table, rows * len(built) // _DAYS, built)
    return table


def _times(database: Database, sql: str) -> list[float]:
    """Seconds of each try, as an analyst of the tenant."""
    took = []
    for _ in range(_LOOKS):
        connection = database.connect_analyst("tenant-7", {})
        began = time.perf_counter()
        run(connection, sql, "Native")
        took.append(time.perf_counter() - began)
        connection.close()
    return took


def _compare(warehouse: Embedded, table: Table, today: date) -> None:
    began = time.perf_counter()
    assert check(warehouse, today) == []
    took = f"{(time.perf_counter() - began) * 1000:,.0f}"
    table.add("warehouse check, all tenants", took, took)


def _tell(warehouse: Embedded, table: Table, rows: int, built: dict[str, float]) -> None:
    sizes = warehouse.query("SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'nameward' GROUP BY table HAVING sum(rows) > 1000 ORDER BY 3 DESC")
    listed = "; ".join(f"{name} {thousands(int(count))} rows, {int(size) / 1e6:,.0f} MB" for name, count, size in sizes)
    table.notes.append(
        f"{thousands(rows)} events in the embedded engine, {len(built)} days, {_TENANTS} tenants of {_CLIENTS} clients and {thousands(_NAMES)} names, asked as an analyst (role and row filter), each question {_LOOKS} times."
        f" Made in {sum(built.values()):,.0f} s ({thousands(rows / sum(built.values()))} rows/s, roll-ups included; the fastest day {thousands(rows / len(built) / min(built.values()))}). Stored: {listed}.")
