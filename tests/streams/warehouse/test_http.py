"""The store's HTTP interface, asked as curl, dashboards and clickhouse-connect ask a ClickHouse server."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
import uuid
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from urllib.parse import urlencode

import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.patience import PROCESS_S, patient
from tests.streams.store import Store


def ask(
    store: Store, sql: str | bytes = "", method: str = "POST", headers: dict[str, str] | None = None, **options: object
) -> tuple[int, HTTPMessage, bytes]:
    """One request: status, headers, body."""
    connection = HTTPConnection("127.0.0.1", store.port, timeout=60)
    connection.request(method, "/?" + urlencode(options), body=sql or None, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


@pytest.fixture
def table(store: Store) -> str:
    """An empty table of its own."""
    name = f"t{uuid.uuid4().hex}"
    assert ask(store, f"CREATE TABLE {name} (a UInt64, b String) ENGINE = MergeTree ORDER BY a")[0] == 200
    return name


@pytest.mark.parametrize("path", ["/ping", "/replicas_status", "/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_it_says_ok(store: Store, path: str, method: str) -> None:
    """As health checks expect."""
    connection = HTTPConnection("127.0.0.1", store.port, timeout=PROCESS_S)
    connection.request(method, path)
    response = connection.getresponse()
    assert response.status == 200
    assert response.read() == (b"Ok.\n" if method == "GET" else b"")


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"query": "SELECT 1"}, ""),
        ({}, "SELECT 1"),
        ({"query": "SELECT"}, "1"),
        ({"query": "SELECT 1 FORMAT TSV"}, ""),
        ({"default_format": "CSV"}, "SELECT 1"),
        ({"default_format": "JSON"}, "SELECT 1 FORMAT TSV"),
    ],
)
def test_the_query_stands_in_url_and_body(store: Store, options: dict[str, str], body: str) -> None:
    """One continues the other; a FORMAT clause wins over default_format."""
    assert ask(store, body, **options)[::2] == (200, b"1\n")


def test_headers_are_those_of_clickhouse(store: Store) -> None:
    """Format, query id, timezone, summary."""
    status, headers, body = ask(store, "SELECT number FROM numbers(3)", query_id="q-1", default_format="JSON")
    assert status == 200
    assert json.loads(body)["rows"] == 3
    assert headers["X-ClickHouse-Query-Id"] == "q-1"
    assert headers["X-ClickHouse-Format"] == "JSON"
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert headers["X-ClickHouse-Server-Display-Name"]
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert json.loads(headers["X-ClickHouse-Summary"])["result_rows"] == "3"


@pytest.mark.parametrize(
    ("sql", "status", "code", "said"),
    [
        ("SELECT nope", 404, "47", "Unknown expression identifier"),
        ("SELECT * FROM nope", 404, "60", "nope"),
        ("SELEC 1", 400, "62", "Syntax error"),
        ("SELECT 1; SELECT 2", 400, "62", "Multi-statements are not allowed"),
        ("SELECT 1 FORMAT Nope", 404, "73", "Nope"),
        ("SELECT {x:String}", 400, "456", "x"),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", 500, "497", "Not enough privileges"),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", 500, "497", "Not enough privileges"),
        ("SELECT 1 INTO OUTFILE '/tmp/nameward-never'", 500, "1", "INTO OUTFILE is not allowed"),
        ("SELECT throwIf(number = 900000) FROM numbers(1000000)", 500, "395", "throwIf"),
        ("SELECT sleep(3) SETTINGS max_execution_time = 1", 408, "159", "Timeout exceeded"),
        (
            "SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 30000000",
            500,
            "241",
            "memory",
        ),
    ],
)
def test_errors_say_what_clickhouse_says(store: Store, sql: str, status: int, code: str, said: str) -> None:
    """Code, text, version, and the right HTTP status; before the first byte of a result."""
    got, headers, body = ask(store, sql)
    text = body.decode()
    assert (got, headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert text.startswith(f"Code: {code}. DB::Exception: ")
    assert said in text
    assert text.endswith(")\n")
    assert "(version " in text


def test_get_only_reads(store: Store, table: str) -> None:
    """A link in a browser changes nothing."""
    for sql in (f"INSERT INTO {table} VALUES (1, 'x')", f"DROP TABLE {table}", f"INSERT INTO {table} SELECT 1, 'x'"):
        status, headers, body = ask(store, method="GET", query=sql)
        assert (status, headers["X-ClickHouse-Exception-Code"]) == (500, "164")
        assert b"readonly" in body
    assert ask(store, method="GET", query=f"SELECT count() FROM {table}")[2] == b"0\n"


def test_parameters_are_values_not_text(store: Store) -> None:
    """A quote in one is a character."""
    assert ask(store, "SELECT {x:String}, {n:UInt8} + 1", param_x="it's; --", param_n="4")[2] == b"it\\'s; --\t5\n"


def test_settings_hold_for_their_query_only(store: Store) -> None:
    """And unknown ones are refused."""
    assert ask(store, "SELECT getSetting('max_block_size')", max_block_size="1234")[2] == b"1234\n"
    assert ask(store, "SELECT getSetting('max_block_size')")[2] != b"1234\n"
    assert ask(store, "SELECT 1", max_blocks="1")[0] == 404


@pytest.mark.parametrize(
    ("name", "unpack"),
    [
        ("gzip", gzip.decompress),
        ("lz4", lz4.frame.decompress),
        ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
def test_answers_are_packed_as_asked(store: Store, name: str, unpack: object) -> None:
    """Only with enable_http_compression, as on a server."""
    sql = "SELECT number FROM numbers(100000)"
    _, headers, packed = ask(store, sql, headers={"Accept-Encoding": name}, enable_http_compression="1")
    _, plain_headers, plain = ask(store, sql, headers={"Accept-Encoding": name})
    assert headers["Content-Encoding"] == name
    assert "Content-Encoding" not in plain_headers
    assert len(packed) < len(plain)
    assert unpack(packed) == plain  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("gzip", gzip.compress), ("lz4", lz4.frame.compress), ("zstd", zstandard.ZstdCompressor().compress), ("", bytes)],
)
def test_inserts_may_be_packed_in_many_frames(store: Store, table: str, name: str, pack: object) -> None:
    """As clients send them: block by block."""
    rows = b"".join(b"%d\tx\n" % number for number in range(5000))
    body = pack(rows[: len(rows) // 2]) + pack(rows[len(rows) // 2 :])  # type: ignore[operator]
    query = f"INSERT INTO {table} FORMAT TSV"
    status, headers, _ = ask(store, body, headers={"Content-Encoding": name} if name else {}, query=query)
    assert status == 200
    assert json.loads(headers["X-ClickHouse-Summary"])["written_rows"] == "5000"
    assert ask(store, f"SELECT count(), sum(a) FROM {table}")[2] == b"5000\t12497500\n"


def test_a_damaged_body_is_refused(store: Store, table: str) -> None:
    """And nothing is stored."""
    query = f"INSERT INTO {table} FORMAT TSV"
    assert ask(store, b"not gzip at all", headers={"Content-Encoding": "gzip"}, query=query)[0] == 500
    assert ask(store, b"x", headers={"Content-Encoding": "rar"}, query=query)[0] == 500
    assert ask(store, b"1\tx\nnonsense", query=query)[0] == 400
    assert ask(store, f"SELECT count() FROM {table}")[2] == b"0\n"


@pytest.mark.parametrize(
    "body",
    [
        "INSERT INTO {t} VALUES (1, 'x'), (2, 'y;z')",
        "INSERT INTO {t} (b, a) FORMAT JSONEachRow\n" + '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}',
        "INSERT INTO {t} SELECT number + 1, 'x' FROM numbers(2)",
        "INSERT INTO {t} FORMAT CSV\n1,x\n2,y\n",
    ],
)
def test_inserts_with_the_statement_in_the_body(store: Store, table: str, body: str) -> None:
    """Data after FORMAT or VALUES, or from a SELECT."""
    status, _, said = ask(store, body.replace("{t}", table))
    assert (status, said) == (200, b"")
    assert ask(store, f"SELECT count(), sum(a) FROM {table}")[2] == b"2\t3\n"


def test_users_are_told_apart(store: Store) -> None:
    """The default user without a password; others do not exist."""
    basic = {"Authorization": "Basic " + base64.b64encode(b"default:").decode()}
    assert ask(store, "SELECT currentUser()", headers=basic)[2] == b"default\n"
    assert ask(store, "SELECT 1", headers={"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""})[0] == 200
    status, headers, _ = ask(store, "SELECT 1", headers={"X-ClickHouse-User": "mallory"})
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert ask(store, "SELECT 1", headers={"Authorization": "Basic !!"})[0] == 401


def test_pages_of_the_wide_web_are_refused(store: Store) -> None:
    """A browser can reach loopback; its pages must not run SQL."""
    assert ask(store, "SELECT 1", headers={"Origin": "https://evil.example"})[0] == 403
    assert ask(store, "SELECT 1", headers={"Origin": "http://localhost:3000"})[0] == 200


def test_native_block_compression_is_refused_in_words(store: Store) -> None:
    """A client that asks for it must not get something else."""
    assert b"Accept-Encoding" in ask(store, "SELECT 1", compress="1")[2]


def test_native_blocks_of_newer_revisions_are_refused_in_words(store: Store) -> None:
    """Such a client would read garbage."""
    status, headers, body = ask(store, "SELECT 1", default_format="Native", client_protocol_version="54460")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (501, "48")
    assert b"54460" in body
    assert ask(store, "SELECT 1", default_format="JSON", client_protocol_version="54460")[0] == 200


def test_a_session_keeps_what_was_set(store: Store) -> None:
    """Temporary tables and SET; a failed query leaves nothing behind."""
    session = uuid.uuid4().hex
    assert ask(store, "CREATE TEMPORARY TABLE mine (a UInt8)", session_id=session)[0] == 200
    assert ask(store, "INSERT INTO mine VALUES (5)", session_id=session)[0] == 200
    assert ask(store, "SET max_block_size = 777", session_id=session)[0] == 200
    assert (
        ask(store, "SELECT throwIf(number = 900000), 'left over' FROM numbers(1000000)", session_id=session)[0] == 500
    )
    assert (
        ask(store, method="GET", query="SELECT a, getSetting('max_block_size') FROM mine", session_id=session)[2]
        == b"5\t777\n"
    )
    assert ask(store, "INSERT INTO mine VALUES (6)", session_id=session, max_block_size="99")[0] == 200
    assert ask(store, "SELECT count(), getSetting('max_block_size') FROM mine", session_id=session)[2] == b"2\t777\n"
    assert ask(store, "SELECT * FROM mine")[0] == 404


def test_a_client_that_dies_amid_its_rows_leaves_nothing(store: Store, table: str) -> None:
    """No row and no traceback; as when the sink is killed."""
    with socket.create_connection(("127.0.0.1", store.port)) as client:
        query = urlencode({"query": f"INSERT INTO {table} FORMAT TSV"})
        client.sendall(f"POST /?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n1\ta\n".encode())
        assert ask(store, "SELECT 1")[0] == 200  # by now the other is being read
    assert ask(store, f"SELECT count() FROM {table}")[2] == b"0\n"
    assert "Traceback" not in (store.directory / "store.log").read_text()


def test_a_heavy_query_freezes_neither_pings_nor_inserts(store: Store, table: str) -> None:
    """Analysts have threads of their own."""
    heavy = [
        threading.Thread(
            target=ask,
            args=(store, "SELECT sum(sipHash64(number)) FROM numbers(100000000000) SETTINGS max_execution_time = 3"),
        )
        for _ in range(6)
    ]
    for thread in heavy:
        thread.start()
    began = time.monotonic()
    for number in range(10):
        assert store.answers()
        assert ask(store, f"{number}\tx\n", query=f"INSERT INTO {table} FORMAT TSV")[0] == 200
    took = time.monotonic() - began
    assert any(thread.is_alive() for thread in heavy)
    for thread in heavy:
        thread.join()
    assert took < patient(10)


def test_a_result_larger_than_memory_is_streamed(store: Store) -> None:
    """800 MB of JSON leave the store's memory as it was."""
    before = resident(store)
    connection = HTTPConnection("127.0.0.1", store.port, timeout=60)
    connection.request(
        "POST", "/?default_format=JSONEachRow", body="SELECT number, toString(number) AS s FROM numbers(20000000)"
    )
    response = connection.getresponse()
    size = 0
    while chunk := response.read(1 << 20):
        size += len(chunk)
    assert size > 600_000_000
    assert resident(store) - before < 120
    assert not list((store.directory / "store" / "spool").iterdir())


