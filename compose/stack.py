"""The embedded stack of one directory: its parts, the order in which they come and go, and what is put back when.

broker -> topics -> policy -> store and resolver workers -> stream processors; backwards when it ends. The order
matters: topics before anyone makes them up, policy before the first query, resolvers silent before the streams drain.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

import msgspec

from compose import children, renewal, seed, topics
from compose.console import Journal
from compose.failure import Failure
from compose.front import Front, fetch
from compose.layout import Layout
from compose.metrics import ProcessFigures
from compose.mirror import Mirror
from compose.store import ping
from compose.supervisor import Supervisor
from schemas.documents import Document

_STREAMS = ("analytics", "sink")
_DELIVERY = "delivery"
_DRAIN_WITHIN_S = 5.0
_TEND_EVERY_S = 30.0


def trouble(status: int, body: str) -> str:
    """Why a worker that answered /readyz so does not do all its work; empty if it does. Events that wait count too."""
    try:
        answer = msgspec.json.decode(body, type=dict[str, object]) if status else {}
    except msgspec.MsgspecError:
        answer = {}
    parts = {}
    for group in ("waiting", "degraded"):
        found = answer.get(group)
        if isinstance(found, dict):
            parts.update(found)
    if parts:
        return "; ".join(f"{part}: {why}" for part, why in parts.items())
    return "" if status == 200 else body.strip() or "does not answer"


class Stack:
    """The embedded stack of one directory.

    Args:
        layout: where it lives and listens.
        journal: where events of note go.
        documents: policy to put in force at the start; the demo's on the first start if there is none.
        sources: names of the directories that documents come from.
    """

    def __init__(
        self, layout: Layout, journal: Journal, documents: list[Document], sources: Sequence[str] = ()
    ) -> None:
        self._layout = layout
        self._journal = journal
        self._documents, self._sources = documents, sources
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
            await self._fit_tables()
        await topics.create(str(layout.kafka), replace=layout.embedded_broker)
        store = children.store_child(layout)
        if layout.embedded_broker and not self._mirror.known and any(layout.store.iterdir()):
            await self._supervisor.start(store)
            await seed.recall(self._mirror, layout.clickhouse)
        async with asyncio.TaskGroup() as group:
            if not store.ready:
                group.create_task(self._supervisor.start(store))
            group.create_task(self._start_resolvers())
            for child in children.stream_children(
                layout
            ):  # their groups take seconds to form: meanwhile the rest starts
                group.create_task(self._supervisor.start(child))
            if layout.delivery:
                group.create_task(self._supervisor.start(children.delivery_child(layout, layout.delivery)))
        self._stage = ""

    async def _start_resolvers(self) -> None:
        bootstrap = str(self._layout.kafka)
        embedded = self._layout.embedded_broker
        told = await seed.plant(self._mirror, bootstrap, self._documents, embedded=embedded, sources=self._sources)
        self._journal.say("policy", told)
        self._follow()
        async with asyncio.TaskGroup() as group:
            for child in children.resolver_children(self._layout):
                group.create_task(self._supervisor.start(child))

    def _follow(self) -> None:
        if self._following:
            self._following.cancel()
        self._following = asyncio.create_task(self._mirror.follow(str(self._layout.kafka)), name="policy mirror")

    async def _fit_tables(self) -> None:
        """Stream state outlives the broker's memory; only how far it followed the forgotten log is forgotten too."""
        command = (sys.executable, "-m", "streams.tables", str(self._layout.tables))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        if await process.wait():
            self._journal.say("analytics", "its tables could not be opened and start empty", "bad")
            self._layout.wipe_tables()

    async def _refill(self) -> str:
        """Give a new embedded broker topics and policy; say what was put back."""
        bootstrap = str(self._layout.kafka)
        await topics.create(bootstrap, replace=True)
        objects, overlays = await self._mirror.publish(bootstrap)
        self._follow()
        return f"topics, {objects} objects and {overlays} overlays"

    async def _broker_returned(self) -> None:
        """The embedded broker died and knows nothing any more; streams must not go on where they were in its log."""
        await self._supervisor.stop(*_STREAMS)
        try:
            told = await self._refill()
            self._journal.say(
                "broker", f"had forgotten everything: {told} put back, stream processors start again", "bad"
            )
            await self._fit_tables()
        finally:
            await self._supervisor.resume(*_STREAMS)

    async def renew_broker(self, why: str) -> bool:
        """Replace the embedded broker by an empty one without losing an event; False if streams did not keep up."""
        self._journal.say("broker", f"{why}: renewing it, events wait in the resolver workers")
        bootstrap, (analytics, sink) = str(self._layout.kafka), renewal.groups(_STREAMS)
        try:
            self._signal_workers(signal.SIGUSR1)
            await asyncio.sleep(1)  # what was on its way is acknowledged by now
            renewed = await renewal.read_to_end(bootstrap, analytics, within_s=15) and await self._replace_broker(sink)
        finally:
            self._signal_workers(signal.SIGUSR2)
        await self._supervisor.resume(*(name for name in _STREAMS if not self._supervisor.children[name].ready))
        return renewed

    async def _replace_broker(self, sink: str) -> bool:
        self._signal_workers(signal.SIGUSR1)  # a hold ends by itself; each signal begins it anew
        await self._supervisor.stop("analytics")
        if not await renewal.read_to_end(str(self._layout.kafka), sink, within_s=10):
            return False
        self._signal_workers(signal.SIGUSR1)
        await self._supervisor.stop("sink")
        await self._supervisor.stop("broker")
        await self._supervisor.resume("broker")
        self._journal.say("broker", f"renewed: {await self._refill()} put back", "good")
        await self._fit_tables()
        return True

    def _signal_workers(self, number: signal.Signals) -> None:
        for name in self._workers:
            child = self._supervisor.children.get(name)
            if child and child.ready and child.process:
                child.process.signal(number)

    async def readiness(self) -> dict[str, str]:
        """Part -> why it is not ready; empty when queries are answered, events flow and the store is up."""
        waiting = {name: "not serving" for name, child in self._supervisor.children.items() if not child.ready}
        if self._stage:
            waiting["stack"] = self._stage
        answers = await asyncio.gather(*(fetch(path, "/readyz") for path in self._workers.values()))
        for worker, (status, body) in zip(self._workers, answers, strict=True):
            if reason := trouble(status, body):
                waiting[worker] = reason
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
        """Housekeeping until cancelled: logs stay bounded, and so does the embedded broker."""
        while True:
            await asyncio.sleep(_TEND_EVERY_S)
            self._supervisor.tend_logs()
            try:
                await self._tend_broker()
            except Failure as failure:
                self._journal.say("broker", failure.message, "bad")

    async def _tend_broker(self) -> None:
        broker = self._supervisor.children.get("broker")
        if not broker or not broker.ready or not broker.process or self._stage:
            return
        why = await renewal.due(str(self._layout.kafka), broker.process.pid, self._layout.broker_mb)
        if why and not await self.renew_broker(why):
            self._journal.say("broker", "streams are not up to date; renewing it later", "bad")

    async def stop(self) -> None:
        """End everything in order, within bounded time."""
        self._stage = "stopping"
        await self._supervisor.stop(*self._workers)
        if self._layout.embedded_broker:
            await self._drain()
        await self._supervisor.stop(*_STREAMS, _DELIVERY)
        if self._following:
            self._following.cancel()
        await self._supervisor.stop("store")
        await self._supervisor.stop("broker")
        await self._front.close()

    async def _drain(self) -> None:
        """What the embedded broker holds is lost with it: streams read it first, the sink also what analytics says."""
        for name, group in zip(_STREAMS, renewal.groups(_STREAMS), strict=True):
            child = self._supervisor.children.get(name)
            if child and child.ready:
                bootstrap = str(self._layout.kafka)
                if not await renewal.read_to_end(bootstrap, group, within_s=_DRAIN_WITHIN_S):
                    late = f"did not read to the end within {_DRAIN_WITHIN_S:.0f} s; what it missed is lost"
                    self._journal.say(name, late, "bad")
            await self._supervisor.stop(name)
