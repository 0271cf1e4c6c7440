"""A ClickHouse server over its native protocol (clickhouse-driver): columnar inserts, reconnects, refusals.

Blocking; one connection, one call at a time. The connection is made when it is needed and dropped after any failure, so
a restarted server costs one failed call.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from streams.warehouse import AwayError, Parameters, Row, Settings, WarehouseError, refusal
from streams.warehouse.rows import insert_statement


class Server:
    """Warehouse on a server.

    Args:
        url: ``clickhouse://user:password@host:port/database``.
        connect_s, answer_s: seconds to wait for a connection and for an answer.
    """

    def __init__(self, url: str, *, connect_s: float = 5.0, answer_s: float = 60.0) -> None:
        parts = urlsplit(url)
        self._where = f"clickhouse://{parts.hostname}:{parts.port or 9000}"
        self._arguments: dict[str, Any] = {
            "host": parts.hostname or "127.0.0.1",
            "port": parts.port or 9000,
            "user": unquote(parts.username or "default"),
            "password": unquote(parts.password or ""),
            "database": parts.path.strip("/") or "default",
            "connect_timeout": connect_s,
            "send_receive_timeout": answer_s,
            "sync_request_timeout": connect_s,
            "compression": "lz4" if find_spec("clickhouse_cityhash") else False,
            "settings": {"strings_as_bytes": False},
        }
        self._client: Client | None = None
        self._lock = threading.Lock()

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """See Warehouse."""
        self._call(sql, parameters)

    def query(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """See Warehouse."""
        return self._call(sql, parameters)

    def insert_arrow(self, table: str, columns: pa.RecordBatch, settings: Settings | None = None) -> None:
        """See Warehouse."""
        statement = insert_statement(table, columns.schema.names, settings) + " VALUES"
        values = [_cells(column) for column in columns.columns]
        self._call(statement, None, data=values, columnar=True)

    def close(self) -> None:
        """See Warehouse."""
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _call(
        self, sql: str, parameters: Parameters | None, *, data: list[Any] | None = None, columnar: bool = False
    ) -> list[Row]:
        with self._lock:
            try:
                if self._client is None:
                    self._client = Client(**self._arguments)
                values = data if data is not None else _substitutes(parameters)
                answer = self._client.execute(_placeholders(sql, parameters), values, columnar=columnar)
            except driver_errors.ServerException as error:
                self.close()
                raise refusal(f"{self._where}: {_first_line(error.message)}", error.code) from error
            except (driver_errors.Error, OSError, EOFError) as error:
                self.close()
                raise self._failure(error) from error
        return list(answer) if isinstance(answer, list) else []

    def _failure(self, error: Exception) -> WarehouseError:
        code = int(getattr(error, "code", 0) or 0)
        reason = _first_line(str(error)) or type(error).__name__
        if isinstance(error, (driver_errors.NetworkError, driver_errors.SocketTimeoutError, OSError, EOFError)):
            return AwayError(f"{self._where}: does not answer: {reason}", code)
        return refusal(f"{self._where}: {reason}", code)


def _placeholders(sql: str, parameters: Parameters | None) -> str:
    """``{name:Type}`` as the driver's ``%(name)s``; the driver quotes the values."""
    if not parameters:
        return sql
    text = sql.replace("%", "%%")
    for name in parameters:
        start = text.index("{" + name + ":")
        while start >= 0:
            text = text[:start] + f"%({name})s" + text[text.index("}", start) + 1 :]
            start = text.find("{" + name + ":")
    return text


def _substitutes(parameters: Parameters | None) -> dict[str, str | int | float] | None:
    return dict(parameters) if parameters else None


def _cells(column: pa.Array) -> list[Any]:
    """A column as the driver takes it: numbers as a numpy array's list, text and lists as Python's own."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        words = column.dictionary.to_pylist()
        return [words[index] for index in column.indices.to_pylist()]
    if pa.types.is_map(kind):
        return [dict(pairs) for pairs in column.to_pylist()]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return numbers
    cells: list[Any] = column.to_pylist()
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        return [[tuple(item.values()) for item in cell] for cell in cells]
    return cells


def _first_line(text: str) -> str:
    return text.partition("Stack trace:")[0].strip().partition("\n")[0].rstrip(". ")
