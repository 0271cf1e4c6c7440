"""`nameward up`: runs the embedded stack until it is told to end, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose.console import Journal
from compose.failure import Failure
from compose.layout import Layout, lock
from compose.policy_change import Done
from compose.policy_directory import Truth, given, watch
from compose.policy_outcome import sentence
from compose.ports import require_free
from compose.stack import Stack
from compose.tour import tour

_READY_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Ending:
    """When to end without being told: once ready, or after so many seconds of service; never, if neither is set."""

    when_ready: bool = False
    after_s: float = 0.0


async def up(layout: Layout, journal: Journal, policy: tuple[Path, ...] = (), ending: Ending | None = None) -> None:
    """Run the stack until a signal or its ending.

    Raises:
        Failure: if it cannot start.
    """
    ending = ending or Ending()
    documents, truths = given(policy)
    layout.prepare()
    held = lock(layout.directory)
    check_ports(layout)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    stack = Stack(layout, journal, documents, [truth.source for truth in truths])
    began = time.monotonic()
    told = asyncio.create_task(stopping.wait())
    working = [asyncio.create_task(stack.tend())]
    try:
        if await _before(told, stack.start(), _READY_WITHIN_S):
            layout.announce()
            working += [asyncio.create_task(_follow(layout, journal, truth)) for truth in truths]
            journal.say("stack", f"ready in {time.monotonic() - began:.1f} s", "good")
            print(f"\n{tour(layout)}\n", flush=True)
            if not ending.when_ready:
                await asyncio.wait({told}, timeout=ending.after_s or None)
    finally:
        for task in working:
            task.cancel()
        await asyncio.wait(working)
        journal.say("stack", "stopping")
        await stack.stop()
        told.cancel()
        held.close()
    journal.say("stack", "stopped")


async def _follow(layout: Layout, journal: Journal, truth: Truth) -> None:
    """Keep a directory in force and tell of its changes."""

    def say(result: Done | Failure) -> None:
        for line in sentence(truth.path, result).splitlines():
            journal.say("policy", line, "bad" if isinstance(result, Failure) else "good")

    await watch(str(layout.kafka), truth, say)


def check_ports(layout: Layout) -> None:
    """Make sure that every port can be had, before anything is started."""
    require_free(layout.listen, ("udp", "tcp"), "DNS")
    require_free(layout.admin, ("tcp",), "the admin endpoint")
    require_free(layout.clickhouse, ("tcp",), "ClickHouse")
    if layout.embedded_broker:
        require_free(layout.kafka, ("tcp",), "Kafka")


async def _before(told: asyncio.Task[bool], work: Coroutine[Any, Any, None], within_s: float) -> bool:
    """Do the work unless told to stop first; whether it was done. Its failures are raised."""
    task = asyncio.create_task(work)
    await asyncio.wait({told, task}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, BaseExceptionGroup):
            await task
        if told.done():
            return False
        raise Failure(f"the stack was not ready within {within_s:.0f} s")
    try:
        task.result()
    except BaseExceptionGroup as group:
        raise _first(group) from group
    return True


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
