"""Memory of analytics with far more tenants than states in memory: 10,000 take turns, 1,000,000 names within an hour of event time.

States lie in a RocksDB table as a Faust worker has it; no broker, so that what is measured is the states. Made-up events.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from rocksdict import BlockBasedOptions, Cache, Options, Rdict

from schemas.batches import columns_of
from schemas.events import SCHEMA
from streams.agents.states import States
from streams.app import TABLE_OPTIONS
from tests.bench.results import Table, thousands
from tests.bench.stream_path import resident_mb
from tests.streams.events import event

TENANTS, NAMES, TURNS, LOOKS = 10_000, 1_000_000, 2, 5
MOST = 500
_START = 1_800_000_000.0
_TOGETHER = 200


def measure(rounds: int, seconds: float) -> list[Table]:
    """One table: resident memory as event time goes on. Rounds and seconds do not change it."""
    del rounds, seconds
    table = Table("Ten thousand tenants", ("event time", "names so far", "resident MB", "states in memory", "events/s"), "python -m tests.bench tenants")
    with tempfile.TemporaryDirectory(prefix="nameward-bench-") as directory:
        store = Rdict(str(Path(directory) / "states"), options=_as_the_worker_has_it())
        states = States(store, most=MOST)
        for turn in range(TURNS):
            began, rows = time.perf_counter(), 0
            for number, columns in enumerate(_turn(turn), 1):
                rows += columns.num_rows
                _take(states, columns, _START + (turn + number * _TOGETHER / TENANTS) * 3600 / TURNS)
                if number % (TENANTS // _TOGETHER // LOOKS) == 0:
                    rate, share = rows / (time.perf_counter() - began), turn / TURNS + number * _TOGETHER / TENANTS / TURNS
                    live = len(states.residents.states())
                    table.add(f"{share * 60:.0f} min", thousands(NAMES * share), f"{resident_mb():.0f}", live, thousands(rate))
                    print(table.rows[-1], flush=True)
                    began, rows = time.perf_counter(), 0
        store.close()
    table.notes.append(f"{TENANTS:,} tenants in turn, each with {NAMES // TENANTS // TURNS} new names a turn, at most {MOST} states in memory: every call reads a state "
                       "from the table and writes one, the worst case; tenants that stay in memory cost neither.")
    return [table]


def _as_the_worker_has_it() -> Options:
    """The options of the worker's table, by the names Faust knows."""
    options, tables = Options(raw_mode=True), BlockBasedOptions()
    options.set_write_buffer_size(TABLE_OPTIONS["write_buffer_size"])
    options.set_max_write_buffer_number(TABLE_OPTIONS["max_write_buffer_number"])
    options.set_max_open_files(TABLE_OPTIONS["max_open_files"])
    tables.set_block_cache(Cache(TABLE_OPTIONS["block_cache_size"]))
    options.set_block_based_table_factory(tables)
    return options


def _take(states: States, columns: pa.RecordBatch, now: float) -> None:
    """As the agent does: write when it is crowded, and at a checkpoint."""
    states.hold(0, columns)
    for _ in states.digest(now):
        states.write(0)
    states.write(0)


def _turn(turn: int) -> Iterator[pa.RecordBatch]:
    """Each tenant asks new names once, many tenants to a batch."""
    each = NAMES // TENANTS // TURNS
    template = columns_of([event(_START, "a.example", 0)])
    start = _START + turn * 3600 / TURNS
    for first in range(0, TENANTS, _TOGETHER):
        rows = _TOGETHER * each
        number = np.arange(rows)
        tenants = first + number // each
        times = start + tenants * (3600 / TURNS / TENANTS) + number % each / 100
        cells = {
            "time": pa.array((times * 1e6).astype("int64"), pa.timestamp("us", tz="UTC")), "tenant": _coded([f"tenant-{tenant}" for tenant in tenants]),
            "qname": _coded([f"n{turn}-{index}.t{tenant}.example" for index, tenant in zip(number.tolist(), tenants.tolist(), strict=True)]),
            "registered_domain": _coded([f"t{tenant}.example" for tenant in tenants.tolist()]),
            "sequence": pa.array((turn * NAMES + first * each + number).astype("uint64")),
        }  # fmt: skip
        columns = [cells.get(field.name, template.column(field.name).take(pa.array(np.zeros(rows, "int64")))) for field in SCHEMA]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _coded(values: list[str]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()
