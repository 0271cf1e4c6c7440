"""An analyst's request to the embedded store: what of it counts, the connection it runs on, what the answer may tell.

Between http.py and the engine. Three walls: statements are judged by the engine's own reading (admission), the role
grants nothing but tenants' tables, and row filters let one tenant's rows through (access).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from chdb.state.sqlitelike import Connection

from streams.warehouse import RefusedError
from streams.warehouse.admission import admit, judge
from streams.warehouse.embedded import Database, run
from streams.warehouse.http_request import Ask
from streams.warehouse.statements import Statement

# Settings that clients send for the look of results; all others are locked, as they would be on a server.
_OF_LOOKS = re.compile(
    r"output_format_(?:json|csv|tsv|arrow|parquet|pretty)_\w+|date_time_output_format|format_csv_delimiter|join_use_nulls"
    r"|max_result_rows|max_result_bytes|result_overflow_mode"
)
_TOLD = ("result_rows", "result_bytes")


def restricted(ask: Ask) -> Ask:
    """An analyst's request without what is not theirs: sessions, settings, other databases."""
    if ask.database not in {"", "nameward", "default"}:
        raise RefusedError(
            f"Code: 497. DB::Exception: Not enough privileges: database {ask.database[:60]} is not for analysts."
            " (ACCESS_DENIED)",
            497,
        )
    looks = {name: value for name, value in ask.settings.items() if _OF_LOOKS.fullmatch(name)}
    return replace(ask, readonly=True, session="", settings=looks)


@contextmanager
def analyst(database: Database, ask: Ask, statement: Statement) -> Iterator[Connection]:
    """A connection on which the statement may run.

    Raises:
        WarehouseError: the statement is not for analysts, or cannot be read.
    """
    unread = statement.data is None and admit(statement)
    if statement.data is not None:
        raise RefusedError("Code: 497. DB::Exception: Not enough privileges: analysts read. (ACCESS_DENIED)", 497)
    connection = database.connect_analyst(ask.tenant, ask.settings)
    try:
        if unread:
            sql = "EXPLAIN AST " + statement.head.decode("utf-8", "surrogateescape")
            judge(run(connection, sql, "TSVRaw", ask.parameters).body.decode(errors="replace"))
        yield connection
    finally:
        connection.close()


def discreet(summary: dict[str, str]) -> dict[str, str]:
    """The numbers of an answer without those that count rows which were looked at and not shown."""
    return {name: number if name in _TOLD else "0" for name, number in summary.items()}
