"""Runs one Faust app in this process: waits for the broker, says ``ready``, ends on a signal or with a reason."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from typing import Protocol

from faust.types import AppT

from streams.agents.crew import Crew, drop_unsent
from streams.app import build_analytics, build_sink
from streams.config import WorkerSettings
from streams.topics import TopicError, make_changelogs, partitions_of_events
from streams.warehouse import WarehouseError
from streams.warehouse.connect import connect

_LOG = logging.getLogger(__name__)
_STOP_S = 8.0
_GONE_S = 9.0


class WorkerError(Exception):
    """Why a worker cannot go on, in one sentence."""


class Part(Protocol):
    """What a worker does on its Faust app."""

    crew: Crew

    async def finish(self) -> None:
        """Do what must be done before the app stops, and leave no task that could still send."""


async def run(name: str, settings: WorkerSettings) -> None:
    """Run a worker until a signal.

    Raises:
        WorkerError: it cannot go on; the process should end and be started anew.
    """
    stopping = asyncio.create_task(_signalled().wait())
    preparing = asyncio.create_task(_prepare(name, settings))
    await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        _leave_at_last(0)
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)
        return
    await _serve(*preparing.result(), stopping)


def _leave_at_last(status: int) -> None:
    """End this process with a status in nine seconds if it has not ended by then.

    A client may swallow the cancellation of its task, and a thread that waits for the broker holds up the interpreter:
    neither the loop nor Python's own end can be relied upon to come. A thread that is cancelled meanwhile says nothing.
    """
    tell = threading.excepthook
    threading.excepthook = lambda end: None if end.exc_type is asyncio.CancelledError else tell(end)
    leaving = threading.Timer(_GONE_S, os._exit, (status,))
    leaving.daemon = True
    leaving.start()


def _signalled() -> asyncio.Event:
    """Set by SIGTERM or SIGINT.

    Not by the loop's own handlers: a closing loop gives SIGINT back to Python, and a second Ctrl-C would then be a
    traceback.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is ending anyway
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


async def _prepare(name: str, settings: WorkerSettings) -> tuple[AppT, Part]:
    bootstrap = settings.kafka.bootstrap
    partitions = await partitions_of_events(bootstrap)
    app, part = _build(name, settings, partitions)
    try:
        await make_changelogs(bootstrap, [table.changelog_topic_name for table in app.tables.values()], partitions)
    except TopicError as error:
        raise WorkerError(str(error)) from error
    return app, part


def _build(name: str, settings: WorkerSettings, partitions: int) -> tuple[AppT, Part]:
    try:
        if name == "sink":
            return build_sink(settings, connect(settings.warehouse), partitions=partitions)
        warehouse = connect(settings.warehouse) if settings.warehouse else None
        return build_analytics(settings, warehouse, partitions=partitions)
    except WarehouseError as error:
        raise WorkerError(str(error)) from error


async def _serve(app: AppT, part: Part, stopping: asyncio.Task[bool]) -> None:
    async def say_ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    app.on_startup_finished = say_ready
    app.finalize()
    starting = asyncio.create_task(app.start())
    crashed = asyncio.create_task(_crash(app, starting))
    await asyncio.wait({stopping, crashed}, return_when=asyncio.FIRST_COMPLETED)
    crash = crashed.result() if crashed.done() else None
    crashed.cancel()
    _leave_at_last(0 if crash is None else 1)
    if not await _ended(app, part, crashed=crash is not None):
        # Threads of Faust's consumer wait for the broker, for minutes; whoever asked for the end will not.
        if crash is not None:
            sys.stderr.write(f"{_words(crash)}\n")
        sys.stderr.flush()
        os._exit(0 if crash is None else 1)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)  # a start that was interrupted has nothing to say
    if crash is not None:
        raise WorkerError(_words(crash))


def _words(crash: BaseException) -> str:
    return f"{type(crash).__name__}: {str(crash) or 'no further words'}"


async def _ended(app: AppT, part: Part, *, crashed: bool) -> bool:
    """Whether it ended in time."""
    try:
        async with asyncio.timeout(_STOP_S):
            await _end(app, part, crashed=crashed)
    except TimeoutError:
        _LOG.warning("did not stop within %.0f s", _STOP_S)
        return False
    except Exception as error:  # noqa: BLE001 - whatever Faust meets while it stops, what had to be kept is kept by now
        _LOG.warning("stopped untidily: %s: %s", type(error).__name__, error)
    return True


async def _end(app: AppT, part: Part, *, crashed: bool) -> None:
    """Stop what sends, then what it sends with; Faust alone would do it the other way round."""
    await (part.crew.dismiss() if crashed else part.finish())
    await drop_unsent(app)
    await app.stop()


async def _crash(app: AppT, starting: asyncio.Task[None]) -> BaseException | None:
    """Wait until Faust gives up, at its start or later; its reason."""
    while not app.crashed:
        if starting.done() and (failure := starting.exception()):
            return failure
        await asyncio.sleep(0.1)
    reason: BaseException | None = app.crash_reason or RuntimeError("Faust gave up")
    return reason
