"""Events per second through the analysis alone, one core: bytes of a record -> telemetry, every detector, alerts, checkpoints.

The clock of the events is the time spent on them: as if they came just as fast as they are taken, a second of ticks and a
checkpoint for each second of work. No Kafka, no Faust: tests/bench/stream_path.py has these.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator

from streams import alerts, analysis, answerers, codec, desk, highwater, popularity, standings, telemetry, upstreams
from streams.agents import states as kept
from streams.detectors import DETECTORS
from streams.pace import Pace
from tests.bench.pinned import SERVER_CORE
from tests.bench.results import Table, median, thousands
from tests.bench.stopwatch import Stopwatch
from tests.bench.stream_path import resident_mb
from tests.bench.tenant_traffic import CLIENTS, TenantTraffic

_ROWS, _TOGETHER, _TENANTS = 2_000, (1, 10, 50, 100), (1, 10, 20, 100, 1_000)
_PROFILED = ((10, 50), (100, 50))
_START, _LONG, _LOOK = 1_800_000_000.0, 3 * 3600.0, 1200.0
_WARM_ROWS, _WARM_MOST, _WARM_TOGETHER, _WARM_PACE = 2_000, 100_000, 25, 50_000
_COMMAND = "python -m tests.bench analysis"


class Analysis:
    """Tenants' states as a worker holds them; `busy` are seconds spent, which is also how far event time went on."""

    def __init__(self, tenants: int, together: int) -> None:
        self.table: dict[bytes, bytes] = {}
        self.states = kept.States(self.table)
        self.traffic, self._tenants = TenantTraffic(tenants), tenants
        self.together, self.busy, self.rows, self.written = together, 0.0, 0, 0
        self._clock, self._second, self._span = _START, 0, 0.01
        self._pace, self._wrote = Pace(), 0.0

    def step(self, pace: float | None = None) -> None:
        """One digest of so many records, and what is due once a second; `pace`: seconds of event time, or what it takes."""
        each = (pace or self._span) / self.together
        records = [self.traffic.record(_ROWS, self._clock + number * each, each) for number in range(self.together)]
        self._clock += pace or self._span
        began = time.process_time()
        for record in records:
            header, columns = codec.read_batch(record)
            self.states.hear(0, header)
            self.states.hold(0, columns)
        list(self.states.digest(self._clock))
        if int(self._clock) > self._second:
            self._second = int(self._clock)
            list(self.states.tick(self._clock))
        if self._pace.checkpoint_due(self._clock - self._wrote):
            self._checkpoint()
        self._span = time.process_time() - began
        self.busy += self._span
        self.rows += _ROWS * self.together

    def _checkpoint(self) -> None:
        began = time.process_time()
        self.written += self.states.write(0)
        self._wrote, self._pace.checkpoint = self._clock, time.process_time() - began

    def warm(self) -> None:
        """Let every tenant be no stranger any more: its common names, clients and domains seen, a checkpoint written."""
        together, self.together = self.together, _WARM_TOGETHER
        while self.rows < min(_WARM_ROWS * self._tenants, _WARM_MOST):
            self.step(_WARM_TOGETHER * _ROWS / _WARM_PACE)
        self.together, self.busy, self.rows, self.written = together, 0.0, 0, 0

    def run(self, seconds: float) -> float:
        """Events/s over so many seconds of work."""
        busy, rows = self.busy, self.rows
        while self.busy - busy < seconds:
            self.step()
        return (self.rows - rows) / (self.busy - busy)


def measure(rounds: int, seconds: float) -> list[Table]:
    """Three tables: memory over three hours of event time, events/s by tenants and rows taken together, where the time goes."""
    os.sched_setaffinity(0, {SERVER_CORE})
    memory = _memory()  # first: nothing of the others is in it
    return [memory, _rates(rounds, seconds), _profiles(seconds)]


