"""A directory as the truth: what came from it follows it, deletions too; a mistake changes nothing and is told once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from compose import policy_directory
from compose.failure import Failure
from compose.policy_change import Done, change, planned
from compose.policy_commands import policy
from compose.policy_directory import Truth, look, put, watch
from compose.policy_outcome import sentence
from compose.policy_topic import read_present
from tests.compose.test_policy_change import documents
from tests.compose.test_policy_files import written
from tests.patience import PROCESS_S
from tests.resolver.policy.written import rules, tenant

DENY = rules("name: a, action: deny", name="from-directory", tenants="[dir]")


async def keys(bootstrap: str) -> set[str]:
    """Keys of what is there."""
    return set((await read_present(bootstrap)).objects)


@pytest.fixture
async def truth(bootstrap: str, tmp_path: Path) -> AsyncIterator[Truth]:
    """A directory, empty; what came from it is deleted afterwards."""
    (tmp_path / "d").mkdir()
    truth = Truth(tmp_path / "d", f"test {tmp_path.name}")
    yield truth
    await put(bootstrap, truth, {})


async def test_a_directory_is_put_in_force_and_pruned(bootstrap: str, truth: Truth) -> None:
    """Objects come and go with their files; what was applied by hand stays whatever the directory says."""
    await change(bootstrap, lambda present: planned(documents(tenant("hand", 61)), present))
    written(truth.path, a=tenant("dir", 60), b=DENY)
    done = await put(bootstrap, truth, look(truth.path))
    assert sentence(Path("d"), done) == "d: Tenant dir created, DNSPolicy from-directory created"
    assert not (await put(bootstrap, truth, look(truth.path))).changes
    (truth.path / "b.yaml").unlink()
    kept = await put(bootstrap, Truth(truth.path, truth.source, prune=False), look(truth.path))
    assert not kept.changes
    done = await put(bootstrap, truth, look(truth.path))
    assert sentence(Path("d"), done) == "d: DNSPolicy from-directory deleted"
    await put(bootstrap, truth, {})
    assert "Tenant/hand/hand" in await keys(bootstrap)
    assert "Tenant/dir/dir" not in await keys(bootstrap)


async def test_two_directories_do_not_fight(bootstrap: str, truth: Truth, tmp_path: Path) -> None:
    """An object that comes from one directory cannot come from another; nothing of the other is put in force."""
    written(truth.path, a=tenant("dir", 60))
    await put(bootstrap, truth, look(truth.path))
    with pytest.raises(Failure, match=rf"b\.yaml: document 1: Tenant/dir metadata.name: this object comes from {truth.source} already"):
        await put(bootstrap, Truth(tmp_path, "other"), {"b.yaml": (tenant("dir", 60) + DENY).encode()})
    assert "DNSPolicy/-/from-directory" not in await keys(bootstrap)


async def test_what_others_need_is_not_pruned(bootstrap: str, truth: Truth) -> None:
    """A file that takes away what an object from elsewhere needs is a mistake like any other."""
    written(truth.path, a=tenant("dir", 60))
    await put(bootstrap, truth, look(truth.path))
    await change(bootstrap, lambda present: planned(documents(DENY), present))
    with pytest.raises(Failure, match="DNSPolicy/from-directory spec.tenants"):
        await put(bootstrap, truth, {})
    await change(bootstrap, lambda _: {"DNSPolicy/-/from-directory": None})


@asynccontextmanager
async def watching(bootstrap: str, truth: Truth) -> AsyncIterator[asyncio.Queue[str]]:
    """The directory is watched; what is told comes out of the queue."""
    told: asyncio.Queue[str] = asyncio.Queue()

    def say(result: Done | Failure) -> None:
        told.put_nowait(sentence(Path("d"), result))

    task = asyncio.create_task(watch(bootstrap, truth, say))
    try:
        async with asyncio.timeout(60):
            yield told
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_watched_directory(bootstrap: str, truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes and deletions are taken; a mistake is told with its place, once, and again when it is gone."""
    monkeypatch.setattr(policy_directory, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(policy_directory, "_AGAIN_AFTER_S", 0.1)
    monkeypatch.setattr(policy_directory, "_COMPARE_EVERY_S", 0.3)
    written(truth.path, a=tenant("dir", 60))
    async with watching(bootstrap, truth) as told:
        assert await told.get() == "d: Tenant dir created"
        written(truth.path, b=DENY)
        assert await told.get() == "d: DNSPolicy from-directory created"
        written(truth.path, b="kind: [", c=tenant("more", 62))
        assert f"changes nothing until this is right:\n{truth.path / 'b.yaml'}: line " in await told.get()
        assert "Tenant/more/more" not in await keys(bootstrap)
        written(truth.path, b=DENY.replace("action: deny", "action: dny"))
        assert "b.yaml: document 1: spec.rules[0].action: expected one of" in await told.get()
        written(truth.path, b=DENY)
        assert await told.get() == "d: Tenant more created"
        (truth.path / "b.yaml").unlink()
        (truth.path / "c.yaml").unlink()
        assert await told.get() == "d: DNSPolicy from-directory deleted, Tenant more deleted"
        await change(bootstrap, lambda _: {"Tenant/dir/dir": None})
        assert await told.get() == "d: Tenant dir created"
        written(truth.path, a="kind: [")
        assert "changes nothing" in await told.get()
        written(truth.path, a=tenant("dir", 60))
        assert await told.get() == "d: right again, nothing changed"
        assert told.empty()


async def test_a_directory_that_is_gone_deletes_nothing(bootstrap: str, truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that went away is a mistake, not an empty directory; when it is back all is well."""
    monkeypatch.setattr(policy_directory, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(policy_directory, "_AGAIN_AFTER_S", 0.1)
    written(truth.path, a=tenant("dir", 60))
    async with watching(bootstrap, truth) as told:
        await told.get()
        truth.path.rename(truth.path.with_name("away"))
        assert "cannot read" in await told.get()
        assert "Tenant/dir/dir" in await keys(bootstrap)
        truth.path.with_name("away").rename(truth.path)
        assert await told.get() == "d: right again, nothing changed"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `nameward policy sync`."""
    result = CliRunner().invoke(policy, ["sync", *map(str, arguments), "--timeout", "0"])
    return result.exit_code, result.stdout, result.stderr


def test_the_command(bootstrap: str, tmp_path: Path) -> None:
    """Every object of the directory is told of; programs get JSON; a mistake is status 1 with its place."""
    written(tmp_path, a=tenant("cmd", 63))
    code, out, _ = run("--kafka", bootstrap, tmp_path)
    assert (code, out) == (0, "Tenant cmd created\n")
    (path,) = written(tmp_path, a="")
    path.unlink()
    code, out, _ = run("--kafka", bootstrap, "--json", tmp_path)
    assert (code, json.loads(out)["objects"]) == (0, [{"kind": "Tenant", "name": "cmd", "change": "deleted", "resourceVersion": ""}])
    written(tmp_path, a="kind: Nope")
    code, out, err = run("--kafka", bootstrap, tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith(f"nameward: {tmp_path / 'a.yaml'}: document 1: ")


def test_watching_ends_with_ctrl_c(bootstrap: str, tmp_path: Path) -> None:
    """A line of JSON for each change; Ctrl-C is status 0."""
    written(tmp_path, a=tenant("watched", 64))
    command = [sys.executable, "-m", "compose.cli", "policy", "sync", "--watch", "--json", "--kafka", bootstrap, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert [(one["name"], one["change"]) for one in line["objects"]] == [("watched", "created")]
    written(tmp_path, a="kind: [")
    assert "a.yaml: line " in json.loads(process.stdout.readline())["error"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PROCESS_S)
    assert (process.returncode, out, err) == (0, "", "")
    (tmp_path / "a.yaml").unlink()
    assert run("--kafka", bootstrap, tmp_path)[1] == "Tenant watched deleted\n"
