"""Tasks of a worker that are over before Faust closes its producer.

Faust ends an app's own tasks last of all, when producer and tables are closed already: what such a task says meanwhile
fails with ProducerClosed. So these are ended by their worker, and only then may the app stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from faust.types import AppT


class Crew:
    """Tasks that start with a Faust app and end before it.

    Args:
        app: Faust's; a task that fails ends it, like any task of its own.
    """

    def __init__(self, app: AppT) -> None:
        self._app = app
        self._at_work: set[asyncio.Task[None]] = set()

    def enlist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Start this once the app is ready."""

        async def noted() -> None:
            await self._noting(work())

        self._app.task(noted)

    def start(self, work: Awaitable[None]) -> None:
        """Start this now."""
        self._app.add_future(self._noting(work))

    async def _noting(self, work: Awaitable[None]) -> None:
        if task := asyncio.current_task():
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        await work

    async def dismiss(self) -> None:
        """End them all, wherever they are."""
        ending = set(self._at_work)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)


async def drop_unsent(app: AppT) -> None:
    """Take from Faust's queue what is not sent by now: it would meet a closed producer and end in a traceback.

    These are changelog records of a checkpoint the broker did not take in time. Their batches are not acknowledged, so
    nothing is lost: they are replayed, and the state on disk knows which of them it contains.
    """
    if app._producer is None:  # noqa: SLF001 - app.producer would make one
        return
    buffer = app.producer.buffer
    while not buffer.pending.empty():
        buffer.pending.get_nowait()
    await buffer.stop()
