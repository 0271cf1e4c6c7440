"""`nameward policy` without a broker: validate offline, the sentences a user reads, the table of objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from compose.policy_commands import policy
from compose.summaries import summary
from tests.compose.test_policy_files import WRONG, written
from tests.resolver.policy.written import objects, rules, tenant, virtual

NOBODY = "127.0.0.1:1"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `nameward policy`."""
    result = CliRunner().invoke(policy, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_validate_a_right_file(tmp_path: Path) -> None:
    """Says how many objects are valid."""
    (path,) = written(tmp_path, a=tenant() + rules("name: a, action: deny"))
    code, out, err = run("validate", path)
    assert (code, err) == (0, "")
    assert "2 objects" in out


def test_validate_a_wrong_file(tmp_path: Path) -> None:
    """Fails with file, document, object and key path."""
    (path,) = written(tmp_path, a=tenant() + WRONG)
    code, out, err = run("validate", path)
    assert (code, out) == (1, "")
    assert f"{path}: document 2: DNSPolicy/p spec.rules[0].match.qname[1]: " in err


def test_validate_notes_what_it_cannot_see(tmp_path: Path) -> None:
    """A policy without its tenant is valid as far as can be seen, and that is said."""
    (path,) = written(tmp_path, a=rules("name: a, action: deny"))
    code, _, err = run("validate", path)
    assert code == 0
    assert "--against broker" in err


@pytest.mark.parametrize(
    "arguments",
    [("apply", "FILE"), ("get",), ("delete", "tenant", "acme"), ("validate", "--against", "broker", "FILE")],
    ids=lambda arguments: arguments[0],
)
def test_a_broker_that_is_away(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """One clear sentence and exit 1."""
    (path,) = written(tmp_path, a=tenant())
    code, out, err = run(*(str(path) if word == "FILE" else word for word in arguments), "--kafka", NOBODY)
    assert (code, out) == (1, "")
    assert NOBODY in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["policys", "Servant"])
def test_kinds(kind: str) -> None:
    """An unknown kind is told with the kinds there are."""
    code, _, err = run("get", kind, "--kafka", NOBODY)
    assert code == 2
    assert "Tenant, DNSPolicy, VirtualName" in err


def test_summaries() -> None:
    """Each kind is told in one line of the table."""
    text = tenant(mode="audit") + rules("name: a, action: deny, mode: audit", more="  priority: 7\n")
    found = objects(text + virtual("a.internal", "type: A, data: 10.0.0.1", tenants="[]"))
    assert [summary(obj) for obj in found.values()] == [
        "10.0.1.0/24; default allow, in audit",
        "tier tenant, priority 7: a (deny, audit)",
        "a.internal A 10.0.0.1",
    ]
