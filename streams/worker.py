"""Runs one Faust app in this process: waits for the broker, says ``ready``, ends on a signal or with a reason."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaError
from faust.types import AppT

from schemas.topics import EVENTS, TOPICS
from streams.app import build_analytics, build_sink
from streams.config import WorkerSettings
from streams.warehouse import WarehouseError
from streams.warehouse.connect import connect

_LOG = logging.getLogger(__name__)
_STOP_S = 8.0
_REPEAT_S = 30.0
_KNOWN_LINES = 256


class OnceInAWhile(logging.Filter):
    """Lets the same line through once in 30 s; clients of an absent broker repeat themselves ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is worth a line."""
        line = record.getMessage()
        if record.created - self._said.get(line, 0.0) < _REPEAT_S:
            return False
        if len(self._said) > _KNOWN_LINES:
            self._said.clear()
        self._said[line] = record.created
        return True


class WorkerError(Exception):
    """Why a worker cannot go on, in one sentence."""


async def run(name: str, settings: WorkerSettings) -> None:
    """Run a worker until a signal.

    Raises:
        WorkerError: it cannot go on; the process should end and be started anew.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waiting = asyncio.create_task(_partitions(settings.kafka.bootstrap))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        waiting.cancel()
        return
    await _serve(_build(name, settings, waiting.result()), stopping)


def _build(name: str, settings: WorkerSettings, partitions: int) -> AppT:
    try:
        if name == "sink":
            return build_sink(settings, connect(settings.warehouse), partitions=partitions)[0]
        warehouse = connect(settings.warehouse) if settings.warehouse else None
        return build_analytics(settings, warehouse, partitions=partitions)[0]
    except WarehouseError as error:
        raise WorkerError(str(error)) from error


async def _serve(app: AppT, stopping: asyncio.Task[bool]) -> None:
    async def say_ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    app.on_startup_finished = say_ready
    app.finalize()
    starting = asyncio.create_task(app.start())
    crashed = asyncio.create_task(_crash(app))
    await asyncio.wait({stopping, crashed}, return_when=asyncio.FIRST_COMPLETED)
    crash = crashed.result() if crashed.done() else None
    crashed.cancel()
    try:
        async with asyncio.timeout(_STOP_S):
            await app.stop()
    except TimeoutError:
        _LOG.warning("did not stop within %.0f s", _STOP_S)
    starting.cancel()
    if crash is not None:
        raise WorkerError(f"{type(crash).__name__}: {str(crash) or 'no further words'}")


async def _crash(app: AppT) -> BaseException | None:
    """Wait until Faust gives up; its reason."""
    while not app.crashed:  # noqa: ASYNC110 - Faust keeps its event for itself
        await asyncio.sleep(0.1)
    reason: BaseException | None = app.crash_reason or RuntimeError("Faust gave up")
    return reason


async def _partitions(bootstrap: str) -> int:
    """Partitions of dns.events; waits for the broker and its topics as long as it takes."""
    said = ""
    while True:
        client = AIOKafkaClient(bootstrap_servers=bootstrap)
        try:
            await client.bootstrap()
            # bootstrap() alone learns no topics of Apache Kafka.
            known = await client.fetch_all_metadata()
            missing = sorted({topic.name for topic in TOPICS} - known.topics(exclude_internal_topics=False))
            if not missing:
                return len(known.partitions_for_topic(EVENTS.name))
            reason = f"topics are missing: {', '.join(missing)}"
        except (KafkaError, OSError) as error:
            reason = str(error)
        finally:
            await client.close()
        if reason != said:
            said = reason
            _LOG.warning("waiting for the broker at %s: %s", bootstrap, reason)
        await asyncio.sleep(0.5)
