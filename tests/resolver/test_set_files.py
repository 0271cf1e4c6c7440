"""Files of domain sets: read before they are needed, read again, kept when they go, never outside their directory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resolver import set_place
from resolver.policy.store import PolicyStore
from resolver.policy_swap import Swapper
from resolver.set_build import SUFFIX
from resolver.set_files import SetFiles
from resolver.set_place import Places
from schemas.objects import SetFile
from tests.patience import PROCESS_S
from tests.resolver.policy.test_domain_sets import SET
from tests.resolver.policy.written import NOW, objects

BIG = "".join(f"n{number}.example\n" for number in range(6000))
"""Longer than what workers read for themselves."""


class Host:
    """A store whose sets are files below a directory."""

    def __init__(self, directory: Path) -> None:
        self.root, self.indexes = directory / "lists", directory / "indexes"
        self.root.mkdir(exist_ok=True)
        self.store = PolicyStore()
        self.files = SetFiles(self.store, Places(self.root, self.indexes), every=0.01)
        self.swapper = Swapper(self.store, self.files, lambda: NOW)

    async def apply(self, path: str = "list.txt", form: str = "names") -> None:
        """A set `bad` of this file."""
        for key, obj in objects(SET.format(spec=f"{{file: {{path: {path!r}, format: {form}}}}}")).items():
            self.store.put(key, obj)
        await self.swapper.swap()

    def write(self, text: str, path: str = "list.txt") -> None:
        """Replace a file as a whole."""
        draft = self.root / "draft"
        draft.write_text(text)
        draft.replace(self.root / path)

    async def changed(self) -> None:
        """Wait for the next look that finds a change, and put it in force."""
        async with asyncio.timeout(PROCESS_S):
            await self.files.wait_change()
        await self.swapper.swap()

    def holds(self, name: str) -> bool:
        """Whether the set in force holds a name."""
        return self.store.current.sets["bad"].holds([name])

    @property
    def told(self) -> list[str]:
        """What the last swap refused."""
        return [f"{refusal.key} {refusal.error}" for refusal in self.store.refusals]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host without files."""
    return Host(tmp_path)


@pytest.mark.parametrize("more", ["", BIG], ids=["small", "big"])
async def test_a_file_is_read_before_its_set_is_in_force_and_again_when_it_changes(host: Host, more: str) -> None:
    """The first swap with the set has its names; a change of the file is a new epoch with the new ones."""
    host.write(f"one.test\n{more}")
    await host.apply()
    assert (host.holds("one.test"), host.holds("two.test"), host.told) == (True, False, [])
    epoch = host.store.epoch
    host.write(f"two.test\n{more}")
    await host.changed()
    assert (host.holds("one.test"), host.holds("two.test"), host.told) == (False, True, [])
    assert host.store.epoch > epoch
    assert len(list(host.indexes.glob(f"*{SUFFIX}"))) == (2 if more else 0)


async def test_a_file_that_goes_leaves_what_it_held(host: Host) -> None:
    """The set stays in force, the trouble is told, and is over when the file is back."""
    host.write("one.test\n")
    await host.apply()
    (host.root / "list.txt").unlink()
    await host.changed()
    assert host.holds("one.test")
    gone = "list.txt: no such file or directory; what it held last stays in force"
    assert host.told == [f"DomainSet/-/bad spec.file.path: {gone}"]
    host.write("two.test\n")
    await host.changed()
    assert (host.holds("two.test"), host.told) == (True, [])


async def test_wrong_lines_are_told_and_the_others_stand(host: Host) -> None:
    """A refusal names set, key path, file and line."""
    host.write("one.test\nb..c\n")
    await host.apply()
    assert host.holds("one.test")
    why = "expected a pattern such as *.example.com, got 'b..c': a label is empty (two dots in a row)"
    assert host.told == [f"DomainSet/-/bad spec.file.path: list.txt:2: {why}"]


OUTSIDE = "expected a path below the directory of the resolver's settings, got {path!r}; the set is empty until then"
PATHS = [
    ("../secret", OUTSIDE), ("/etc/passwd", OUTSIDE), ("link", OUTSIDE), ("a/../../secret", OUTSIDE), ("loop", OUTSIDE),
    ("../nothing", OUTSIDE), ("none.txt", "{path}: no such file or directory; the set is empty until then"),
    ("folder", "{path}: no regular file; the set is empty until then"),
    ("pipe", "{path}: no regular file; the set is empty until then"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "message"), PATHS)
