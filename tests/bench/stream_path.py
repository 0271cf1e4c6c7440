"""Events per second through Faust: a backlog in Apache Kafka, one analytics worker with all detectors, one core of its own.

And the same batches through the pure core alone, which says how much of it is Faust, Kafka and tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import yaml
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from compose import topics
from schemas.batches import BatchHeader, decode_batch, encode_batch
from schemas.topics import EVENTS
from streams.analysis import TenantState
from streams.columns import split_by_tenant
from tests.bench.pinned import OTHER_CORE, SERVER_CORE, process
from tests.bench.results import Table, median, thousands
from tests.bench.traffic import Traffic
from tests.integration.kafka import ApacheKafka

_BATCH_ROWS = 2_000
_BATCH_SECONDS = 0.1
_BUDGET = 200_000
_TOGETHER = (1, 10)
_NEARLY = 0.9
_WORKER = "Faust worker: the same, from Kafka, with tables and checkpoints"


def measure(rounds: int, seconds: float) -> list[Table]:
    """One table: events/s of a Faust worker and of the core alone; the backlog is `seconds` at the budget."""
    batches = max(8, int(_BUDGET * seconds / _BATCH_ROWS))
    core = {f"core, {together} batches at a time: decode, telemetry, all detectors": together for together in _TOGETHER}
    rates: dict[str, list[float]] = {name: [] for name in (*core, _WORKER)}
    peak = 0.0
    for number in range(rounds):
        records = list(_records(batches, seed=number))
        for name, together in core.items():
            rates[name].append(_core(records, together))
            print(f"{name}: {rates[name][-1]:,.0f} events/s", flush=True)
        rate, resident = _worker(records)
        rates[_WORKER].append(rate)
        peak = max(peak, resident)
        print(f"{_WORKER}: {rate:,.0f} events/s, {resident:.0f} MB", flush=True)
    table = Table("Events through the streams, one core", ("what", "events/s (median)", "lowest", "highest"), "python -m tests.bench streams")
    for name, values in rates.items():
        table.add(name, thousands(median(values)), thousands(min(values)), thousands(max(values)))
    size = sum(len(value) for _, value in records) / (len(records) * _BATCH_ROWS)
    table.notes.append(f"{batches * _BATCH_ROWS:,} made-up events of 20 tenants in batches of {_BATCH_ROWS:,} ({size:.0f} B an event); the worker took at most "
                       f"{peak:.0f} MB. Timed from the first commit to the one that holds nine tenths of them.")
    return [table]


def _records(batches: int, *, seed: int) -> Iterator[tuple[int, bytes]]:
    """(partition, value), each partition in order."""
    sources = [Traffic(EVENTS.partitions, partition, seed=seed, source=f"bench{partition}") for partition in range(EVENTS.partitions)]
    start = time.time() - batches * _BATCH_SECONDS / EVENTS.partitions - 1
    for number in range(batches):
        partition = number % EVENTS.partitions
        traffic = sources[partition]
        first = traffic.sequence
        columns = traffic.batch(_BATCH_ROWS, start + number // EVENTS.partitions * _BATCH_SECONDS, _BATCH_SECONDS)
        header = BatchHeader(source=f"bench{partition}", epoch=traffic.epoch, first_sequence=first, count=_BATCH_ROWS, partition=partition,
                             offered=traffic.sequence, acknowledged=first)
        yield partition, encode_batch(header, columns)


def _core(records: list[tuple[int, bytes]], together: int) -> float:
    """Events/s of decode, split by tenant and update, without any I/O, so many batches of a partition at a time."""
    tenants: dict[str, TenantState] = {}
    waiting: dict[int, list[pa.RecordBatch]] = {}
    began = time.perf_counter()
    for number, (partition, value) in enumerate(records):
        batches = waiting.setdefault(partition, [])
        batches.append(decode_batch(value)[1])
        if len(batches) < together and number < len(records) - EVENTS.partitions:
            continue
        for columns in pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches():
            for tenant, rows in split_by_tenant(columns):
                tenants.setdefault(tenant, TenantState(tenant)).update(rows, time.time())
        batches.clear()
    return len(records) * _BATCH_ROWS / (time.perf_counter() - began)


def _worker(records: list[tuple[int, bytes]]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary:
        directory = Path(temporary)
        kafka = ApacheKafka(directory / "kafka", core=OTHER_CORE)
        kafka.start()
        try:
            return asyncio.run(_drain(records, kafka.bootstrap, directory))
        finally:
            kafka.stop()


async def _drain(records: list[tuple[int, bytes]], bootstrap: str, directory: Path) -> tuple[float, float]:
    await topics.create(bootstrap)
    await _produce(records, bootstrap)
    config, log = directory / "analytics.yaml", directory / "log"
    group = "bench-analytics"
    config.write_text(yaml.safe_dump({"kafka": {"bootstrap": bootstrap}, "directory": str(directory / "tables"), "group": group}))
    with process([sys.executable, "-m", "streams", "analytics", "--config", str(config)], SERVER_CORE, log) as running:
        return await _watch(bootstrap, group, len(records), running.pid, log)


async def _produce(records: list[tuple[int, bytes]], bootstrap: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=4 << 20, linger_ms=20, max_batch_size=1 << 20)
    await producer.start()
    try:
        sent = [await producer.send(EVENTS.name, value, partition=partition) for partition, value in records]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def _watch(bootstrap: str, group: str, records: int, pid: int, log: Path) -> tuple[float, float]:
    """(events/s, peak resident MB) between the first commit and the one that holds nearly all: the last one waits for its time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    seen: list[tuple[float, int]] = []
    peak, deadline = 0.0, time.monotonic() + 300
    try:
        while not seen or seen[-1][1] < records:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the worker took {seen[-1:]} of {records} records in 300 s: see {log}")
            done = await _committed(admin, group)
            if done and (not seen or done > seen[-1][1]):
                seen.append((time.monotonic(), done))
            peak = max(peak, resident_mb(pid))
            await asyncio.sleep(0.02)
    finally:
        await admin.close()
    (first, before), (last, after) = seen[0], next(one for one in seen if one[1] >= _NEARLY * records)
    if last == first:
        raise RuntimeError("the backlog was too small to be timed: give more --seconds")
    return (after - before) * _BATCH_ROWS / (last - first), peak


async def _committed(admin: AIOKafkaAdminClient, group: str) -> int:
    with contextlib.suppress(Exception):
        offsets = await admin.list_consumer_group_offsets(group)
        return sum(value.offset for partition, value in offsets.items() if partition.topic == EVENTS.name and value.offset > 0)
    return 0


def resident_mb(pid: int | None = None) -> float:
    """Resident memory of a process, by default this one."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0
