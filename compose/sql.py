"""``nameward sql``: a statement to the store; a table for people, TSV or any ClickHouse format for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from compose.failure import Failure
from compose.options import clickhouse_of, clickhouse_option, directory_option
from compose.store import query


@click.command("sql")
@click.argument("statement", required=False, metavar="[QUERY]")
@click.option(
    "-f",
    "--format",
    "output",
    default=None,
    metavar="FORMAT",
    help="ClickHouse output format, e.g. JSONEachRow, CSVWithNames.",
)
@directory_option
@clickhouse_option
def command(*, statement: str | None, output: str | None, directory: Path, clickhouse: str | None) -> None:
    """Ask the store in SQL: QUERY, or standard input. A table on a terminal, tab-separated lines elsewhere."""
    if statement is None or statement == "-":
        statement = sys.stdin.read()
    if not statement.strip():
        raise Failure("no query given: pass one as argument or on standard input")
    address = clickhouse_of(directory, clickhouse)
    if output is None and sys.stdout.isatty():
        _show(query(address, statement, output="JSONCompact"))
    else:
        sys.stdout.buffer.write(query(address, statement, output=output or "TabSeparatedWithNames"))
        sys.stdout.buffer.flush()


def _show(body: bytes) -> None:
    try:
        answer = json.loads(body)
    except ValueError:  # no result, or a FORMAT clause in the statement
        sys.stdout.write(body.decode(errors="replace"))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in answer["meta"]:
        number = "Int" in column["type"] or "Float" in column["type"]
        table.add_column(column["name"], justify="right" if number else "left", overflow="fold")
    for row in answer["data"]:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console()
    console.print(table)
    console.print(f"{answer['rows']} rows in {answer.get('statistics', {}).get('elapsed', 0):.3f} s", style="dim")


def _cell(value: Any) -> str:  # noqa: ANN401 - a value of any column type
    if value is None:
        return "NULL"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
