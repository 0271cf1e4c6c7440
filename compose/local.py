"""`nameward up`: the embedded stack. Puts the parts together and says in which order they come and go.

broker -> topics -> policy -> store and resolver workers -> stream processors; backwards when it ends. The order
matters: topics before anyone makes them up, policy before the first query, resolvers silent before the streams drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose import children, seed, topics
from compose.console import Journal
from compose.drain import drained
from compose.failure import Failure
from compose.front import Front, fetch
from compose.layout import Layout, lock
from compose.metrics import ProcessFigures
from compose.mirror import Mirror
from compose.ports import require_free
from compose.store import ping
from compose.supervisor import Supervisor
from compose.tour import tour

_STREAMS = ("analytics", "sink")
_READY_WITHIN_S = 120.0
_DRAIN_WITHIN_S = 5.0
_TEND_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Ending:
    """When to end without being told: once ready, or after so many seconds of service; never, if neither is set."""

    when_ready: bool = False
    after_s: float = 0.0


class Stack:
    """The embedded stack of one directory.

    Args:
        layout: where it lives and listens.
        journal: where events of note go.
        documents: YAML files of policy to put in force at the start; the demo's on the first start if there are none.
    """

    def __init__(self, layout: Layout, journal: Journal, documents: tuple[Path, ...] = ()) -> None:
        self._layout = layout
        self._journal = journal
        self._documents = documents
        self._supervisor = Supervisor(layout.log, journal)
        self._mirror = Mirror(layout.mirror)
        self._following: asyncio.Task[None] | None = None
        workers = {name: children.socket_of(layout, name) for name in children.worker_names(layout)}
        self._workers = workers
        self._front = Front(workers, self.readiness, self.figures, lambda: list(journal.recent))
        self._stage = "starting"

    async def start(self) -> None:
        """Bring everything up.

        Raises:
            Failure: with the part that did not come up and why.
        """
        layout = self._layout
        await self._front.serve(layout.admin)
        if layout.embedded_broker:
            broker = children.broker_child(layout)
            broker.revived = self._broker_returned
            await self._supervisor.start(broker)
            layout.wipe_tables()
        await topics.create(str(layout.kafka), replace=layout.embedded_broker)
        store = children.store_child(layout)
        if layout.embedded_broker and not self._mirror.known and any(layout.store.iterdir()):
            await self._supervisor.start(store)
            await seed.recall(self._mirror, layout.clickhouse)
        async with asyncio.TaskGroup() as group:
            if not store.ready:
                group.create_task(self._supervisor.start(store))
            group.create_task(self._start_resolvers())
        await asyncio.gather(*(self._supervisor.start(child) for child in children.stream_children(layout)))
        self._stage = ""

    async def _start_resolvers(self) -> None:
        bootstrap = str(self._layout.kafka)
        self._journal.say(
            "policy", await seed.plant(self._mirror, bootstrap, self._documents, embedded=self._layout.embedded_broker)
        )
        self._follow()
        async with asyncio.TaskGroup() as group:
            for child in children.resolver_children(self._layout):
                group.create_task(self._supervisor.start(child))

    def _follow(self) -> None:
        if self._following:
            self._following.cancel()
        self._following = asyncio.create_task(self._mirror.follow(str(self._layout.kafka)), name="policy mirror")

    async def _broker_returned(self) -> None:
        """A new embedded broker knows nothing: topics and policy are put back, stream state starts clean."""
        await self._supervisor.stop(*_STREAMS)
        self._layout.wipe_tables()
        await topics.create(str(self._layout.kafka), replace=True)
        objects, overlays = await self._mirror.publish(str(self._layout.kafka))
        self._follow()
        self._journal.say(
            "broker",
            f"had forgotten everything: topics, {objects} objects and {overlays} overlays put back, "
            "stream processors start clean",
            "bad",
        )
        await self._supervisor.resume(*_STREAMS)

    async def readiness(self) -> dict[str, str]:
        """Part -> why it is not ready; empty when queries are answered, events flow and the store is up."""
        waiting = {name: "not serving" for name, child in self._supervisor.children.items() if not child.ready}
        if self._stage:
            waiting["stack"] = self._stage
        answers = await asyncio.gather(*(fetch(path, "/readyz") for path in self._workers.values()))
        for worker, (status, body) in zip(self._workers, answers, strict=True):
            if status != 200:
                waiting[worker] = body.strip() or "does not answer"
        if not await ping(self._layout.clickhouse):
            waiting["store"] = "does not answer queries"
        return waiting

    def figures(self) -> list[ProcessFigures]:
        """The supervisor's view of the children."""
        return [
            ProcessFigures(
                child.name,
                child.process.pid if child.process and child.process.alive else 0,
                child.ready,
                child.restarts,
            )
            for child in self._supervisor.children.values()
        ]

    async def tend(self) -> None:
        """Housekeeping until cancelled."""
        while True:
            await asyncio.sleep(_TEND_EVERY_S)
            self._supervisor.tend_logs()

    async def stop(self) -> None:
        """End everything in order, within bounded time."""
        self._stage = "stopping"
        await self._supervisor.stop(*self._workers)
        sink = self._supervisor.children.get("sink")
        if sink and sink.ready and not await drained(self._layout.clickhouse, within_s=_DRAIN_WITHIN_S):
            late = f"not all events were stored within {_DRAIN_WITHIN_S:.0f} s; 'nameward ledger' will tell"
            self._journal.say("sink", late, "bad")
        await self._supervisor.stop(*_STREAMS)
        if self._following:
            self._following.cancel()
        await self._supervisor.stop("store")
        await self._supervisor.stop("broker")
        await self._front.close()


async def up(layout: Layout, journal: Journal, documents: tuple[Path, ...] = (), ending: Ending | None = None) -> None:
    """Run the stack until a signal or its ending.

    Raises:
        Failure: if it cannot start.
    """
    ending = ending or Ending()
    layout.prepare()
    held = lock(layout.directory)
    check_ports(layout)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    stack = Stack(layout, journal, documents)
    began = time.monotonic()
    told = asyncio.create_task(stopping.wait())
    tending = asyncio.create_task(stack.tend())
    try:
        if await _before(told, stack.start(), _READY_WITHIN_S):
            layout.announce()
            journal.say("stack", f"ready in {time.monotonic() - began:.1f} s", "good")
            print(f"\n{tour(layout)}\n", flush=True)
            if not ending.when_ready:
                await asyncio.wait({told}, timeout=ending.after_s or None)
    finally:
        tending.cancel()
        journal.say("stack", "stopping")
        await stack.stop()
        told.cancel()
        held.close()
    journal.say("stack", "stopped")


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
