"""Fixtures shared by the tests of streams: one store process, one chDB in this process (it opens one path only)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.warehouse.embedded import Database, Embedded
from streams.warehouse.engine_config import Limits
from streams.warehouse.migrations import migrate
from tests.streams.store import Store, running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store process."""
    with running(tmp_path_factory.mktemp("store")) as process:
        yield process


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """chDB in this process, migrated."""
    opened = Database(tmp_path_factory.mktemp("chdb"), Limits(server_mib=1024))
    opened.open()
    migrate(Embedded(opened))
    yield opened
    opened.close()


@pytest.fixture
def embedded(database: Database) -> Embedded:
    """The warehouse of this process, its tables empty."""
    warehouse = Embedded(database)
    tables = "SELECT name FROM system.tables WHERE database = 'nameward' AND engine LIKE '%MergeTree' AND name != 'schema_versions'"
    for (name,) in warehouse.query(tables):
        warehouse.execute(f"TRUNCATE TABLE nameward.{name}")
    return warehouse
