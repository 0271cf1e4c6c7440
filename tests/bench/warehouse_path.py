"""Rows per second into both warehouses: chDB in the process with the real schema and roll-ups, Debian's old server by the native protocol.

The old server (18.16) does not know the real table's types, so it gets a reduced one: the numbers are not comparable with each
other, only with the budget.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from streams.warehouse.embedded import Database, Embedded
from streams.warehouse.engine_config import Limits
from streams.warehouse.event_store import INSERT_SETTINGS
from streams.warehouse.migrations import migrate
from streams.warehouse.rollups import ROLLUPS
from streams.warehouse.server import Server
from tests.bench.results import Table, median, thousands
from tests.bench.traffic import Traffic, coded
from tests.peers import clickhouse

_SIZES = (2_000, 20_000, 100_000)
_REDUCED = ("time", "source", "epoch", "sequence", "tenant", "client", "qname", "qtype", "rcode", "latency_us", "verdict")
_DDL = """CREATE TABLE bench (day Date, time DateTime, source String, epoch UInt64, sequence UInt64, tenant String, client String, qname String,
qtype String, rcode String, latency_us UInt32, verdict String) ENGINE = MergeTree PARTITION BY day ORDER BY (tenant, qname)"""


def measure(rounds: int, seconds: float) -> list[Table]:
    """One table: rows/s of both engines by rows of an insert."""
    table = Table("Rows into the warehouses", ("engine and insert", "rows/s (median)", "lowest", "highest", "µs of CPU a row", "bytes a stored row"),
                  "python -m tests.bench warehouse")
    with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary:
        directory = Path(temporary)
        _embedded(directory / "store", table, rounds, seconds)
        _server(directory / "server", table, rounds, seconds)
    table.notes.append("Both with all cores of the machine. chDB: nameward.query_events as migrated, projection and index included, with the seven roll-ups "
                       "as the sink fills them (20 tenants of 50 clients, 60,000 names) or without; bytes of all tables. Old server: twelve plain columns through clickhouse-driver, conversion from Arrow included.")
    return [table]


def _embedded(directory: Path, table: Table, rounds: int, seconds: float) -> None:
    directory.mkdir()
    database = Database(directory, Limits(server_mib=2048, query_mib=1024))
    database.open()
    try:
        warehouse = Embedded(database)
        migrate(warehouse)
        for kind in ("with all roll-ups", "events alone"):
            for size in _SIZES:
                batches = [_with_day(_busy(batch)) for batch in _batches(size)]
                insert = partial(warehouse.insert_arrow, "nameward.query_events", settings=INSERT_SETTINGS)
                rates, cpu = _rates(batches, insert, rounds, seconds)
                _add(table, f"chDB, {kind}, {size:,} rows an insert", rates, f"{cpu * 1e6:.1f}", _stored_size(warehouse))
                for name in ("query_events", *(rollup.name for rollup in ROLLUPS)):
                    warehouse.execute(f"TRUNCATE TABLE nameward.{name}")
            for rollup in ROLLUPS:
                warehouse.execute(f"DROP TABLE IF EXISTS nameward.{rollup.name}_feed SYNC")
    finally:
        database.close()


def _server(directory: Path, table: Table, rounds: int, seconds: float) -> None:
    with clickhouse.running(directory) as server, contextlib.closing(Server(f"clickhouse://127.0.0.1:{server.native}")) as warehouse:
        warehouse.execute(_DDL)
        for size in _SIZES:
            batches = [_with_day(batch.select(_REDUCED)) for batch in _batches(size)]
            rates, _ = _rates(batches, lambda batch: warehouse.insert_arrow("bench", batch), rounds, seconds)
            _add(table, f"clickhouse-server 18.16, {size:,} rows an insert", rates, "", "")


def _batches(size: int) -> list[pa.RecordBatch]:
    traffic = Traffic(1, 0)
    return [traffic.batch(size, time.time(), 1.0) for _ in range(max(2, 200_000 // size // 10))]


def _busy(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with something for every roll-up: eight workloads, a fourth of answers from upstream, a twentieth denied."""
    draw, rows = np.random.default_rng(7), batch.num_rows
    upstream = np.where(draw.random(rows) < 0.25, 1 + draw.integers(0, 3, rows), 0).astype("int32")
    denied = np.where(draw.random(rows) < 0.05, 1 + draw.integers(0, 5, rows), 0).astype("int32")
    of_client = batch.column("client").indices.to_numpy() % 8
    columns = {
        "upstream": coded(upstream, pa.array(["", *(f"udp://192.0.2.{number}:53" for number in range(3))])),
        "upstream_latency_us": pa.array(np.where(upstream > 0, draw.lognormal(9, 1, rows), 0).astype("uint32")),
        "verdict": coded((denied > 0).astype("int32"), pa.array(["allow", "deny"])),
        "rule": coded(denied, pa.array(["", *(f"block/r{number}" for number in range(5))])),
        "workload": coded(of_client.astype("int32"), pa.array([f"workload-{number}" for number in range(8)])),
    }
    return pa.RecordBatch.from_arrays([columns.get(name, batch.column(name)) for name in batch.schema.names], schema=batch.schema)


def _with_day(batch: pa.RecordBatch) -> pa.RecordBatch:
    day = pa.array(np.full(batch.num_rows, dt.datetime.now(dt.UTC).date().toordinal() - 719163, "int32")).cast(pa.date32())
    return pa.RecordBatch.from_arrays([day, *batch.columns], names=["day", *batch.schema.names])


def _rates(batches: list[pa.RecordBatch], insert: Callable[[pa.RecordBatch], None], rounds: int, seconds: float) -> tuple[list[float], float]:
    """Rows/s of several rounds, and this process' CPU seconds a row; the same batches over and over, since the engines do not look for duplicates."""
    rates, total, cpu = [], 0, time.process_time()
    for _ in range(rounds):
        began, rows, turn = time.perf_counter(), 0, 0
        while time.perf_counter() - began < seconds:
            batch = batches[turn % len(batches)]
            insert(batch)
            rows += batch.num_rows
            turn += 1
        rates.append(rows / (time.perf_counter() - began))
        total += rows
    return rates, (time.process_time() - cpu) / total


def _stored_size(warehouse: Embedded) -> str:
    (row,) = warehouse.query("SELECT sum(bytes_on_disk), sumIf(rows, table = 'query_events') FROM system.parts WHERE database = 'nameward' AND active")
    return f"{int(row[0]) / max(int(row[1]), 1):.0f}"


def _add(table: Table, name: str, rates: list[float], cpu: str, size: str) -> None:
    table.add(name, thousands(median(rates)), thousands(min(rates)), thousands(max(rates)), cpu, size)
    print(f"{name}: {median(rates):,.0f} rows/s {cpu}", flush=True)
