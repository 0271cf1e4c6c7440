"""The ledger's arithmetic, in the real store."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from compose.ledger import Account, command, settled
from compose.ports import Address
from compose.store import query

EPOCH = 1_790_000_000_000


@pytest.fixture
def books(store: Address) -> Iterator[Address]:
    """The store, with empty books."""
    yield store
    for table in ("query_events", "source_counters"):
        query(store, f"TRUNCATE TABLE nameward.{table}")


def say(store: Address, offered: int, dropped: int, acknowledged: int, *, closed: bool, source: str = "r1") -> None:
    """Store what a worker said of itself."""
    row = f"('{source}', {EPOCH}, {offered}, {dropped}, {acknowledged}, {int(closed)}, now64(3))"
    query(store, f"INSERT INTO nameward.source_counters VALUES {row}")


def keep(store: Address, first: int, count: int, source: str = "r1") -> None:
    """Store events of consecutive sequences."""
    query(
        store,
        "INSERT INTO nameward.query_events (day, time, source, epoch, partition, sequence, tenant) "
        f"SELECT today(), now64(6), '{source}', {EPOCH}, 0, {first} + number, 'acme' FROM numbers({count})",
    )


def account(store: Address, source: str = "r1") -> Account:
    """The one account of a worker, without patience."""
    (found,) = [entry for entry in settled(store, 0.0) if entry.source == source]
    return found


def test_clean_end_with_everything_stored(books: Address) -> None:
    """A worker that ended cleanly owes nothing when stored = produced - dropped."""
    say(books, 100, 10, 90, closed=True)
    keep(books, 0, 90)
    found = account(books)
    assert (found.produced, found.dropped, found.tail, found.stored) == (100, 10, 0, 90)
    assert (found.in_flight, found.missing, found.duplicates) == (0, 0, 0)


def test_clean_end_with_a_hole_is_missing(books: Address) -> None:
    """What a cleanly ended worker had acknowledged and is not stored is missing."""
    say(books, 100, 0, 100, closed=True)
    keep(books, 0, 97)
    assert account(books).missing == 3


def test_tail_of_a_killed_worker_is_counted_not_missing(books: Address) -> None:
    """What a killed worker never had acknowledged is its tail; what was acknowledged must be there."""
    say(books, 100, 5, 80, closed=True)
    keep(books, 0, 80)
    found = account(books)
    assert (found.tail, found.missing) == (15, 0)


def test_acknowledged_events_of_a_killed_worker_can_be_missing(books: Address) -> None:
    """A killed worker's acknowledged events that the store lacks are missing."""
    say(books, 100, 0, 80, closed=True)
    keep(books, 0, 70)
    assert account(books).missing == 10


def test_live_worker_owes_only_what_does_not_come(books: Address) -> None:
    """What a live worker produced before the command began and does not arrive while it waits is missing."""
    say(books, 100, 0, 100, closed=False)
    keep(books, 0, 60)
    found = account(books)
    assert (found.stored, found.missing) == (60, 40)


def test_event_stored_twice_is_seen(books: Address) -> None:
    """A sequence stored twice is a duplicate and makes the command end with status 1."""
    say(books, 10, 0, 10, closed=True)
    keep(books, 0, 10)
    keep(books, 9, 1)
    assert account(books).duplicates == 1
    done = CliRunner().invoke(command, ["--json", "--wait", "0", "--clickhouse", str(books)])
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["duplicates"] == 1


def test_table_names_every_worker_and_the_sum(books: Address) -> None:
    """People get a line per worker and a sum; the status is 0 when nothing is missing."""
    say(books, 10, 0, 10, closed=True)
    keep(books, 0, 10)
    say(books, 7, 2, 5, closed=True, source="r2")
    keep(books, 0, 5, source="r2")
    done = CliRunner().invoke(command, ["--wait", "0", "--clickhouse", str(books)])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("r1", "r2", "all"))] == ["r1", "r2", "all"]
    assert lines[-1].split()[1:] == ["17", "2", "0", "15", "0", "0", "0"]
