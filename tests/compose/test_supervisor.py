"""Children that crash, hang, never get ready; a supervisor that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compose.console import Journal
from compose.failure import Failure
from compose.process import Command, last_line, outcome, rotate
from compose.supervisor import Child, Supervisor
from tests.patience import patient

SERVE = "print('ready', flush=True); import time; time.sleep(60)"


def child(name: str, program: str, **settings: float) -> Child:
    """A child that runs a line of Python."""
    return Child(
        Command(name, (sys.executable, "-c", program), stop_within=settings.pop("stop_within", 5.0)), **settings
    )


async def until(probe: Callable[[], object], within: float = 10.0) -> None:
    """Wait until the probe is true."""
    deadline = time.monotonic() + patient(within)
    while not probe():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


def running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_killed_child_is_started_again_and_said_so(tmp_path: Path) -> None:
    """A child killed by SIGKILL comes back with another pid, and both events are reported."""
    journal = Journal(quiet=True)
    supervisor = Supervisor(tmp_path, journal)
    served = child("served", SERVE)
    await supervisor.start(served)
    assert served.process
    before = served.process.pid
    os.kill(before, signal.SIGKILL)
    await until(lambda: served.ready and served.process and served.process.pid != before)
    assert served.restarts == 1
    assert any("was killed by SIGKILL; starting it again" in line for line in journal.recent)
    assert any("is back after" in line for line in journal.recent)
    await supervisor.stop("served")
    assert not running(served.process.pid)


async def test_hook_runs_when_a_restarted_child_serves(tmp_path: Path) -> None:
    """`revived` runs after a restart, not at the first start, and its failure does not end the watch."""
    calls: list[int] = []

    async def revived() -> None:
        calls.append(1)
        raise ValueError("a hook that fails")

    journal = Journal(quiet=True)
    supervisor = Supervisor(tmp_path, journal)
    served = child("served", SERVE)
    served.revived = revived
    await supervisor.start(served)
    assert calls == []
    for restarts in (1, 2):
        assert served.process
        os.kill(served.process.pid, signal.SIGKILL)
        await until(lambda wanted=restarts: len(calls) == wanted)
    await until(lambda: sum("ValueError: a hook that fails" in line for line in journal.recent) == 2)
    await supervisor.stop("served")


async def test_child_that_never_comes_up_fails_with_its_last_line(tmp_path: Path) -> None:
    """A child that dies at the start is tried three times and then named, with its last word and its log."""
    supervisor = Supervisor(tmp_path, Journal(quiet=True))
    with pytest.raises(Failure, match=r"broken did not start: no such thing \(see .*broken.log\)"):
        await supervisor.start(child("broken", "import sys; sys.exit('no such thing')"))
    assert (tmp_path / "broken.log").read_text().count("no such thing") == 3


async def test_child_that_hangs_is_not_waited_for_forever(tmp_path: Path) -> None:
    """A child that is silent counts as failed after its time, and none of its processes stays."""
    supervisor = Supervisor(tmp_path, Journal(quiet=True))
    silent = child("silent", "import time; time.sleep(60)", ready_within=0.2)
    with pytest.raises(Failure, match="silent did not start: it left no word"):
        await supervisor.start(silent)
    assert silent.process
    assert not running(silent.process.pid)


async def test_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    """Stopping takes no longer than the allowed time, whatever the child does with signals."""
    journal = Journal(quiet=True)
    supervisor = Supervisor(tmp_path, journal)
    deaf = child("deaf", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE, stop_within=0.3)
    await supervisor.start(deaf)
    began = time.monotonic()
    await supervisor.stop("deaf")
    assert time.monotonic() - began < patient(5)
    assert any("did not end within" in line for line in journal.recent)
    assert deaf.process
    assert not running(deaf.process.pid)


async def test_stopped_child_can_be_resumed(tmp_path: Path) -> None:
    """After stop() a child stays down until resume() starts it again."""
    supervisor = Supervisor(tmp_path, Journal(quiet=True))
    served = child("served", SERVE)
    await supervisor.start(served)
    await supervisor.stop("served")
    assert not served.ready
    await supervisor.resume("served")
    assert served.ready
    await supervisor.stop("served")


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """When the supervisor is killed by SIGKILL the kernel ends its children: no orphan is left."""
    program = f"""
import asyncio, sys
from pathlib import Path
from compose.console import Journal
from compose.process import Command
from compose.supervisor import Child, Supervisor
async def main():
    child = Child(Command("served", (sys.executable, "-c", {SERVE!r})))
    await Supervisor(Path({str(tmp_path)!r}), Journal(quiet=True)).start(child)
    print(child.process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout
        pid = int(supervisor.stdout.readline())
        assert running(pid)
        supervisor.kill()
    deadline = time.monotonic() + patient(5)
    while running(pid):
        assert time.monotonic() < deadline, "the child outlived its supervisor"
        time.sleep(0.02)


def test_logs_are_bounded_and_their_last_line_found(tmp_path: Path) -> None:
    """A log past its limit keeps one older copy; last_line looks only behind its offset."""
    log = tmp_path / "x.log"
    log.write_text("old\nlast\n\n")
    assert last_line(log) == "last"
    assert last_line(log, since=10) == ""
    assert last_line(tmp_path / "missing.log") == ""
    log.write_bytes(b"x" * 10_000_001)
    rotate(log)
    assert log.stat().st_size == 0
    assert (tmp_path / "x.log.1").stat().st_size == 10_000_001


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with status 0"),
        (3, "ended with status 3"),
        (-9, "was killed by SIGKILL"),
        (-200, "was killed by signal 200"),
    ],
)
def test_outcome_in_words(status: int, words: str) -> None:
    """Exit statuses are told in words."""
    assert outcome(status) == words
