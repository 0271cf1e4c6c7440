"""The native protocol against a real server (Debian's, 18.16): inserts, refusals, reconnects, exactly once."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from streams.warehouse import AwayError, RefusedError
from streams.warehouse.connect import connect
from streams.warehouse.rows import event_rows
from streams.warehouse.server import Server
from tests.peers import clickhouse
from tests.peers.ports import free_port
from tests.streams.store import batch

# What 18.16 knows of the real table: no DateTime64, no Map, no projections.
_COLUMNS = (
    "day",
    "source",
    "epoch",
    "partition",
    "sequence",
    "tenant",
    "qname",
    "answers.type",
    "answers.data",
    "answers.ttl",
    "tags",
    "ede",
)
_DDL = """CREATE TABLE events (day Date, source String, epoch UInt64, partition UInt16, sequence UInt64, tenant String, qname String,
answers Nested(type String, data String, ttl UInt32), tags Array(String), ede Int32)
ENGINE = MergeTree PARTITION BY day ORDER BY (tenant, qname)"""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[clickhouse.Server]:
    """A server of our own."""
    with clickhouse.running(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def warehouse(peer: clickhouse.Server) -> Iterator[Server]:
    """Connected to it, the table empty."""
    connected = connect(f"clickhouse://default@127.0.0.1:{peer.native}/default")
    assert isinstance(connected, Server)
    connected.execute("DROP TABLE IF EXISTS events")
    connected.execute(_DDL)
    yield connected
    connected.close()


def rows(first: int, count: int) -> pa.RecordBatch:
    """Rows of the reduced table."""
    return event_rows([batch(first, count)[1]]).select(_COLUMNS)


def test_columns_arrive_as_they_are(warehouse: Server) -> None:
    """Dictionaries, lists, dates, large numbers."""
    warehouse.insert_arrow("events", rows(2**40, 3))
    found = warehouse.query("SELECT * FROM events ORDER BY sequence LIMIT 1")
    day, *rest = found[0]
    assert str(day) == "2026-11-22"
    name = f"n{2**40}.example.com"
    assert rest == ["r1", 1000, 0, 2**40, "acme", name, ["A"], ["192.0.2.1"], [300], ["log"], -1]


def test_parameters_are_values_not_text(warehouse: Server) -> None:
    """The same placeholders as over HTTP."""
    sql = "SELECT {text:String}, {number:UInt32}, '100%', {text:String}"
    assert warehouse.query(sql, {"text": "it's \\", "number": 7}) == [("it's \\", 7, "100%", "it's \\")]


def test_refusals_carry_the_servers_code(warehouse: Server, peer: clickhouse.Server) -> None:
    """Unknown table, bad SQL, wrong user; one line each, saying where."""
    with pytest.raises(RefusedError) as caught:
        warehouse.insert_arrow("nowhere", rows(0, 1))
    assert caught.value.code == 60
    with pytest.raises(RefusedError, match=f"^clickhouse://127.0.0.1:{peer.native}: ") as caught:
        warehouse.execute("SELEC 1")
    assert caught.value.code == 62
    assert "\n" not in str(caught.value)
    with pytest.raises(RefusedError, match="mallory"):
        Server(f"clickhouse://mallory:x@127.0.0.1:{peer.native}").query("SELECT 1")
    assert warehouse.query("SELECT 1") == [(1,)]


def test_an_insert_is_there_whole_or_not_at_all(warehouse: Server) -> None:
    """A column that does not fit stops all of it."""
    wrong = rows(0, 5).set_column(3, "partition", pa.array(["x"] * 5))
    with pytest.raises((RefusedError, AwayError)):
        warehouse.insert_arrow("events", wrong)
    assert warehouse.query("SELECT count() FROM events") == [(0,)]


def test_nobody_listening_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Not refused: it may come back."""
    with pytest.raises(AwayError, match="does not answer"):
        Server(f"clickhouse://127.0.0.1:{free_port()}", connect_s=1).query("SELECT 1")


def test_it_goes_on_after_a_restart(warehouse: Server, peer: clickhouse.Server) -> None:
    """The failed call is an AwayError; the next one connects anew."""
    warehouse.insert_arrow("events", rows(0, 10))
    peer.stop()
    with pytest.raises(AwayError):
        warehouse.insert_arrow("events", rows(10, 10))
    peer.start()
    warehouse.insert_arrow("events", rows(10, 10))
    assert warehouse.query("SELECT count(), max(sequence) FROM events") == [(20, 19)]


def test_a_slow_answer_is_away(peer: clickhouse.Server) -> None:
    """After the time it was given."""
    hasty = Server(f"clickhouse://127.0.0.1:{peer.native}", answer_s=1)
    with pytest.raises(AwayError):
        hasty.query("SELECT sleep(3)")
    assert hasty.query("SELECT 1") == [(1,)]