async def test_no_path_leads_out_of_the_directory(host: Host, path: str, message: str) -> None:
    """Whatever dots and links say, and whether or not there is something: the same words, and nothing is read."""
    (host.root.parent / "secret").write_text("secret.test\n")
    (host.root / "link").symlink_to("../secret")
    (host.root / "loop").symlink_to("loop")
    (host.root / "folder").mkdir()
    os.mkfifo(host.root / "pipe")
    await host.apply(path)
    assert host.told == [f"DomainSet/-/bad spec.file.path: {message.format(path=path)}"]
    assert not host.store.current.sets["bad"]


async def test_without_a_directory_no_file_is_read(tmp_path: Path) -> None:
    """The words say which setting is missing."""
    host = Host(tmp_path)
    host.files = SetFiles(host.store, Places(None, host.indexes))
    host.swapper = Swapper(host.store, host.files, lambda: NOW)
    await host.apply()
    why = "the resolver's settings name no directory for files of domain sets (domain_sets); the set is empty until then"
    assert host.told == [f"DomainSet/-/bad spec.file.path: {why}"]


async def test_the_loop_turns_while_a_big_file_is_read(host: Host) -> None:
    """Building goes on elsewhere: a task that wants its turn all the time keeps getting it."""
    host.write(BIG)
    turns, swap = 0, asyncio.create_task(host.apply())
    while not swap.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 10
    assert host.holds("n5.example")


async def test_workers_share_one_index(host: Host, tmp_path: Path) -> None:
    """A second worker maps the file the first one had built; the pages are the same."""
    host.write(BIG)
    other = Host(tmp_path)
    await asyncio.gather(host.apply(), other.apply())
    assert host.holds("n5.example")
    assert other.holds("n5.example")
    (index,) = host.indexes.glob(f"*{SUFFIX}")
    maps = [line for line in mapped() if line.endswith(str(index))]
    assert len(maps) == 2
    assert all(line.split()[1] == "r--s" for line in maps)


def mapped() -> list[str]:
    """What this process has mapped."""
    return Path("/proc/self/maps").read_text().splitlines()


@pytest.mark.parametrize("left", ["killed", "damaged"])
async def test_what_a_crash_left_is_built_anew(host: Host, left: str) -> None:
    """Neither a half-written draft with its lock nor an index that is cut off is ever believed."""
    host.write(BIG)
    seen = host.files._places.look(SetFile(path="list.txt"))
    key = host.files._places.key_of(seen, SetFile(path="list.txt"))
    host.indexes.mkdir()
    if left == "killed":
        (host.indexes / f"{key}.lock").touch()
        (host.indexes / f"{key}.1.draft").write_bytes(b"nwset")
    else:
        (host.indexes / f"{key}{SUFFIX}").write_bytes(b"nwset\0\0\1 and no more")
    await host.apply()
    assert host.holds("n5.example")
    assert host.told == []


async def test_what_nobody_uses_is_removed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes of texts that are gone and drafts of the dead are cleared away, those in use stay."""
    host.write(BIG)
    await host.apply()
    (used,) = host.indexes.glob(f"*{SUFFIX}")
    old = [host.indexes / f"0{SUFFIX}", host.indexes / "0.1.draft"]
    for path in (used, *old):
        path.touch()
        os.utime(path, (1, 1))
    host.files._places.tidy({used.name.partition(".")[0]})
    assert used.exists()
    assert not any(path.exists() for path in old)


def test_a_builder_that_finds_another_text_leaves_nothing(tmp_path: Path) -> None:
    """The text changed since it was looked at: its index would bear the wrong name."""
    source = tmp_path / "list.txt"
    source.write_text(BIG)
    command = [sys.executable, "-m", "resolver.set_build", str(source), "names", "0" * 64, str(tmp_path)]
    assert subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}).returncode == 3
    assert list(tmp_path.glob(f"*{SUFFIX}")) == []
    assert len(BIG) > set_place.SMALL
