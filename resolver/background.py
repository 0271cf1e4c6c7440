"""Work nobody waits for, or not to its end: one task for each thing, a bounded number of them.

Used to renew answers ahead of their end and to go on asking when a client was given a stale answer. This module must
not know what the work is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 256
Start = Callable[[], Coroutine[Any, Any, T]]


class Background:
    """Running work by key.

    Args:
        most: tasks at a time; what would be more is not begun.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    def start(self, key: Hashable, start: Start[T]) -> asyncio.Task[T] | None:
        """Begin, or join what runs under this key; None when there is too much already."""
        task = self._running.get(key)
        if task is None and len(self._running) < self._most:
            task = self._running[key] = asyncio.create_task(start())
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    async def within(self, seconds: float, key: Hashable, start: Start[T]) -> T | None:
        """What it gives if that is soon; None if it fails, takes longer (it goes on) or was not begun."""
        task = self.start(key, start)
        if task is None:
            return None
        await asyncio.wait((task,), timeout=seconds)
        return task.result() if task.done() and not task.cancelled() and task.exception() is None else None

    def _ended(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains: who does the work keeps its failure

    def close(self) -> None:
        """End everything."""
        for task in self._running.values():
            task.cancel()
