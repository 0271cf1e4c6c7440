"""Fixtures: an authority, Apache Kafka, and a running stack, once on each broker and shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import kafka
from tests.integration.kafka import ApacheKafka
from tests.integration.stack import Stack
from tests.peers import authority
from tests.peers.authority import Authority

POLICIES = Path(__file__).with_name("policies")
BROKERS = [pytest.param("embedded", marks=pytest.mark.broker), pytest.param("apache", marks=pytest.mark.broker)]


@pytest.fixture(scope="session")
def upstream() -> Iterator[Authority]:
    """The authoritative server that tenants of the tests have as upstream."""
    with authority.running() as server:
        yield server


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka | None]:
    """None for the embedded broker, which `nameward up` starts itself; a running node of Apache Kafka otherwise."""
    if request.param == "embedded":
        yield None
        return
    with kafka.running(tmp_path_factory.mktemp("kafka")) as node:
        yield node


@pytest.fixture(scope="module")
def stack(broker: ApacheKafka | None, upstream: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A ready stack with the tenants of policies/tenants.yaml in force; no child may leave a traceback in its log."""
    running = Stack(tmp_path_factory.mktemp("stack") / "nw", broker)
    running.start()
    try:
        running.apply((POLICIES / "tenants.yaml").read_text(), upstream=upstream.address)
        yield running
    finally:
        running.stop()
    assert not running.traces()
