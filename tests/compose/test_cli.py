"""The command as users call it: fast, lazy, one sentence per failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compose.cli import COMMANDS, nameward
from compose.ports import Address


def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "compose.cli", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def test_help_imports_nothing_heavy() -> None:
    """`nameward --help` loads neither clients nor engines; that is what keeps it fast."""
    program = "import sys; from compose.cli import main; main(['--help'], standalone_mode=False); sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert not {"aiokafka", "pyarrow", "rich.console", "aiohttp", "faust", "chdb", "yaml"} & set(done.stderr.split())


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_of_the_table_exists(name: str) -> None:
    """Each row of the table names a command that can be loaded."""
    import click

    assert nameward.get_command(click.Context(nameward), name) is not None


def test_version_is_the_installed_one() -> None:
    """`nameward version` prints one line."""
    done = call("version")
    assert done.returncode == 0
    assert len(done.stdout.split()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("up", "--listen", "nonsense"), "'nonsense' is not an address"),
        (("up", "--directory", "/proc/nowhere"), "cannot use /proc/nowhere as the stack's directory"),
        (("sql", "SELECT 1", "--clickhouse", "127.0.0.1:1"), "the store does not answer at http://127.0.0.1:1"),
        (("sql",), "no query given"),
        (("ledger", "--clickhouse", "127.0.0.1:1"), "the store does not answer at http://127.0.0.1:1"),
        (("tail", "--kafka", "127.0.0.1:1"), "no Kafka broker answers at 127.0.0.1:1"),
    ],
)
def test_failures_are_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    """What a user can cause ends in one sentence on standard error and a non-zero exit."""
    done = call(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"nameward: {sentence}")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_unknown_command_is_a_usage_error() -> None:
    """A word that is no command is a usage error, status 2."""
    assert call("fly").returncode == 2


def test_sql_answers_in_the_format_asked_for(store: Address, tmp_path: Path) -> None:
    """Not on a terminal: tab-separated with names, or any format; from the argument or standard input."""
    place = ("--clickhouse", str(store), "--directory", str(tmp_path))
    assert call("sql", "SELECT 1 AS a, 'x' AS b", *place).stdout == "a\tb\n1\tx\n"
    assert call("sql", *place, "--format", "CSV", stdin="SELECT 1, 'x'").stdout == '1,"x"\n'
    assert call("sql", "SELECT 2 AS two FORMAT JSONEachRow", *place).stdout == '{"two":2}\n'


def test_sql_tells_the_stores_own_words_on_a_mistake(store: Address) -> None:
    """A query the store refuses ends with what the store said."""
    done = call("sql", "SELEC 1", "--clickhouse", str(store))
    assert done.returncode == 1
    assert done.stderr.startswith("nameward: the store refused the query: ")
    assert "yntax error" in done.stderr
