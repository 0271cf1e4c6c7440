"""A broker and a store of their own for tests that need one: the real programs, on free ports."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from compose import broker, topics
from compose.ports import Address
from compose.store import ping
from tests.integration import kafka as apache
from tests.patience import PROCESS_S, patient
from tests.peers.ports import free_port

BROKERS = [pytest.param("embedded", marks=pytest.mark.broker), pytest.param("apache", marks=pytest.mark.broker)]


def free_address() -> Address:
    """A loopback address that was free a moment ago."""
    return Address("127.0.0.1", free_port())


def accepts(address: Address) -> bool:
    """Whether something listens there."""
    with contextlib.suppress(OSError), socket.create_connection((address.host, address.port), 1):
        return True
    return False


def wait_for(probe: object, within: float = 20.0) -> None:
    """Wait until a callable returns something true."""
    deadline = time.monotonic() + patient(within)
    while not probe():  # type: ignore[operator]
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@contextlib.contextmanager
def embedded(directory: Path) -> Iterator[Address]:
    """The embedded broker, empty."""
    address = free_address()
    with (directory / "broker.log").open("wb") as log:
        process = subprocess.Popen(
            broker.command(broker.binary(), address.host, address.port), env=broker.ENVIRONMENT, stdout=log, stderr=log
        )
    wait_for(lambda: accepts(address))
    yield address
    process.kill()
    process.wait()


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Address]:
    """The embedded broker, empty."""
    with embedded(tmp_path) as address:
        yield address


@pytest.fixture(scope="module", params=BROKERS)
def bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a broker with the topics of the contract: the embedded one, then Apache Kafka."""
    directory = tmp_path_factory.mktemp("broker")
    if request.param == "embedded":
        with embedded(directory) as address:
            asyncio.run(topics.create(str(address)))
            yield str(address)
        return
    with apache.running(directory) as node:
        asyncio.run(topics.create(node.bootstrap))
        yield node.bootstrap


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The embedded store with its tables."""
    directory = tmp_path_factory.mktemp("store")
    address = free_address()
    settings = directory / "store.yaml"
    settings.write_text(yaml.safe_dump({"path": str(directory / "db"), "address": address.host, "port": address.port}))
    with (directory / "store.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.warehouse", "--config", str(settings)], stdout=log, stderr=log
        )
    wait_for(lambda: asyncio.run(ping(address)), within=60)
    yield address
    process.terminate()
    process.wait(PROCESS_S)
