"""What the embedded stack runs: command line and settings file of every child, and how to tell that it serves."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT

import yaml

from compose import broker
from compose.front import fetch
from compose.layout import Layout
from compose.process import Command, Process
from compose.store import ping
from compose.supervisor import Child

# A hundred idle threads of a mathematics library and one malloc arena per core are memory nobody uses.
_FRUGAL = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}


def broker_child(layout: Layout) -> Child:
    """The embedded broker. Nothing is lost by ending it at once: it remembers nothing anyway."""
    command = Command(
        "broker",
        broker.command(broker.binary(), layout.kafka.host, layout.kafka.port),
        broker.ENVIRONMENT,
        stop_signal=SIGINT,
        stop_within=2.0,
        talks=False,
    )

    async def listens(_process: Process) -> bool:
        return await broker.listens(layout.kafka.host, layout.kafka.port)

    return Child(command, listens)


def store_child(layout: Layout) -> Child:
    """The embedded database and its HTTP interface."""
    settings = {"path": str(layout.store), "address": layout.clickhouse.host, "port": layout.clickhouse.port}
    command = Command(
        "store", _module("streams.warehouse", _settings(layout, "store", settings)), _FRUGAL, stop_within=12.0
    )

    async def answers(_process: Process) -> bool:
        return await ping(layout.clickhouse)

    return Child(command, answers, ready_within=60.0)


def resolver_children(layout: Layout) -> list[Child]:
    """The resolver workers, all on one port."""
    return [_resolver(layout, name) for name in worker_names(layout)]


def worker_names(layout: Layout) -> list[str]:
    """Slots of the workers; the names are the ``source`` of their events and outlive the processes."""
    return [f"r{number}" for number in range(1, layout.workers + 1)]


def socket_of(layout: Layout, name: str) -> Path:
    """Admin endpoint of a worker."""
    return (layout.admin_sockets / f"{name}.sock").absolute()


def _resolver(layout: Layout, name: str) -> Child:
    settings = {
        "name": name,
        "listen": {"address": layout.listen.host, "port": layout.listen.port},
        "admin": f"unix:{socket_of(layout, name)}",
        "kafka": {"bootstrap": str(layout.kafka)},
        "directory": str(layout.directory),
        "domain_sets": str(layout.directory / "domain-sets"),
    }

    async def serves(process: Process) -> bool:
        status, _ = await fetch(socket_of(layout, name), "/readyz")
        return status == 200 or process.ready.is_set()

    command = Command(name, _module("resolver", _settings(layout, name, settings)), _FRUGAL, stop_within=10.0)
    return Child(command, serves)


def stream_children(layout: Layout) -> list[Child]:
    """The two Faust workers; in groups of their own, so that a database outage never delays detection."""
    return [_stream(layout, "analytics"), _stream(layout, "sink")]


def _stream(layout: Layout, name: str) -> Child:
    # A group of the embedded broker takes one session to form; Kafka does not allow less than six seconds.
    kafka: dict[str, object] = {"bootstrap": str(layout.kafka), "session_seconds": 6, "rebalance_seconds": 6}
    if layout.embedded_broker:
        kafka["batch_bytes"] = 1  # one record a batch: it understates the end of a partition otherwise
    settings = {
        "kafka": kafka,
        "directory": str(layout.tables / name),
        "warehouse": f"http://{layout.clickhouse}",
    }
    arguments = _module("streams", _settings(layout, name, settings), name)
    return Child(Command(name, arguments, _FRUGAL, stop_within=10.0), ready_within=60.0)


def delivery_child(layout: Layout, settings: Path) -> Child:
    """What delivers alerts; its settings are the operator's own file, and the broker is the stack's."""
    arguments = (*_module("streams", settings, "delivery"), "--kafka", str(layout.kafka))
    return Child(Command("delivery", arguments, _FRUGAL, stop_within=5.0), ready_within=60.0)


def _module(module: str, settings: Path, *before: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *before, "--config", str(settings))


def _settings(layout: Layout, name: str, settings: Mapping[str, object]) -> Path:
    path = layout.run / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path
