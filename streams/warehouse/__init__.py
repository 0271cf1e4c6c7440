"""ClickHouse as the rest of streams sees it: one small interface, three ways to it.

``server`` speaks the native protocol to a ClickHouse server, ``loopback`` HTTP to the embedded store, ``embedded``
opens chDB in this process. All calls block: callers run them in a thread. Nothing here knows Kafka or Faust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

Row = tuple[Any, ...]
Parameters = Mapping[str, "str | int | float"]
Settings = Mapping[str, int]


class WarehouseError(Exception):
    """Something a database said or did not say; ``code`` is ClickHouse's own, 0 when it has none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class AwayError(WarehouseError):
    """The database cannot be reached or has no room now; the same call may succeed later."""


class RefusedError(WarehouseError):
    """The database understood and refused: wrong user, table, query. Waiting alone does not help."""


class DataError(RefusedError):
    """The rows themselves were refused; the same rows will be refused again."""


class Warehouse(Protocol):
    """What streams need of a ClickHouse. Parameters stand in SQL as ``{name:Type}``, never as text."""

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement that answers nothing (DDL)."""

    def query(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """Rows of a SELECT; numbers and strings are Python's own, other types come as ClickHouse writes them."""

    def insert_arrow(self, table: str, columns: pa.RecordBatch, settings: Settings | None = None) -> None:
        """Insert rows, all of them or none; the columns are named as the table's, the settings are ClickHouse's."""

    def close(self) -> None:
        """Let go of connections; the object can be used again."""


# Codes of system.errors. Data: the bytes or values of an insert were at fault.
_DATA_CODES = frozenset({6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 349, 457, 467, 636})
# No room, no time, no connection, shutting down: the same statement may pass later.
_AWAY_CODES = frozenset({3, 95, 159, 173, 202, 203, 209, 210, 241, 242, 243, 252, 319, 341, 373, 394, 425, 439, 999})


def refusal(message: str, code: int) -> WarehouseError:
    """The error class for a ClickHouse error code."""
    if code in _AWAY_CODES:
        return AwayError(message, code)
    return DataError(message, code) if code in _DATA_CODES else RefusedError(message, code)
