"""Numbered DDL under schemas/clickhouse, applied once each and written down in ``nameward.schema_versions``.

Works on any Warehouse. A database that knows a version this program does not is refused: a newer program has been here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from streams.warehouse import RefusedError, Warehouse

_NAME = re.compile(r"(\d{3})_(\w+)\.sql")
_VERSIONS = """CREATE TABLE IF NOT EXISTS nameward.schema_versions
(version UInt32, name String, applied DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file, its statements in order."""

    version: int
    name: str
    statements: tuple[str, ...]


def migrations() -> tuple[Migration, ...]:
    """All migrations shipped with the schemas, by number."""
    named = ((_NAME.fullmatch(file.name), file) for file in files("schemas").joinpath("clickhouse").iterdir())
    found = (
        Migration(int(name[1]), name[2], tuple(_statements(file.read_text("utf-8")))) for name, file in named if name
    )
    return tuple(sorted(found, key=lambda migration: migration.version))


def pending(warehouse: Warehouse) -> list[int]:
    """Versions this program knows and the database does not have."""
    if not warehouse.query("SELECT 1 FROM system.tables WHERE database = 'nameward' AND name = 'schema_versions'"):
        return [migration.version for migration in migrations()]
    applied = _applied(warehouse)
    return [migration.version for migration in migrations() if migration.version not in applied]


def migrate(warehouse: Warehouse) -> list[int]:
    """Bring the database to the newest version; the versions applied now.

    Raises:
        RefusedError: the database is newer than this program.
    """
    known = migrations()
    warehouse.execute("CREATE DATABASE IF NOT EXISTS nameward")
    warehouse.execute(_VERSIONS)
    applied = _applied(warehouse)
    newest = known[-1].version
    if applied and max(applied) > newest:
        raise RefusedError(
            f"the database has schema version {max(applied)}, this program knows {newest}: use a newer Nameward"
        )
    done = []
    for migration in known:
        if migration.version in applied:
            continue
        for statement in migration.statements:
            warehouse.execute(statement)
        warehouse.execute(
            "INSERT INTO nameward.schema_versions (version, name) SELECT {version:UInt32}, {name:String}",
            {"version": migration.version, "name": migration.name},
        )
        done.append(migration.version)
    return done


def _applied(warehouse: Warehouse) -> set[int]:
    return {int(version) for (version,) in warehouse.query("SELECT DISTINCT version FROM nameward.schema_versions")}


def _statements(text: str) -> list[str]:
    """Statements of a file: each ends with a semicolon at the end of a line."""
    return [part.strip() for part in re.split(r";[ \t]*(?:\n|\Z)", text) if re.sub(r"--[^\n]*", "", part).strip()]
