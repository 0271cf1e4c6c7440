"""The embedded broker's memory in the running stack: lost when it is killed, given up on purpose when it has grown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stack import Stack, eventually

OWN = """apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: own}
spec: {name: own.internal, tenants: [acme], records: [{type: A, data: 10.7.7.7}]}
"""


class Forgetful(Stack):
    """A stack whose broker is due for renewal from the start."""

    def up_arguments(self) -> list[str]:
        """With the least memory for the broker."""
        return [*super().up_arguments(), "--broker-memory", "1"]


@pytest.fixture
def started(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A running stack of this test's own, of the class the test asks for."""
    running: Stack = request.param(tmp_path / "nw")
    running.start()
    yield running
    running.stop()


def stored(stack: Stack) -> int:
    """Events of the name this file asks for."""
    (row,) = stack.sql("SELECT count() AS n FROM nameward.query_events WHERE qname = 'own.internal'")
    return int(row["n"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("started", [Stack], indirect=True)
def test_killed_broker_comes_back_with_everything(started: Stack) -> None:
    """After kill -9 of the broker policy is in force throughout, written again, and events flow again."""
    started.apply(OWN)
    (broker,) = [pid for name, pid in started.children().items() if name == "tansu"]
    started.kill("tansu")
    assert started.dig("own.internal").data == ["10.7.7.7"]
    started.wait_replaced("tansu", broker, within=60)
    assert started.dig("own.internal").data == ["10.7.7.7"]
    assert "own.internal" in started.nameward("policy", "get").stdout
    eventually(lambda: stored(started), within=20, what="an event asked after the loss is stored")
    said = started.output.read_text()
    assert said.count("broker     had forgotten everything: topics, 8 objects and 0 overlays put back") == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("started", [Forgetful], indirect=True)
def test_renewed_broker_costs_neither_answer_nor_event(started: Stack) -> None:
    """While the broker is renewed every query is answered, and afterwards every event is stored, once."""
    started.apply(OWN)
    asked = 0

    def renewed() -> bool:
        nonlocal asked
        assert started.dig("own.internal").data == ["10.7.7.7"]
        asked += 1
        return "broker     renewed: topics, 8 objects" in started.output.read_text()

    eventually(renewed, within=120, what="the broker is renewed", every=0.02)
    eventually(started.ready, within=60, what="the stack is ready again")
    for _ in range(5):
        assert started.dig("own.internal").data == ["10.7.7.7"]
        asked += 1
    eventually(lambda: stored(started) == asked, within=30, what=f"{asked} events are stored")
    accounts = json.loads(started.nameward("ledger", "--json").stdout)
    assert sum(account["missing"] + account["duplicates"] + account["dropped"] for account in accounts) == 0
    assert not started.traces()
