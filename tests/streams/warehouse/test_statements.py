"""Where a statement's FORMAT stands and where inline data begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.warehouse.statements import StatementError, parse, quoted, tsv_parameters


@pytest.mark.parametrize(
    ("sql", "head", "name", "tail"),
    [
        ("SELECT 1", "SELECT 1", "", ""),
        ("SELECT 1;", "SELECT 1", "", ""),
        ("select 1 format JSON", "select 1 ", "JSON", ""),
        ("SELECT 1 FORMAT JSON;\n", "SELECT 1 ", "JSON", ""),
        ("SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "SELECT 1 ", "JSON", " SETTINGS max_threads = 1"),
        ("SELECT 1 SETTINGS max_threads = 1 FORMAT CSV", "SELECT 1 SETTINGS max_threads = 1 ", "CSV", ""),
        ("SELECT 'a FORMAT JSON'", "SELECT 'a FORMAT JSON'", "", ""),
        ("SELECT format FROM t", "SELECT format FROM t", "", ""),
        ("SELECT 1 AS format", "SELECT 1 AS format", "", ""),
        ("SELECT (SELECT 1 FORMAT JSON)", "SELECT (SELECT 1 FORMAT JSON)", "", ""),
        ("SELECT 1 -- FORMAT JSON", "SELECT 1", "", ""),
        ("SELECT 1 /* ; */ FORMAT TSV", "SELECT 1 /* ; */ ", "TSV", ""),
        ("SELECT `a;b` FROM t FORMAT TSV", "SELECT `a;b` FROM t ", "TSV", ""),
        ("/* why */ SHOW TABLES", "/* why */ SHOW TABLES", "", ""),
    ],
)
def test_the_format_clause_is_found(sql: str, head: str, name: str, tail: str) -> None:
    """Outside strings, comments and parentheses."""
    statement = parse(sql.encode())
    assert (statement.head.decode(), statement.format, statement.tail.decode()) == (head, name, tail)
    assert statement.reads
    assert statement.data is None


@pytest.mark.parametrize(
    ("sql", "head", "name", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", b"INSERT INTO t ", "CSV", b"1,2\n"),
        (
            b"INSERT INTO t (a, `format`) FORMAT Native\n\x00\n\x01",
            b"INSERT INTO t (a, `format`) ",
            "Native",
            b"\x00\n\x01",
        ),
        (b"insert into t format JSONEachRow {}", b"insert into t ", "JSONEachRow", b"{}"),
        (b"INSERT INTO t FORMAT RowBinary\r\n\r\n", b"INSERT INTO t ", "RowBinary", b"\r\n"),
        (b"INSERT INTO t VALUES (1), (2)", b"INSERT INTO t ", "Values", b"(1), (2)"),
        (b"INSERT INTO t SETTINGS async_insert=0 FORMAT TSV\n", b"INSERT INTO t SETTINGS async_insert=0 ", "TSV", b""),
        (b"INSERT INTO t FORMAT\nTSV\n1", b"INSERT INTO t ", "TSV", b"1"),
    ],
)
def test_inline_data_begins_after_the_format(sql: bytes, head: bytes, name: str, data: bytes) -> None:
    """One line end after the name belongs to the statement, everything else to the data."""
    statement = parse(sql)
    assert (statement.head, statement.format, statement.data) == (head, name, data)


def test_an_insert_from_a_select_has_no_data() -> None:
    """It runs as it is."""
    statement = parse(b"INSERT INTO t SELECT 1 FORMAT Null;")
    assert statement.data is None
    assert not statement.reads


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "empty query"),
        ("  -- nothing", "empty query"),
        ("SELECT 1; DROP TABLE t", "Multi-statements"),
        ("SELECT 1 INTO OUTFILE 'x'", "INTO OUTFILE"),
        ("INSERT INTO t FROM INFILE 'x' FORMAT CSV", "FROM INFILE"),
    ],
)
def test_what_http_does_not_take_is_refused(sql: str, said: str) -> None:
    """Worded as ClickHouse words it."""
    with pytest.raises(StatementError, match=said):
        parse(sql.encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(sql: bytes) -> None:
    """Nothing but a StatementError comes out."""
    try:
        parse(sql)
    except StatementError:
        return


@given(st.binary(max_size=200))
def test_data_is_never_touched(data: bytes) -> None:
    """Whatever it holds: quotes, semicolons, words."""
    assert parse(b"INSERT INTO t (a) FORMAT Native\n" + data).data == data


@given(st.text(max_size=50))
def test_quoting_keeps_text_inside(text: str) -> None:
    """No quote ends the literal early."""
    statement = parse(f"SELECT {quoted(text)} FORMAT CSV".encode("utf-8", "replace"))
    assert statement.format == "CSV"


def test_parameters_travel_escaped() -> None:
    """As TabSeparated."""
    assert tsv_parameters({"a": "x\ty\\\n", "n": 5}) == {"a": "x\\ty\\\\\\n", "n": "5"}
