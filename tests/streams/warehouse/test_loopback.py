"""The embedded store as the sink reaches it: values, refusals, and a store that goes and comes back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from streams.warehouse import AwayError, DataError, RefusedError
from streams.warehouse.connect import connect
from streams.warehouse.event_store import EventStore
from streams.warehouse.loopback import Loopback
from tests.peers.ports import free_port
from tests.streams.store import Store, batch, running


def test_values_come_back_as_they_are(store: Store) -> None:
    """Large numbers stay numbers, text stays text."""
    warehouse = Loopback(store.url)
    sql = "SELECT {text:String}, {number:UInt64}, [1, 2]"
    assert warehouse.query(sql, {"text": "a'b\n\t\\", "number": 2**63}) == [("a'b\n\t\\", 2**63, [1, 2])]


def test_refusals_are_told_apart(store: Store) -> None:
    """By ClickHouse's own code."""
    warehouse = Loopback(store.url)
    with pytest.raises(RefusedError, match="Code: 60") as caught:
        warehouse.insert_arrow("nameward.nowhere", pa.record_batch({"a": [1]}))
    assert (caught.value.code, type(caught.value)) == (60, RefusedError)
    with pytest.raises(DataError):
        warehouse.insert_arrow("nameward.query_events", pa.record_batch({"time": ["yesterday"]}))
    with pytest.raises(AwayError, match="does not answer at http://127.0.0.1"):
        Loopback(f"http://127.0.0.1:{free_port()}").query("SELECT 1")


def test_it_goes_on_with_a_store_that_was_killed(tmp_path: Path) -> None:
    """Everything stored before is there; the kept connection is made anew."""
    with running(tmp_path) as process:
        warehouse = Loopback(process.url)
        events = EventStore(warehouse)
        events.store([batch(0, 100)])
        process.kill()
        with pytest.raises(AwayError):
            events.store([batch(100, 100)])
        process.start()
        events.store([batch(0, 100), batch(100, 100)])
        assert warehouse.query("SELECT count(), uniqExact(sequence) FROM nameward.query_events") == [(200, 200)]


def test_a_store_stops_cleanly_and_keeps_its_rows(tmp_path: Path) -> None:
    """Status 0 on SIGTERM; a second start finds the rows."""
    process = Store(tmp_path)
    process.start()
    EventStore(Loopback(process.url)).store([batch(0, 10)])
    assert process.stop() == 0
    process.start()
    assert Loopback(process.url).query("SELECT count() FROM query_events") == [(10,)]
    assert process.stop() == 0


def test_a_taken_port_or_directory_ends_in_one_sentence(store: Store, tmp_path: Path) -> None:
    """On standard error, with status 1."""
    taken = Store(tmp_path / "port")
    taken.config.write_text(taken.config.read_text().replace(str(taken.port), str(store.port)))
    taken.port = free_port()
    with pytest.raises(AssertionError, match="address already in use"):
        taken.start()
    same = Store(tmp_path / "directory")
    shutil.copy(store.config, same.config)
    same.config.write_text(same.config.read_text().replace(str(store.port), str(same.port)))
    with pytest.raises(AssertionError, match="another process"):
        same.start()


@pytest.mark.parametrize("url", ["", "mysql://x", "localhost:8123"])
def test_an_unknown_scheme_is_refused(url: str) -> None:
    """With what would be understood."""
    with pytest.raises(RefusedError, match="expected http://host:port or clickhouse://"):
        connect(url)
