"""What `nameward warehouse grant` makes on a server keeps tenants apart: its statements in force on a current engine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.warehouse.access import tenant_tables, tenant_views
from streams.warehouse.grants import Grant, grant_statements, revoke_statements
from tests.streams.store import running
from tests.streams.warehouse.granted import Access, Manager, Session, session
from tests.streams.warehouse.test_isolation import ORACLES, QUERIES, SECRET, fill

PASSWORD = "correct horse"  # noqa: S105 - of users made here
_SIZES = re.compile(r"system\.|information_schema|EXPLAIN|SHOW|mergeTreeAnalyzeIndexes|getServerSetting", re.IGNORECASE)
"""Queries that may count rows of others: what a server tells of sizes is not about grants."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with rows of two tenants in one part; closed, for others to open."""
    directory = tmp_path_factory.mktemp("granted")
    with running(directory) as served:
        fill(served.url)
    return directory / "store" / "chdb"


def granted(*pairs: tuple[str, str]) -> Access:
    """Access after grants of (tenant, user)."""
    access = Access()
    for tenant, user in pairs:
        access.run(grant_statements(Grant(tenant, user, PASSWORD)))
    return access


@pytest.fixture(scope="module")
def ada(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The analyst of acme, who is not alone."""
    with session(store, granted(("acme", "ada"), ("globex", "eve")), "ada", tmp_path_factory.mktemp("users") / "ada") as opened:
        yield opened


@pytest.mark.parametrize("name", [*tenant_tables(), *tenant_views()])
def test_every_table_and_view_shows_one_tenant(ada: Session, name: str) -> None:
    """All columns of all rows, with the rights of who asks."""
    taken, told = ada.ask(f"SELECT *, tenant != 'acme' FROM nameward.{name} FORMAT JSONEachRow")
    assert taken, told
    assert SECRET not in told
    assert ada.ask(f"SELECT count() FROM nameward.{name} WHERE tenant != 'acme'") == (True, "0\n")


def test_the_rest_is_refused(ada: Session) -> None:
    """Tables of operators, the account of resolvers, the feeds of roll-ups."""
    for name in ("policy_objects", "policy_status", "source_counters", "schema_versions", "retired", "ledger", "names_asked_feed"):
        taken, told = ada.ask(f"SELECT * FROM nameward.{name}")
        assert not taken
        assert "ACCESS_DENIED" in told


@pytest.mark.parametrize("sql", [line for line in QUERIES if line and not line.startswith("#")])
def test_no_query_tells_of_another_tenant(ada: Session, sql: str) -> None:
    """Neither in rows nor in errors; no wall stands in front of the engine here."""
    taken, told = ada.ask(sql)
    assert SECRET not in told
    if taken and not _SIZES.search(sql):
        assert "10\t60" not in told
        assert told.strip() not in {"60", "100"}, "counts rows of others"


@pytest.mark.parametrize("sql", ORACLES)
def test_errors_and_aggregates_are_no_oracles(ada: Session, sql: str) -> None:
    """Policies come before anything of the query sees a row."""
    assert ada.ask(sql) == (True, f"{ORACLES[sql]}\n")


def test_each_reads_their_own(store: Path, tmp_path: Path) -> None:
    """The same database as the other analyst sees it."""
    with session(store, granted(("acme", "ada"), ("globex", "eve")), "eve", tmp_path / "eve") as eve:
        assert eve.ask("SELECT count(), any(tenant) FROM nameward.query_events") == (True, "60\tglobex\n")
        assert eve.ask("SELECT sum(queries), any(tenant) FROM nameward.traffic_1h") == (True, "60\tglobex\n")


@pytest.mark.parametrize("sql", ["INSERT INTO nameward.query_events (tenant) VALUES ('acme')", "DROP TABLE nameward.alerts", "ALTER TABLE nameward.query_events DELETE WHERE 1",
                                 "CREATE TABLE nameward.x (a Int8) ENGINE = Memory", "CREATE TEMPORARY TABLE x (a Int8)", "DROP ROW POLICY nameward_tenant_acme ON nameward.query_events",
                                 "GRANT SELECT ON nameward.* TO default", "CREATE USER mallory", "SET readonly = 0", "SET max_execution_time = 0", "SET ROLE NONE, operator"])
def test_analysts_change_nothing(ada: Session, sql: str) -> None:
    """Neither rows nor rights nor their limits."""
    taken, told = ada.ask(sql)
    assert not taken, told
    assert ada.ask("SELECT count() FROM nameward.query_events") == (True, "40\n")


def test_the_profile_is_in_force(ada: Session) -> None:
    """Settings as the statement says; a query beyond its memory is refused."""
    names = ("readonly", "max_execution_time", "max_memory_usage", "max_result_bytes", "result_overflow_mode")
    assert ada.ask(f"SELECT {', '.join(f'getSetting({name!r})' for name in names)}") == (True, "1\t60\t4000000000\t2000000000\tthrow\n")
    taken, told = ada.ask("SELECT repeat(q.qname, 1000000) FROM nameward.query_events AS q CROSS JOIN nameward.query_events AS r FORMAT Null")
    assert not taken
    assert "Query memory limit exceeded" in told


def test_the_quota_is_in_force(store: Path, tmp_path: Path) -> None:
    """So many queries an hour as the statement says (here fewer, to get there), not one more."""
    access = Access()
    access.run([sql.replace("queries = 10000", "queries = 25") for sql in grant_statements(Grant("acme", "ada", PASSWORD))])
    with session(store, access, "ada", tmp_path / "ada") as opened:
        assert opened.ask("SELECT count() FROM nameward.query_events", 25) == (True, "40\n")
        taken, told = opened.ask("SELECT count() FROM nameward.query_events")
    assert not taken
    assert "QUOTA_EXCEEDED" in told


@pytest.mark.parametrize("user", ["ada", ""])
def test_a_revoked_analyst_reads_nothing(store: Path, tmp_path: Path, user: str) -> None:
    """One of them, or all of a tenant with its role; the others go on."""
    access = granted(("acme", "ada"), ("globex", "eve"))
    access.run(revoke_statements("acme", user))
    with session(store, access, "ada", tmp_path / "ada") as opened:
        for name in (*tenant_tables(), *tenant_views()):
            taken, told = opened.ask(f"SELECT * FROM nameward.{name}")
            assert not taken
            assert "ACCESS_DENIED" in told
    with session(store, access, "eve", tmp_path / "eve") as opened:
        assert opened.ask("SELECT count() FROM nameward.query_events") == (True, "60\n")


def test_a_user_given_anew_has_one_tenant() -> None:
    """Who was granted acme and then globex reads globex alone."""
    access = granted(("acme", "ada"), ("globex", "ada"))
    assert access.members == {("nameward_tenant_globex", "ada")}


def test_the_password_is_hashed_with_its_salt() -> None:
    """As a server compares it: SHA-256 of password and salt, in hexadecimal; the password itself is in no statement."""
    access = granted(("acme", "ada"))
    digest, salt = access.users["ada"]
    assert digest.lower() == hashlib.sha256((PASSWORD + salt).encode()).hexdigest()
    assert not any(PASSWORD in sql for sql in grant_statements(Grant("acme", "ada", PASSWORD)))


def test_the_engine_reads_every_statement_as_a_server_does(store: Path, tmp_path: Path) -> None:
    """Syntax, names, settings, privileges and tables are right: what it wants is a store that can be written to."""
    statements = [*grant_statements(Grant("acme", "ada", PASSWORD)), *revoke_statements("acme", "ada"), *revoke_statements("acme")]
    manager = Manager()
    manager.run(grant_statements(Grant("acme", "ada", PASSWORD)))
    with session(store, manager, "ada", tmp_path / "manager") as opened:
        for sql in statements:
            taken, told = opened.ask(sql)
            assert taken or re.search(r"ACCESS_STORAGE_(FOR_INSERTION_NOT_FOUND|READONLY)", told), (sql, told)
        for wrong in ("CREATE ROLE IF NOT EXISTS `r` SETTINGS PROFILE 'no such'", "GRANT SELECT ON nameward.`query_events` TO `nobody`",
                      statements[0].replace("readonly", "readwrong")):
            taken, told = opened.ask(wrong)
            assert not taken
            assert "ACCESS_STORAGE" not in told, told
