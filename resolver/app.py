"""Composition root of one resolver worker: builds every part, starts and stops them in order.

The order: counters, sockets and snapshot first, so that what cannot work fails at once; queries are taken when a policy
is in force. Backwards at the end: no more queries, then the last events and the last word about this epoch. Whatever
happens to the broker, queries are answered.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from resolver import garbage
from resolver.answers.upstream import Upstreams
from resolver.background import Background
from resolver.binding_publisher import BindingPublisher
from resolver.bindings import Bindings
from resolver.cache import Caches
from resolver.config import Settings, parse_admin, parse_virtual
from resolver.counters import Counters, SourceInUseError
from resolver.excess import Excess
from resolver.explain import explained_request
from resolver.fastpath import FastPath
from resolver.handler import Handler
from resolver.kafka import KafkaTransport
from resolver.keys import load_key
from resolver.limits import Meters
from resolver.listeners.admin import AdminListener, Readiness
from resolver.listeners.places import BindError, Listeners, Place, bind_places
from resolver.listeners.stream import StreamLimits, StreamListener
from resolver.listeners.udp import UdpListener
from resolver.metrics import Parts, registry_of
from resolver.policy.store import PolicyStore
from resolver.policy_feed import PolicyFeed
from resolver.privacy import ClientView
from resolver.publisher import Limits, Publisher
from resolver.rendering import Rendering
from resolver.resolution import Resolution
from resolver.set_files import SetFiles
from resolver.set_place import Places
from resolver.tenants import Arrival
from schemas.topics import EVENTS

log = logging.getLogger(__name__)

_POLICY_WITHIN = 5.0
_FLUSH_WITHIN = 5.0
_HOLD_AT_MOST = 30.0
_ANEW_AFTER = 1.0
_CANCELLATIONS = 4
_FAREWELL = 1.5


class StartError(Exception):
    """The worker cannot start; the message is one sentence for the user."""


class Worker:
    """One resolver worker.

    Args:
        settings: what it is told.

    Raises:
        StartError: when the directory, the name or an address cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        directory = Path(settings.directory)
        self._counters, key = _claim(directory, settings)
        kafka, name = settings.kafka.bootstrap, settings.name
        limits, tcp = settings.publisher, settings.tcp
        self._publisher = Publisher(
            self._counters,
            name,
            KafkaTransport(kafka, EVENTS.name, f"nameward-{name}"),
            Limits(limits.flush_ms, limits.batch_events, limits.max_events, limits.max_bytes),
        )
        self._store = PolicyStore(parse_virtual(settings.virtual))
        root = Path(settings.domain_sets) if settings.domain_sets else None
        self._feed = PolicyFeed(
            self._store,
            name=name,
            epoch=self._counters.epoch,
            bootstrap=kafka,
            snapshot=directory / "policy.snapshot",
            files=SetFiles(self._store, Places(root, directory / "sets")),
        )
        self._upstreams = Upstreams()
        caches, fastpath = Caches(settings.cache.entries), FastPath(settings.cache.fast_entries)
        self._background = Background()
        resolution = Resolution(caches, self._upstreams, self._background, time.time_ns)
        meters = Meters(settings.limits.of_unknown_clients(), settings.limits.clients)
        bindings = Bindings(name)
        self._bindings = BindingPublisher(bindings, kafka)
        offer, show = self._publisher.offer_slow, ClientView(key).show
        handler = Handler(
            self._store, resolution, Rendering(offer, fastpath, bindings, show, time.time_ns), clock=time.time_ns,
            draw=random.random, meters=meters, excess=Excess(self._store, offer, show),
            max_in_flight=settings.max_in_flight,
        )  # fmt: skip
        bounds = StreamLimits(tcp.connections, tcp.per_client, tcp.in_flight, tcp.message, tcp.idle, tcp.stalled)
        publisher, store, now = self._publisher, self._store, time.time_ns
        self._listeners = Listeners([], [])
        for place, udp, stream in _bind(settings):
            arrival = Arrival(place.name)
            self._listeners.udp.append(UdpListener(udp, handler, fastpath, store, publisher.offer, now, arrival))
            self._listeners.tcp.append(StreamListener(stream, partial(handler.handle, arrival=arrival), now, bounds))
        upstreams, listeners = self._upstreams, self._listeners
        parts = Parts(publisher, store, resolution, fastpath, handler, upstreams, listeners, meters, bindings)
        self._admin = AdminListener(
            self._readiness,
            registry_of(parts),
            lambda asked: explained_request(self._store.current, caches, asked, time.time()),
        )
        self._listening = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; SIGUSR1 holds events back for a while, SIGUSR2 lets them flow again.

        Raises:
            StartError: when the admin endpoint cannot be bound.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        loop, delivery = asyncio.get_running_loop(), self._publisher.delivery
        loop.add_signal_handler(signal.SIGUSR1, delivery.hold, _HOLD_AT_MOST)
        loop.add_signal_handler(signal.SIGUSR2, delivery.resume)
        await self._serve_admin()
        self._feed.restore()
        async with asyncio.TaskGroup() as tasks:
            running = (self._publisher.run, self._feed.run, self._upstreams.run, self._bindings.run, garbage.look_often)
            background = [tasks.create_task(_keep_running(run)) for run in running]
            await self._listen(stop)
            await stop.wait()
            await self._wind_down(background)

    async def _serve_admin(self) -> None:
        where = parse_admin(self._settings.admin)
        try:
            await self._admin.start(where)
        except OSError as error:
            raise StartError(f"admin endpoint {self._settings.admin} cannot be bound: {_reason(error)}") from error

    async def _listen(self, stop: asyncio.Event) -> None:
        """Take queries once a policy is in force, or after a while without one: then every client is refused."""
        first = [asyncio.ensure_future(event.wait()) for event in (self._feed.loaded, stop)]
        await asyncio.wait(first, timeout=_POLICY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        while self._feed.busy and not any(waiting.done() for waiting in first):  # big sets take a while, once
            await asyncio.wait(first, timeout=_POLICY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        for waiting in first:
            waiting.cancel()
        if stop.is_set():
            return
        garbage.settle()
        await self._listeners.start()
        self._listening = True
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    async def _wind_down(self, background: list[asyncio.Task[None]]) -> None:
        self._listening = False
        await self._listeners.close()
        self._background.close()
        self._upstreams.close()
        unsent, *_ = await asyncio.gather(self._publisher.close(_FLUSH_WITHIN), _end(background))
        if unsent:
            log.warning("%s stops with %d events that Kafka did not acknowledge", self._settings.name, unsent)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._admin.close()

    def _readiness(self) -> Readiness:
        waiting, degraded = {}, {}
        if not self._feed.loaded.is_set():
            waiting["policy"] = "no policy was received yet and no snapshot is at hand"
        if not self._listening:
            waiting["listeners"] = "queries are not taken yet"
        delivery = self._publisher.delivery
        if not delivery.reachable:
            dropped = self._counters.dropped.value
            degraded["kafka"] = (
                f"events wait in memory ({self._publisher.buffer.held()} held, {dropped} dropped): {delivery.trouble}"
            )
        return Readiness(waiting, degraded)


async def _keep_running(run: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a part that stands beside the path; a fault in it is logged and it begins anew: queries are answered on."""
    while True:
        try:
            await run()
        except Exception:  # whatever it is, it is no reason to stop answering
            log.exception("a part of the resolver failed and begins anew")
        await asyncio.sleep(_ANEW_AFTER)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks; again after a while, for a library may have swallowed the first time."""
    for _ in range(_CANCELLATIONS):
        for task in tasks:
            task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=_FAREWELL)
        if not pending:
            return


def _claim(directory: Path, settings: Settings) -> tuple[Counters, bytes]:
    """Counters and pseudonym key, from the directory."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        counters = Counters(directory / "counters", settings.name, time.time_ns() // 1_000_000)
        key_file = Path(settings.pseudonym_key_file) if settings.pseudonym_key_file else directory / "pseudonym.key"
        return counters, load_key(key_file, make=not settings.pseudonym_key_file)
    except SourceInUseError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(
            f"directory {directory} cannot be used: {error.filename or directory}: {_reason(error)}"
        ) from error
    except ValueError as error:
        raise StartError(str(error)) from error


def _bind(settings: Settings) -> list[tuple[Place, socket.socket, socket.socket]]:
    places = [Place(settings.listen.address, settings.listen.port)]
    places += [Place(listener.address, listener.port, listener.name) for listener in settings.listeners]
    try:
        return bind_places(places)
    except BindError as error:
        raise StartError(str(error)) from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
