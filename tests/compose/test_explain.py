"""`nameward explain`: the story by files and by a running resolver, for people and for programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from compose.explain import command
from resolver.cache import Caches
from resolver.explain import explained_request
from resolver.listeners.admin import AdminListener, Readiness
from tests.compose.conftest import free_address
from tests.compose.test_policy_files import WRONG, written
from tests.resolver.policy.written import NOW, compiled, rules, tenant, virtual

POLICY = (
    tenant()
    + tenant("globex", 2, default="deny")
    + rules("name: no-com, clients: {matchLabels: {app: frontend}}, match: {qname: ['*.com']}, action: deny, log: true")
    + rules("name: watch, mode: audit, action: deny", name="q", tenants="[globex]")
    + virtual("portal.internal", "type: A, data: 10.1.0.10")
)


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `nameward explain`."""
    result = CliRunner().invoke(command, arguments, env={"COLUMNS": "160"})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--client", "10.0.1.10", "www.example.com"], ["tenant acme; workload frontend; app=frontend", "verdict: deny by p/no-com (tenant), tags log", "answer: NXDOMAIN from policy, EDE 15 p/no-com"]),
        (["--client", "10.0.1.20", "www.example.com"], ["label app", "verdict: allow by the tenant's default", "answer: upstream group main: udp://127.0.0.1:5301"]),
        (["--tenant", "acme", "--client", "app=frontend,env=prod", "www.example.com", "AAAA"], ["www.example.com AAAA over udp", "verdict   deny: www.example.com matches *.com", "verdict: deny by p/no-com"]),
        (["--tenant", "acme", "portal.internal"], ["asked by any client (tenant acme)", "answer: NOERROR from virtual", "portal.internal 30 A 10.1.0.10"]),
        (["--tenant", "globex", "x.org", "--transport", "tcp"], ["over tcp", "verdict: deny by the tenant's default", "in audit: q/watch would deny"]),
        (["--client", "10.9.9.9", "x.org"], ["asked by 10.9.9.9 (no tenant)", "verdict: deny: no tenant claims this client", "answer: REFUSED from policy"]),
    ],
)  # fmt: skip
def test_the_story_by_files(tmp_path: Path, arguments: list[str], lines: list[str]) -> None:
    """Who asks, every rule and why not, the verdict, the place of the answer; without any process running."""
    (path,) = written(tmp_path, a=POLICY)
    code, out, err = run("--files", str(path), *arguments)
    assert (code, err) == (0, "")
    assert all(line in out for line in lines), out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["x.org"], "who asks? give --client IP, or --tenant"),
        (["--client", "frontend", "x.org"], "client 'frontend' is neither an address nor labels such as app=frontend,env=prod"),
        (["--client", "app=x", "x.org"], "a client given by its labels needs the tenant it belongs to"),
        (["--tenant", "nobody", "x.org"], "there is no tenant 'nobody' in force"),
        (["--tenant", "globex", "--client", "10.0.1.10", "x.org"], "client 10.0.1.10 belongs to tenant 'acme', not to 'globex'"),
        (["--client", "10.0.1.10", "x.org", "NOPE"], "unknown type 'NOPE'"),
        (["--client", "10.0.1.10", "x.org", "--admin", "127.0.0.1:1"], "--files explains without a resolver"),
    ],
)  # fmt: skip
def test_questions_that_cannot_be_answered(tmp_path: Path, arguments: list[str], why: str) -> None:
    """One sentence each, and status 1."""
    (path,) = written(tmp_path, a=POLICY)
    code, out, err = run("--files", str(path), *arguments)
    assert (code, out) == (1, "")
    assert why in err


def test_wrong_files_and_no_resolver(tmp_path: Path) -> None:
    """Documents with a mistake are told with their place; a resolver that is away with its address."""
    (path,) = written(tmp_path, a=POLICY + WRONG.replace("name: p}", "name: w}"))
    code, _, err = run("--files", str(path), "--tenant", "acme", "x.org")
    assert code == 1
    assert "DNSPolicy/w spec.rules[0].match.qname[1]" in err
    code, _, err = run("--admin", "127.0.0.1:1", "--tenant", "acme", "x.org")
    assert code == 1
    assert err.startswith("nameward: no resolver answers at http://127.0.0.1:1")


async def test_the_story_by_a_running_resolver() -> None:
    """The admin endpoint takes the same questions, labels too; its refusals are passed on."""
    policy, address = compiled(POLICY), free_address()
    admin = AdminListener(
        lambda: Readiness({}, {}), CollectorRegistry(), lambda asked: explained_request(policy, Caches(1), asked, NOW)
    )
    await admin.start((address.host, address.port))
    try:
        for files in (("--client", "10.0.1.10"), ("--tenant", "acme", "--client", "app=frontend")):
            code, out, _ = await asyncio.to_thread(run, "--admin", str(address), "--json", *files, "a.com", "MX")
            story = json.loads(out)
            assert (code, story["verdict"], story["rule"], story["type"]) == (0, "deny", "p/no-com", "MX")
        code, _, err = await asyncio.to_thread(run, "--admin", str(address), "--tenant", "x", "a.com")
        assert (code, err) == (1, "nameward: there is no tenant 'x' in force\n")
    finally:
        await admin.close()


def test_keys_nobody_told_of_are_shown() -> None:
    """What a new place of answers adds to the story is printed as it is."""
    from rich.console import Console

    from compose.story import show

    console = Console(record=True, width=100)
    show({"name": "a", "type": "A", "transport": "udp", "discovery": {"rule": "d", "endpoints": [{"address": "10.0.0.1", "up": True}]}, "quiet": False}, console)
    assert "discovery:\n  rule=d\n  endpoints:\n    - address=10.0.0.1, up=true" in (told := console.export_text())
    assert "quiet" not in told


@pytest.mark.parametrize(("asked", "why"), [({"name": "a"}, "client must be given"), ({"tenant": "acme"}, "name must be given"), ({"nam": "a"}, "unknown key 'nam', expected client, name")])
def test_keys_of_a_request(asked: dict[str, str], why: str) -> None:
    """Missing and unknown keys are told."""
    with pytest.raises(ValueError, match=why):
        explained_request(compiled(POLICY), Caches(1), asked, NOW)


def test_the_story_by_files_knows_the_sets_whose_files_are_at_hand(tmp_path: Path) -> None:
    """What lies beside the documents is read as a resolver would, also for a client known by its labels; the rest is said to be missing."""
    head = "apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {{name: {0}}}\nspec: {{file: {{path: {0}.txt, format: rpz}}}}\n---\n"
    rule = "name: zones, action: rpz, match: {domainSets: [here, away]}"
    (path,) = written(tmp_path, a=tenant() + head.format("here") + head.format("away") + rules(rule))
    (path.parent / "here.txt").write_text("bad.test CNAME .\n24.0.2.0.192.rpz-client-ip CNAME .\n")
    for client in (["--client", "10.0.1.10"], ["--tenant", "acme", "--client", "app=x"]):
        code, out, _ = run("--files", str(path), *client, "--directory", str(tmp_path), "bad.test")
        assert code == 0
        assert "deny: QNAME trigger of here: nxdomain" in out
        assert "sets in files of the resolver's host were taken as empty: away" in out
