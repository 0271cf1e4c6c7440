"""Each event is stored exactly once, whatever is replayed; the ledger accounts for the rest."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from schemas.batches import BatchHeader
from streams.warehouse import AwayError, Parameters, Row, Settings, WarehouseError
from streams.warehouse.embedded import Embedded
from streams.warehouse.event_store import EventStore
from streams.warehouse.rows import event_rows
from tests.streams.store import batch

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def stored(warehouse: Embedded) -> list[int]:
    """Sequences in the table."""
    return [number for (number,) in warehouse.query("SELECT sequence FROM nameward.query_events ORDER BY sequence")]


def ledger(warehouse: Embedded) -> dict[str, tuple[int, ...]]:
    """Per source: produced, dropped, stored, tail, in flight, missing."""
    rows = warehouse.query(
        "SELECT source, toInt64(produced), toInt64(dropped), toInt64(stored), toInt64(tail), toInt64(in_flight), toInt64(missing)"
        " FROM nameward.ledger ORDER BY source"
    )
    return {str(source): tuple(int(number) for number in numbers) for source, *numbers in rows}


def test_a_replay_is_skipped(embedded: Embedded) -> None:
    """Whole batches and overlapping ones."""
    events = EventStore(embedded)
    events.store([batch(0, 10)])
    events.store([batch(0, 10), batch(5, 10)])
    events.store([batch(2, 3)])
    assert stored(embedded) == list(range(15))
    assert events.stored == 15


def test_a_new_store_asks_the_table_how_far_it_is(embedded: Embedded) -> None:
    """As after a restart or when partitions change hands."""
    EventStore(embedded).store([batch(0, 10)])
    EventStore(embedded).store([batch(0, 10), batch(10, 5)])
    assert stored(embedded) == list(range(15))


def test_partitions_epochs_and_sources_count_for_themselves(embedded: Embedded) -> None:
    """A high one does not hide a low one."""
    events = EventStore(embedded)
    events.store([batch(100, 5), batch(0, 5, partition=1), batch(0, 5, epoch=2000), batch(0, 5, source="r2")])
    events.store([batch(0, 5, partition=1), batch(5, 5, partition=1)])
    assert len(stored(embedded)) == 25


def test_one_insert_is_one_part_over_midnight(embedded: Embedded) -> None:
    """Of the day of its latest event, so that it is there whole or not at all."""
    late = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
    EventStore(embedded).store([batch(0, 5, time=late), batch(5, 5, time=datetime(2026, 11, 23, 0, 0, 1, tzinfo=UTC))])
    assert embedded.query("SELECT DISTINCT toString(day) FROM nameward.query_events") == [("2026-11-23",)]


def test_every_field_arrives_as_it_was(embedded: Embedded) -> None:
    """Lists, maps, dictionaries, times."""
    EventStore(embedded).store([batch(7, 1)])
    columns = "toString(time), labels['app'], `answers.type`, `answers.data`, `answers.ttl`, `audits.rule`, tags, ede, qname, toInt64(flags)"
    assert embedded.query(f"SELECT {columns} FROM nameward.query_events") == [
        (
            "2026-11-22 10:00:00.000007",
            "frontend",
            ["A"],
            ["192.0.2.1"],
            [300],
            ["x/y"],
            ["log"],
            -1,
            "n7.example.com",
            0x8180,
        )
    ]


class Shaky:
    """A real warehouse behind a connection that fails: before the insert, or after it when nobody hears the answer."""

    def __init__(self, warehouse: Embedded, chance: random.Random) -> None:
        self._warehouse, self._chance = warehouse, chance

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Always works."""
        self._warehouse.execute(sql, parameters)

    def query(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """Fails now and then."""
        if self._chance.random() < 0.2:
            raise AwayError("away")
        return self._warehouse.query(sql, parameters)

    def insert_arrow(self, table: str, columns: pa.RecordBatch, settings: Settings | None = None) -> None:
        """Fails before or after."""
        fate = self._chance.random()
        if fate < 0.25:
            raise AwayError("away before")
        self._warehouse.insert_arrow(table, columns, settings)
        if fate < 0.5:
            raise AwayError("away after")

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("seed", range(5))
def test_failures_and_replays_in_any_order_store_everything_once(embedded: Embedded, seed: int) -> None:
    """Retried until it works, with restarts that replay from any earlier batch."""
    chance = random.Random(seed)
    batches = [batch(n * 7, 7) for n in range(20)]
    events = EventStore(Shaky(embedded, chance))
    position = 0
    while position < len(batches):
        size = chance.randint(1, 5)
        insist(events, batches[position : position + size])
        position += size
        if chance.random() < 0.3:
            events, position = EventStore(Shaky(embedded, chance)), chance.randint(0, position)
    assert stored(embedded) == list(range(140))


def insist(events: EventStore, batches: Sequence[tuple[BatchHeader, pa.RecordBatch]]) -> None:
    """Repeat until stored."""
    for _ in range(200):
        try:
            events.store(batches)
        except AwayError:
            events.forget()
        else:
            return
    raise AssertionError("never stored")


@pytest.mark.parametrize(
    ("counters", "account"),
    [
        ({"offered": 10, "acknowledged": 10, "closed": True}, (10, 0, 10, 0, 0, 0)),
        ({"offered": 15, "dropped": 5, "acknowledged": 10, "closed": True}, (15, 5, 10, 0, 0, 0)),
        ({"offered": 17, "dropped": 4, "acknowledged": 10, "closed": True}, (17, 4, 10, 3, 0, 0)),
        ({"offered": 17, "dropped": 4, "acknowledged": 8, "closed": True}, (17, 4, 10, 3, 0, 0)),
        ({"offered": 17, "dropped": 4, "acknowledged": 12, "closed": True}, (17, 4, 10, 1, 0, 2)),
        ({"offered": 12, "acknowledged": 12, "closed": True}, (12, 0, 10, 0, 0, 2)),
        ({"offered": 12, "acknowledged": 10}, (12, 0, 10, 0, 2, 0)),
    ],
    ids=["clean", "drops", "killed", "killed, ack unheard", "killed, lost", "ended, lost", "runs"],
)
def test_the_ledger_accounts_for_every_event(
    embedded: Embedded, counters: dict[str, object], account: tuple[int, ...]
) -> None:
    """produced, dropped, stored, tail, in flight, missing."""
    events = EventStore(embedded)
    events.store([batch(0, 10)])
    events.note([batch(0, 10)[0], batch(10, 0, **counters)[0]], NOW)
    assert ledger(embedded)["r1"] == account
    produced, dropped, kept, tail, flying, missing = account
    assert produced == dropped + kept + tail + flying + missing


def test_counters_may_arrive_in_any_order_and_twice(embedded: Embedded) -> None:
    """The largest word is the last word."""
    events = EventStore(embedded)
    last = batch(0, 0, offered=9, dropped=9, closed=True)[0]
    events.note([last, batch(0, 0, offered=5, dropped=2)[0]], NOW)
    events.note([last], NOW)
    assert ledger(embedded)["r1"] == (9, 9, 0, 0, 0, 0)


def test_dictionaries_of_many_batches_become_one(embedded: Embedded) -> None:
    """Each batch has its own words for the same columns."""
    rows = event_rows([batch(n * 3, 3, qname=f"q{n}.example")[1] for n in range(4)])
    assert rows.num_rows == 12
    embedded.insert_arrow("nameward.query_events", rows)
    assert embedded.query(
        "SELECT qname, toInt64(count()) FROM nameward.query_events GROUP BY qname ORDER BY qname"
    ) == [(f"q{n}.example", 3) for n in range(4)]


def test_an_insert_that_fails_at_its_very_end_says_so(embedded: Embedded) -> None:
    """Where the engine commits; what it says nothing of would be lost."""
    rows = event_rows([batch(0, 150)[1]])
    days = [(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n)).date() for n in range(150)]
    with pytest.raises(WarehouseError, match="Too many partitions"):
        embedded.insert_arrow("nameward.query_events", rows.set_column(0, "day", pa.array(days, pa.date32())))
    assert stored(embedded) == []
