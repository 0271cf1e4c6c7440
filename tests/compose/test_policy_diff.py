"""`nameward policy diff` as a program calls it: what would change, and its exit status."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from compose.policy_change import change, planned
from compose.policy_commands import policy
from compose.policy_files import read_files
from compose.policy_source import marked, source_of
from tests.compose.test_policy_files import written
from tests.resolver.policy.written import rules, tenant


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `nameward policy`."""
    result = CliRunner().invoke(policy, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_diff_against_a_broker(bootstrap: str, tmp_path: Path) -> None:
    """The same: 0; different: 1, each object and field; a directory with --prune also what is gone from it."""
    written(tmp_path, a=tenant("diffed", 70), b=rules("name: r, action: deny", name="gone", tenants="[diffed]"))
    documents = marked(read_files([tmp_path]), source_of(tmp_path))
    asyncio.run(change(bootstrap, lambda present: planned(documents, present)))
    assert run("diff", "--kafka", bootstrap, "--prune", tmp_path) == (0, "2 objects: 0 added, 0 changed, 0 removed, 2 unchanged\n", "")
    written(tmp_path, a=tenant("diffed", 70, default="deny"), c=rules("name: r, action: deny", name="new", tenants="[diffed]"))
    (tmp_path / "b.yaml").unlink()
    code, out, _ = run("diff", "--kafka", bootstrap, "--prune", tmp_path)
    assert code == 1
    assert out.splitlines() == [
        f"~ Tenant diffed changed  ({tmp_path / 'a.yaml'})",
        "    spec.default: allow -> deny",
        f"+ DNSPolicy new added  ({tmp_path / 'c.yaml'})",
        "- DNSPolicy gone removed",
        "3 objects: 1 added, 1 changed, 1 removed, 0 unchanged",
    ]
    code, out, _ = run("diff", "--kafka", bootstrap, "--prune", "--json", tmp_path)
    assert code == 1
    assert json.loads(out)[0] == {
        "change": "changed", "kind": "Tenant", "name": "diffed", "file": str(tmp_path / "a.yaml"),
        "fields": [{"path": "spec.default", "old": "allow", "new": "deny"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        (tenant(), ["--kafka", "127.0.0.1:1"], "no Kafka broker answers at 127.0.0.1:1"),
        (tenant(), ["--prune"], "give that directory alone"),
        ("kind: Nope", [], "document 1: kind: "),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, text: str, options: list[str], why: str) -> None:
    """Status 2, so that a program can tell it from a difference."""
    (path,) = written(tmp_path, a=text)
    code, out, err = run("diff", *options, path)
    assert (code, out) == (2, "")
    assert why in err