def _rates(rounds: int, seconds: float) -> Table:
    columns = ("tenants", *(f"{_ROWS * together:,} events at a time" for together in _TOGETHER), "states written, B/event")
    table = Table("Events through the analysis, one core", columns, _COMMAND)
    for tenants in _TENANTS:
        rates: dict[int, list[float]] = {}
        for together in _TOGETHER * rounds:
            gc.collect()
            run = Analysis(tenants, together)
            run.warm()
            rates.setdefault(together, []).append(run.run(seconds))
            print(f"{tenants} tenants, {together} batches: {rates[together][-1]:,.0f} events/s", flush=True)
        table.add(f"{tenants:,}", *(thousands(median(values)) for values in rates.values()), f"{run.written / run.rows:.0f}")
    table.notes.append(f"Made-up events of {CLIENTS} clients a tenant, from a record's bytes on: decoding, telemetry, all {len(DETECTORS)} detectors, alerts, risk, popularity, and once a "
                       f"second of work a tick, and checkpoints of all that changed at the worker's own pace. Medians of {rounds}, {seconds:.0f} s of processor time each, after {_WARM_ROWS:,} events of each tenant ({_WARM_MOST:,} at most).")  # fmt: skip
    return table


def _profiles(seconds: float) -> Table:
    profiles = {f"{tenants:,} tenants, {_ROWS * together:,} at a time": dict(_profile(tenants, together, seconds)) for tenants, together in _PROFILED}
    table = Table("Where the time of an event goes, microseconds", ("part", *profiles), _COMMAND)
    for name in max(profiles.values(), key=len):
        table.add(name, *(f"{profile.get(name, 0.0):.3f}" for profile in profiles.values()))
    table.add("all", *(f"{sum(profile.values()):.3f}" for profile in profiles.values()))
    table.notes.append("Functions wrapped by a stopwatch that costs something itself: trust proportions.")
    return table


def _profile(tenants: int, together: int, seconds: float) -> Iterator[tuple[str, float]]:
    run = Analysis(tenants, together)
    run.warm()
    watch, rows, busy = watched(), run.rows, run.busy
    try:
        run.run(seconds)
    finally:
        watch.unwrap()
    rows, busy = run.rows - rows, run.busy - busy
    yield from ((name, spent / rows * 1e6) for name, spent in sorted(watch.seconds.items()))
    yield "the rest", (busy - sum(watch.seconds.values())) / rows * 1e6


def watched() -> Stopwatch:
    """A stopwatch on the parts of the analysis."""
    watch = Stopwatch()
    for owner, attribute, name in (
        (codec, "read_batch", "decode and check"), (kept, "split_by_tenant", "split by tenant"), (highwater.HighWater, "unseen", "high-water"),
        (telemetry.TelemetryWindows, "add", "telemetry"), (telemetry.TelemetryWindows, "lose", "telemetry"), (telemetry.TelemetryWindows, "count_new", "telemetry"),
        (telemetry.TelemetryWindows, "close", "telemetry, windows that close"), (answerers.Answerers, "add", "answerers"), (popularity.Popularity, "add", "popularity"),
        (popularity.Popularity, "due", "signals due"), (standings.Standings, "due", "signals due"), (upstreams.Upstreams, "due", "signals due"),
        (desk.Desk, "settle", "alerts, risk, overlay"), (desk.Desk, "report", "alerts, risk, overlay"), (alerts.AlertBook, "observe", "alerts, risk, overlay"),
        (analysis.TenantState, "dirty", "checkpoint"), (kept.States, "write", "checkpoint"), (analysis.TenantState, "update", "glue"), (analysis.TenantState, "tick", "glue"),
    ):  # fmt: skip
        watch.wrap(owner, attribute, name)
    for detector in DETECTORS:
        for attribute in ("update", "tick", "signals"):
            watch.wrap(detector, attribute, f"detector {detector.name}" if attribute != "signals" else "signals due")
    return watch


def _memory() -> Table:
    table = Table("Memory over three hours of event time", ("event time", "resident MB", "state in the table, MB", "events so far"), _COMMAND)
    run, since, pace = Analysis(10, 10), 0.0, 40.0
    while since <= _LONG:
        if since % _LOOK == 0:
            stored = sum(map(len, run.table.values())) / 1e6
            table.add(f"{since / 60:.0f} min", f"{resident_mb():.0f}", f"{stored:.1f}", thousands(run.rows))
            print(table.rows[-1], flush=True)
        run.step(pace)
        since += pace
    table.notes.append("10 tenants, 20,000 events every 40 s of event time, in one process; the table is in the same memory. The longest windows are filled after the first hour.")
    return table
