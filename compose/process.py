"""One child process: started so that it cannot outlive its parent, its words kept, stopped within bounded time.

Standard output of a child is for events of note (its line ``ready`` says that it serves); standard error goes to its
log file. This module does not decide when to start or restart: supervisor.py does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork
_LOG_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Command:
    """What to run.

    Attributes:
        name: of the component, as users see it.
        arguments: program and its arguments.
        environment: added to this process's own.
        stop_signal: what asks it to end cleanly.
        stop_within: seconds it may take to do so before it is killed.
        talks: whether its standard output is for people; if not, it goes to the log.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 10.0
    talks: bool = True


class Process:
    """A running child.

    Args:
        command: what was started.
        log: its log file.
        said: called with every line it writes to standard output.
    """

    def __init__(self, command: Command, log: Path, said: Callable[[str], None]) -> None:
        self.command = command
        self.log = log
        self.ready = asyncio.Event()
        self._said = said
        self._log_began = 0
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def last_words(self) -> str:
        """Last line it wrote to its log."""
        return last_line(self.log, self._log_began)

    async def start(self) -> None:
        """Start it. Raises OSError if the program cannot be run."""
        rotate(self.log)
        with self.log.open("ab") as errors:
            self._log_began = errors.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self.command.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self.command.talks else errors,
                stderr=errors,
                env={**os.environ, **self.command.environment},
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops children in order
                preexec_fn=_die_with(os.getpid()),
            )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        stream = self._process.stdout if self._process else None
        if stream is None:
            return
        with contextlib.suppress(ValueError):  # a line longer than the pipe's limit is no event of note
            async for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                if line == "ready" or line.startswith("ready "):
                    self.ready.set()
                elif line:
                    self._said(line)

    async def wait(self) -> int:
        """Wait for its end; return its exit status (negative: minus the signal that killed it)."""
        if self._process is None:
            return 0
        status = await self._process.wait()
        if self._reading:
            await asyncio.wait({self._reading}, timeout=1)
        return status

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.alive and self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self) -> bool:
        """End it: cleanly if it can within the allowed time, otherwise by SIGKILL. True if it was clean."""
        if not self.alive:
            return True
        self.signal(self.command.stop_signal)
        try:
            await asyncio.wait_for(self.wait(), self.command.stop_within)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.wait()
            return False
        return True


def _die_with(parent: int) -> Callable[[], None]:
    """The kernel kills the child when its parent dies, however that happens (prctl(2), PR_SET_PDEATHSIG)."""

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # died before the call
            os._exit(1)

    return arrange


def rotate(log: Path) -> None:
    """Keep one older log beside a log that has grown past its limit; safe while it is being appended to."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.with_suffix(".log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def last_line(log: Path, since: int = 0) -> str:
    """Last line written to a log after the offset ``since``; empty if there is none."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(since, log.stat().st_size - 8192))
            lines = [line.strip() for line in handle.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line), "")


def outcome(status: int) -> str:
    """Exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"