def resident(store: Store) -> int:
    """MiB of the store's process."""
    assert store.process is not None
    return int(Path(f"/proc/{store.process.pid}/statm").read_text().split()[1]) * 4096 >> 20


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_clickhouse_connect_works(store: Store, table: str, compress: bool | str) -> None:
    """Queries, data frames, Arrow, streams, inserts, parameters, errors, sessions."""
    client = clickhouse_connect.get_client(host="127.0.0.1", port=store.port, compress=compress)
    assert client.ping()
    client.insert(table, [[number, f"n{number % 3}"] for number in range(20000)], column_names=["a", "b"])
    client.insert_arrow(table, pa.table({"a": pa.array([20000], pa.uint64()), "b": ["z"]}))
    assert client.query(f"SELECT count(), sum(a) FROM {table}").result_rows == [(20001, 200010000)]
    assert client.query_df(f"SELECT * FROM {table} ORDER BY a LIMIT 2").to_dict("list") == {
        "a": [0, 1],
        "b": ["n0", "n1"],
    }
    assert client.query_arrow(f"SELECT a FROM {table} WHERE a < 5").num_rows == 5
    with client.query_row_block_stream(f"SELECT * FROM {table}") as stream:
        assert sum(len(block) for block in stream) == 20001
    assert client.query("SELECT {x:String}", parameters={"x": "it's"}).result_rows == [("it's",)]
    row = client.query("SELECT [1, 2], map('a', 1), toLowCardinality('x'), CAST(NULL, 'Nullable(String)')").result_rows
    assert row == [([1, 2], {"a": 1}, "x", None)]
    assert client.query("SELECT 1 WHERE 0").result_rows == []
    with pytest.raises(DatabaseError, match="Code: 47"):
        client.query("SELECT nope")
    client.command("CREATE TEMPORARY TABLE tmp (a UInt8)")
    client.command("INSERT INTO tmp VALUES (3)")
    assert client.command("SELECT a FROM tmp") == 3
    client.close()
