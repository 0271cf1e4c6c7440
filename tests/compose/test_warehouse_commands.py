"""``nameward warehouse`` against an embedded store: schema, roll-ups, retention, analysts; and the SQL it has for servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from compose.cli import nameward
from compose.layout import Endpoints
from streams.warehouse import RefusedError
from streams.warehouse.event_store import EventStore
from streams.warehouse.loopback import Loopback
from streams.warehouse.migrations import migrations
from streams.warehouse.rollups import ROLLUPS
from tests.streams.store import Store, batch, running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Path]]:
    """A store where a stack would have it, and the stack's directory."""
    directory = tmp_path_factory.mktemp("stack")
    with running(directory) as store:
        (directory / "run").mkdir()
        endpoints = Endpoints(clickhouse=f"127.0.0.1:{store.port}")
        (directory / "run" / "stack.json").write_text(json.dumps({"clickhouse": endpoints.clickhouse}))
        yield store, directory


def call(directory: Path, *arguments: str) -> Result:
    """Run the command on a stack's directory."""
    return CliRunner().invoke(nameward, ["warehouse", *arguments, "--directory", str(directory)])


def test_the_schema_of_a_store_is_up_to_date(stack: tuple[Store, Path]) -> None:
    """The store migrates when it starts."""
    assert call(stack[1], "migrate").output == f"nothing to do: the schema has version {migrations()[-1].version}\n"
    assert json.loads(call(stack[1], "migrate", "--json").output) == {"applied": [], "version": migrations()[-1].version}


def test_roll_ups_are_compared_and_built_again(stack: tuple[Store, Path]) -> None:
    """Status 1 while they differ, with a line for each."""
    store, directory = stack
    warehouse = Loopback(store.url)
    EventStore(warehouse).store([batch(0, 10, time=datetime.now(UTC))])
    assert call(directory, "check").output == f"{len(ROLLUPS)} roll-ups agree with the events\n"
    warehouse.execute("TRUNCATE TABLE nameward.names_asked")
    found = call(directory, "check")
    assert found.exit_code == 1
    assert f"names_asked of acme on {datetime.now(UTC).date()}: counts 0 of 10 events" in found.output
    assert [item["rollup"] for item in json.loads(call(directory, "check", "--json").output)] == ["names_asked"]
    repaired = call(directory, "backfill")
    assert repaired.exit_code == 0
    assert "built again: 1 days of roll-ups, 1 tenants" in repaired.output
    assert json.loads(call(directory, "backfill", "--json").output) == []


def test_what_is_past_its_time_is_shown_and_taken_away(stack: tuple[Store, Path]) -> None:
    """First what would go, then it goes."""
    store, directory = stack
    EventStore(Loopback(store.url)).store([batch(0, 7, time=datetime.now(UTC) - timedelta(days=50), source="old")])
    would = call(directory, "retain", "--dry-run")
    assert "acme: query_events until " in would.output
    assert "7 rows (kept 30 days)" in would.output
    assert would.output.endswith("would go\n")
    gone = json.loads(call(directory, "retain", "--json").output)
    assert {item["table"] for item in gone} == {"query_events", "names_asked", "talkers_hours"}
    assert call(directory, "retain").output == "0 rows gone\n"


def test_an_analyst_comes_and_goes(stack: tuple[Store, Path], tmp_path: Path) -> None:
    """With a password that was made up, then one of their own, until it is revoked."""
    store, directory = stack
    granted = call(directory, "grant", "acme", "--json")
    first = json.loads(granted.output)
    assert (first["tenant"], first["user"]) == ("acme", "acme-analyst")
    assert count(store, "acme-analyst", first["password"]) >= 10
    secret = tmp_path / "password"
    secret.write_text("a secret of mine\n")
    again = call(directory, "grant", "acme", "--password-file", str(secret))
    assert again.output == f"acme-analyst reads acme at {store.url}\n"
    assert count(store, "acme-analyst", "a secret of mine") >= 10
    with pytest.raises(RefusedError, match="Authentication failed"):
        count(store, "acme-analyst", first["password"])
    call(directory, "grant", "globex", "--user", "eve")
    assert call(directory, "grants").output == "acme\tacme-analyst\nglobex\teve\n"
    assert json.loads(call(directory, "revoke", "acme", "--json").output) == {"tenant": "acme", "revoked": ["acme-analyst"]}
    with pytest.raises(RefusedError, match="Authentication failed"):
        count(store, "acme-analyst", "a secret of mine")
    assert call(directory, "revoke", "globex").output == "revoked: eve\n"
    assert call(directory, "grants").output == "nobody but the operator\n"


def count(store: Store, user: str, password: str) -> int:
    """Events the user sees."""
    warehouse = Loopback(f"http://{user}:{quote(password)}@127.0.0.1:{store.port}")
    return int(warehouse.query("SELECT count() FROM nameward.query_events")[0][0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grant", "acme", "--user", "default"), "'default' cannot be a user"),
        (("grant", "acme", "--user", "a b"), "'a b' cannot be a user"),
        (("grant", "acme", "--warehouse", "http://127.0.0.1:1"), "an embedded store keeps its analysts in its stack's directory"),
        (("grants", "--warehouse", "clickhouse://127.0.0.1:1"), "does not answer"),
        (("revoke", "acme", "--user", "nobody"), "nobody reads nothing of acme"),
        (("check", "--warehouse", "ftp://x"), "expected http://host:port or clickhouse://"),
        (("check", "--warehouse", "http://127.0.0.1:1"), "the store does not answer"),
    ],
    ids=str,
)
def test_errors_are_one_sentence(stack: tuple[Store, Path], arguments: tuple[str, ...], said: str) -> None:
    """That names what is wrong."""
    result = call(stack[1], *arguments)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_short_passwords_and_places_without_a_store_are_refused(stack: tuple[Store, Path], tmp_path: Path) -> None:
    """Before anything is written."""
    (tmp_path / "short").write_text("short\n")
    assert "at least 8 characters" in call(stack[1], "grant", "acme", "--password-file", str(tmp_path / "short")).output
    assert "there is no store in" in call(tmp_path, "grant", "acme").output


def test_the_sql_for_a_server_parses_and_quotes(stack: tuple[Store, Path]) -> None:
    """As the engine formats it: role, row policies, quota, profile, user; whatever the tenant is called."""
    printed = call(stack[1], "grant", "a`b'c\\d", "--user", "eve", "--dry-run").output
    statements = printed.rstrip().rstrip(";").split(";\n")
    assert len(statements) > 30
    for sql in statements:
        (formatted,) = Loopback(stack[0].url).query("SELECT formatQuerySingleLine({sql:String})", {"sql": sql})[0]
        assert formatted
    policies = [sql for sql in statements if sql.startswith("CREATE ROW POLICY")]
    assert all("USING tenant = 'a`b\\'c\\\\d'" in sql for sql in policies)
    assert {"nameward.`query_events`", "nameward.`names_asked`"} <= {word for sql in policies for word in sql.split()}
    assert "policy_objects" not in printed
