"""chDB opened in this process: connections, memory and time limits, and the Warehouse interface on top of them.

One process at a time may open a path. Each statement gets a connection of its own (0.2 ms), so settings and half-read
results never leak from one to the next. Must not know HTTP.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from chdb import ChdbError
from chdb.state.sqlitelike import Connection

from streams.warehouse import AwayError, Parameters, Row, Settings, WarehouseError, refusal
from streams.warehouse.access import ANALYST
from streams.warehouse.engine_config import Limits, config_text, users_text
from streams.warehouse.rows import arrow_stream, insert_statement, rows_of
from streams.warehouse.statements import from_file, quoted, tsv_parameters

_CODE = re.compile(r"Code: (\d+)\. DB::")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class Database:
    """A chDB database at a path; hands out connections."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path.absolute()
        self.limits = limits or Limits()
        self._anchor: Connection | None = None

    def open(self) -> None:
        """Open or create the database.

        Raises:
            AwayError: when another process holds it or the directory cannot be used.
        """
        config = self._write_config()
        try:
            self._anchor = Connection(f"{self.path / 'chdb'}?config-file={config}")
        except RuntimeError as error:
            raise AwayError(f"{self.path}: cannot open the store (is another process using it?): {error}") from error

    def connect(self, database: str = "") -> Connection:
        """A fresh connection with default settings; the caller closes it."""
        connection = Connection(f"{self.path / 'chdb'}?config-file={self.path / 'config.xml'}")
        if database:
            run(connection, f"USE `{database.replace('`', '')}`")
        return connection

    def spool_file(self) -> Path:
        """A path for one statement's data or result; whoever asks removes it."""
        return self.path / "spool" / f"{secrets.token_hex(8)}"

    def connect_analyst(self, tenant: str, settings: Mapping[str, str]) -> Connection:
        """A fresh connection that reads one tenant's rows and can never do more; the caller closes it.

        Args:
            tenant: whose rows.
            settings: of the query; made before everything is locked.
        """
        connection = self.connect("nameward")
        try:
            apply_settings(connection, {**settings, "output_format_write_statistics": "0"})
            run(connection, "SET ROLE analyst")
            apply_settings(connection, {"log_comment": ANALYST + tenant, "readonly": "1"})
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the database; open connections keep it alive until they are closed too."""
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def _write_config(self) -> Path:
        config, users = self.path / "config.xml", self.path / "users.xml"
        try:
            shutil.rmtree(self.path / "spool", ignore_errors=True)
            (self.path / "spool").mkdir(parents=True)
            config.write_text(config_text(self.limits, users))
            users.write_text(users_text(self.limits))
        except OSError as error:
            raise AwayError(f"{self.path}: cannot use the store's directory: {error.strerror}") from error
        return config


def engine_error(error: Exception) -> WarehouseError:
    """What the engine said, from ``Code:`` on, as one of the warehouse's errors."""
    text = str(error)
    found = _CODE.search(text)
    return refusal(text[found.start() :] if found else text, int(found.group(1)) if found else 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement answered, and its numbers as ClickHouse's X-ClickHouse-Summary names them."""

    body: bytes
    summary: dict[str, str]


def run(connection: Connection, sql: str, output: str = "Null", parameters: Mapping[str, str] | None = None) -> Outcome:
    """Run one statement.

    Raises:
        WarehouseError: what the engine refused.
    """
    try:
        result = connection.query(sql, output, params=dict(parameters or {}))
    except (RuntimeError, ValueError, ChdbError) as error:
        raise engine_error(error) from None
    numbers = {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "total_rows_to_read": 0,
        "result_rows": result.rows_read(),
        "result_bytes": result.bytes_read(),
    }
    return Outcome(result.bytes(), {name: str(number) for name, number in numbers.items()})


def apply_settings(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set settings on a connection; names are checked, values quoted."""
    for name, value in settings.items():
        if not _SETTING.fullmatch(name):
            raise refusal(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)", 115)
        run(connection, f"SET {name} = {quoted(value)}")


class Embedded:
    """Warehouse on a Database of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def execute(self, sql: str, parameters: Parameters | None = None) -> None:
        """See Warehouse."""
        self._run(sql, parameters)

    def query(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """See Warehouse."""
        return rows_of(self._run(sql, parameters, "JSONCompact"))

    def insert_arrow(self, table: str, columns: pa.RecordBatch, settings: Settings | None = None) -> None:
        """See Warehouse."""
        spool = self._database.spool_file()
        try:
            with spool.open("wb") as file:
                file.write(arrow_stream(columns))
            insert = insert_statement(table, columns.schema.names, settings)
            self._run(from_file(insert, str(spool), "ArrowStream"), None)
        finally:
            spool.unlink(missing_ok=True)

    def close(self) -> None:
        """Connections live no longer than a call; there is nothing to let go."""

    def _run(self, sql: str, parameters: Parameters | None, output: str = "Null") -> bytes:
        connection = self._database.connect()
        try:
            apply_settings(connection, {"output_format_json_quote_64bit_integers": "0"} if output != "Null" else {})
            result = run(connection, sql, output, tsv_parameters(parameters)).body
        finally:
            connection.close()
        return result
