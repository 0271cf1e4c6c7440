"""What a retrial found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from compose.retrial import Retrial

_DEFAULT = "(default)"


def show(retrial: Retrial, notes: Iterable[str], console: Console | None = None) -> None:
    """Print the tables that have rows, the notes, and the sum."""
    console = console or Console()
    for table in _tables(retrial):
        if table.row_count:
            console.print(table, markup=False)
    for note in notes:
        console.print(f"note: {note}", highlight=False, markup=False, style="dim", soft_wrap=True)
    share = f" ({retrial.changed / retrial.queries:.1%})" if retrial.queries else ""
    console.print(f"{retrial.changed} of {retrial.queries} decisions would change{share}", highlight=False)


def _tables(retrial: Retrial) -> Iterator[Table]:
    yield _table(
        "by tenant",
        ("TENANT", "QUERIES", "CHANGED", "NEWLY DENIED", "NEWLY ALLOWED"),
        ((of.tenant or "(nobody's)", of.queries, of.changed, of.denied, of.allowed) for of in retrial.tenants()),
    )
    yield _table(
        "by rule",
        ("IS", "BY", "WOULD BE", "BY", "QUERIES"),
        ((of.old, of.old_rule or _DEFAULT, of.new, of.new_rule or _DEFAULT, of.queries) for of in retrial.rules()),
    )
    yield _table("by name", ("TENANT", "NAME", "QUERIES"), ((of.tenant, of.name, of.queries) for of in retrial.names()))
    yield _table(
        "newly in audit",
        ("RULE", "WOULD", "QUERIES"),
        ((of.rule or _DEFAULT, of.verdict, of.queries) for of in retrial.audits()),
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    return table
