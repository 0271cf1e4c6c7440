"""Keeps children running: starts each, waits until it is ready, restarts it after a crash, stops all in order.

This module knows nothing of DNS, Kafka or ClickHouse; children.py says what to run, local.py in which order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from compose.console import Journal
from compose.failure import Failure
from compose.process import Command, Process, outcome, rotate

_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 10.0
_STEADY_S = 30.0
_ATTEMPTS_BEFORE_READY = 3

Probe = Callable[[Process], Awaitable[bool]]
Hook = Callable[[], Awaitable[None]]


async def said_ready(process: Process) -> bool:
    """Probe of a child that tells by its line ``ready``."""
    return process.ready.is_set()


@dataclass(slots=True)
class Child:
    """A component to keep running.

    Attributes:
        command: what to run.
        probe: whether it serves.
        ready_within: seconds it may take to serve before it counts as failed.
        revived: runs once it serves again after a restart.
        restarts: how often it was started again.
        since: time.monotonic() of its latest readiness, 0 while it is not ready.
    """

    command: Command
    probe: Probe = said_ready
    ready_within: float = 30.0
    revived: Hook | None = None
    restarts: int = 0
    since: float = 0.0
    process: Process | None = None
    wanted: bool = field(default=True)

    @property
    def name(self) -> str:
        """Name of the component."""
        return self.command.name

    @property
    def ready(self) -> bool:
        """Whether it runs and has said that it serves."""
        return self.since > 0 and self.process is not None and self.process.alive


class Supervisor:
    """Starts and keeps children; one watcher task each.

    Args:
        log: directory of their logs.
        journal: where events of note go.
    """

    def __init__(self, log: Path, journal: Journal) -> None:
        self.children: dict[str, Child] = {}
        self._log = log
        self._journal = journal
        self._watchers: dict[str, asyncio.Task[None]] = {}

    async def start(self, child: Child) -> None:
        """Start a child for the first time and wait until it is ready.

        Raises:
            Failure: if it does not come up; names its log and the last line there.
        """
        self.children[child.name] = child
        began = time.monotonic()
        for attempt in range(_ATTEMPTS_BEFORE_READY):
            if await self._launch(child):
                self._journal.say(
                    child.name,
                    f"ready in {time.monotonic() - began:.1f} s (pid {child.process.pid if child.process else 0})",
                )
                self._watchers[child.name] = asyncio.create_task(self._watch(child), name=f"watch {child.name}")
                return
            if attempt + 1 < _ATTEMPTS_BEFORE_READY:
                await asyncio.sleep(_FIRST_BACKOFF_S * 2**attempt)
        raise Failure(f"{child.name} did not start: {self._why(child)}")

    def _why(self, child: Child) -> str:
        words = child.process.last_words if child.process else ""
        return f"{words or 'it left no word'} (see {self._log / f'{child.name}.log'})"

    async def _launch(self, child: Child) -> bool:
        child.since = 0.0
        process = Process(
            child.command, self._log / f"{child.name}.log", lambda line: self._journal.say(child.name, line)
        )
        try:
            await process.start()
        except OSError as error:
            raise Failure(f"{child.name} cannot be started: {error}") from error
        child.process = process
        deadline = time.monotonic() + child.ready_within
        while process.alive and time.monotonic() < deadline and child.wanted:
            if await child.probe(process):
                child.since = time.monotonic()
                return True
            await asyncio.sleep(0.05)
        await process.stop()
        return False

    async def _watch(self, child: Child) -> None:
        backoff = _FIRST_BACKOFF_S
        while child.wanted and child.process:
            status = await child.process.wait()
            backoff = _FIRST_BACKOFF_S if child.since and time.monotonic() - child.since > _STEADY_S else backoff
            child.since = 0.0
            why = outcome(status) if status < 0 else f"{outcome(status)}: {self._why(child)}"
            self._journal.say(child.name, f"{why}; starting it again in {backoff:.1f} s", "bad")
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF_S)
            await self._again(child)

    async def _again(self, child: Child) -> None:
        child.restarts += 1
        began = time.monotonic()
        try:
            up = child.wanted and await self._launch(child)
            if up and child.revived:
                await child.revived()
        except Failure as failure:
            self._journal.say(child.name, failure.message, "bad")
            return
        except Exception as error:  # noqa: BLE001 - whatever a hook meets, the child stays watched
            self._journal.say(child.name, f"{type(error).__name__}: {error}", "bad")
            return
        if up:
            self._journal.say(child.name, f"is back after {time.monotonic() - began:.1f} s", "good")

    async def stop(self, *names: str) -> None:
        """Stop these children together, cleanly where they let us; they are not started again."""
        ending = [self.children[name] for name in names if name in self.children]
        for child in ending:
            child.wanted = False
        await asyncio.gather(*(self._end(child) for child in ending))

    async def _end(self, child: Child) -> None:
        if watcher := self._watchers.pop(child.name, None):
            watcher.cancel()
            await asyncio.wait({watcher})
        child.since = 0.0
        if child.process and not await child.process.stop():
            self._journal.say(child.name, f"did not end within {child.command.stop_within:.0f} s and was killed", "bad")

    async def resume(self, *names: str) -> None:
        """Start children again that stop() ended."""

        async def again(child: Child) -> None:
            child.wanted = True
            await self.start(child)

        await asyncio.gather(*(again(self.children[name]) for name in names if name in self.children))

    def tend_logs(self) -> None:
        """Keep logs bounded."""
        for child in self.children.values():
            rotate(self._log / f"{child.name}.log")
