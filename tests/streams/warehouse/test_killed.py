"""A store killed amid inserts, at any moment and at the worst: no event twice, sums that differ are told and built again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from compose.cli import nameward
from streams.warehouse import AwayError
from streams.warehouse.event_store import Batch, EventStore
from streams.warehouse.loopback import Loopback
from streams.warehouse.rollups import ROLLUPS
from tests.streams.store import Store, batch, running

_KILLS, _MOST = 8, 60
_ROWS, _BEHIND = 2_000, 3
NOW = datetime.now(UTC)

# What views say and what the events themselves say, in the same words.
_BOTH = {
    "SELECT tenant, workload, time, toInt64(queries), toInt64(denied), clients FROM nameward.traffic_1m":
        "SELECT tenant, workload, toStartOfMinute(time), count(), countIf(verdict = 'deny'), uniqExact(client) FROM nameward.query_events GROUP BY ALL",
    "SELECT tenant, qname, client, toInt64(queries), first_asked, last_asked FROM nameward.who_asked":
        "SELECT tenant, qname, client, count(), min(time), max(time) FROM nameward.query_events GROUP BY ALL",
    "SELECT tenant, rule, toInt64(queries) FROM nameward.denied_by_rule":
        "SELECT tenant, rule, count() FROM nameward.query_events WHERE verdict = 'deny' GROUP BY ALL",
    "SELECT tenant, registered_domain, toInt64(queries), first_seen FROM nameward.new_names":
        "SELECT tenant, registered_domain, count(), min(time) FROM nameward.query_events GROUP BY ALL",
    "SELECT tenant, upstream, toInt64(queries) FROM nameward.slow_upstreams":
        "SELECT tenant, upstream, count() FROM nameward.query_events WHERE upstream != '' GROUP BY ALL",
}


def batches(number: int) -> list[Batch]:
    """What the sink has in hands at once: two tenants, one of them denied, upstream answers."""
    first = number * _ROWS
    allowed = batch(first, _ROWS, time=NOW, upstream="udp://192.0.2.53:53")
    return [allowed, batch(first, _ROWS, source="r2", tenant="globex", time=NOW, verdict="deny", rule="block/ads")]


class Sink:
    """Puts one batch after the other into a store until the store is away; what was in hands is given again."""

    def __init__(self, store: Store) -> None:
        self._events = EventStore(Loopback(store.url))
        self.next = 0
        self.began = threading.Event()
        self.away = threading.Event()

    def run(self) -> None:
        """Insert until nothing answers."""
        try:
            while True:
                self._events.store(batches(self.next))
                self.next += 1
                self.began.set()
        except AwayError:
            self.away.set()

    def again(self) -> None:
        """As after a restart: what was last acknowledged lies behind what is stored."""
        self.next = max(0, self.next - _BEHIND)


class Parts:
    """The parts of events and roll-ups as they lie in the store's directory."""

    def __init__(self, store: Store) -> None:
        sql = "SELECT data_paths FROM system.tables WHERE database = 'nameward' AND name IN {names:Array(String)}"
        names = ", ".join(f"'{name}'" for name in ("query_events", *(rollup.name for rollup in ROLLUPS)))
        self._tables = [Path(paths[0]) for (paths,) in Loopback(store.url).query(sql, {"names": f"[{names}]"})]
        assert len(self._tables) == 1 + len(ROLLUPS)

    def names(self) -> frozenset[tuple[Path, str]]:
        """(table, part) of each that is finished."""
        return frozenset((table, part.name) for table in self._tables for part in table.iterdir() if part.name[0].isdigit())

    def await_one(self, seconds: float) -> None:
        """Until a part is there that was not: the first of an insert, or of a merge."""
        before, end = self.names(), time.monotonic() + seconds
        while self.names() <= before:
            assert time.monotonic() < end, "nothing was inserted"


def warehouse(store: Store, command: str) -> Result:
    """Run a command of ``nameward warehouse`` on the store."""
    return CliRunner().invoke(nameward, ["warehouse", command, "--warehouse", store.url])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store that is killed more than once."""
    with running(tmp_path) as started:
        yield started


@pytest.mark.timeout(600)
def test_a_store_killed_between_events_and_roll_ups_is_made_whole(store: Store) -> None:
    """Every other time when the first part of an insert is there, until roll-ups differ; then backfill, and everything once more."""
    draw = random.Random(5)
    sink, parts = Sink(store), Parts(store)
    kills, differed = 0, 0
    while kills < _KILLS or not differed:
        assert kills < _MOST, "no kill fell between events and roll-ups"
        sink.began.clear()
        sink.away.clear()
        writer = threading.Thread(target=sink.run)
        writer.start()
        assert sink.began.wait(60)
        if kills % 2:
            parts.await_one(60)
        else:
            sink.away.wait(draw.uniform(0, 0.2))
        store.kill()
        writer.join(60)
        assert sink.away.is_set()
        store.start()
        kills += 1
        found = warehouse(store, "check")
        assert found.exit_code == (1 if "counts" in found.output else 0), found.output
        differed += "counts" in found.output
        sink.again()
    finish(store, sink)


def finish(store: Store, sink: Sink) -> None:
    """What is left of the story: the replay, the repair, and a replay of it all."""
    reached = sink.next + _BEHIND + 1
    events = EventStore(Loopback(store.url))
    for number in range(sink.next, reached):
        events.store(batches(number))
    rows = [(2 * _ROWS * reached, 2 * _ROWS * reached)]
    stored = "SELECT count(), uniqExact(source, epoch, partition, sequence) FROM nameward.query_events"
    assert Loopback(store.url).query(stored) == rows
    assert warehouse(store, "check").exit_code == 1
    repaired = warehouse(store, "backfill")
    assert (repaired.exit_code, "built again" in repaired.output) == (0, True), repaired.output
    again = EventStore(Loopback(store.url))
    for number in range(reached):
        again.store(batches(number))
    assert again.stored == 0
    assert Loopback(store.url).query(stored) == rows
    assert warehouse(store, "check").output == f"{len(ROLLUPS)} roll-ups agree with the events\n"
    for view, told in _BOTH.items():
        assert Loopback(store.url).query(f"{view} ORDER BY ALL") == Loopback(store.url).query(f"{told} ORDER BY ALL")
