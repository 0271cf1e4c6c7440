"""Numbered DDL: applied once, refused where a newer program has been, columns as the events have them."""

from __future__ import annotations

import pytest

from schemas.events import FIELDS
from streams.warehouse import RefusedError
from streams.warehouse.embedded import Embedded
from streams.warehouse.migrations import migrate, migrations


def test_numbers_are_unique() -> None:
    """A number stands for one file; a database where a later one was applied first still gets the earlier one."""
    versions = [migration.version for migration in migrations()]
    assert versions == sorted(set(versions))


def test_a_second_run_changes_nothing(embedded: Embedded) -> None:
    """Every version is written down once."""
    assert migrate(embedded) == []
    rows = embedded.query("SELECT version, count() FROM nameward.schema_versions GROUP BY version ORDER BY version")
    assert rows == [(migration.version, 1) for migration in migrations()]


def test_statements_themselves_are_idempotent(embedded: Embedded) -> None:
    """A run that died half-way is simply repeated."""
    for migration in migrations():
        for statement in migration.statements:
            embedded.execute(statement)


def test_a_newer_database_is_refused(embedded: Embedded) -> None:
    """One sentence says what to do."""
    embedded.execute("INSERT INTO nameward.schema_versions (version, name) VALUES (999, 'future')")
    try:
        with pytest.raises(RefusedError, match="schema version 999, this program knows"):
            migrate(embedded)
    finally:
        embedded.execute("DELETE FROM nameward.schema_versions WHERE version = 999")


def test_columns_are_named_as_the_fields_of_an_event(embedded: Embedded) -> None:
    """In the same order, after `day`."""
    rows = embedded.query(
        "SELECT name FROM system.columns WHERE database = 'nameward' AND table = 'query_events' ORDER BY position"
    )
    assert [name for (name,) in rows] == ["day", *(name for name, _, _ in FIELDS)]
