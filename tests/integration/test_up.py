"""`nameward up` as a person meets it: ports taken, Ctrl-C, a second start, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stack import Stack, alive, eventually
from tests.patience import PROCESS_S, patient

STACK_LIMIT_MB = 1500
WORKER_LIMIT_MB = 150
LATER_START_S = 15


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Stack]:
    """A stack of this test's own, with the demo's objects, that delivers alerts to a file."""
    (tmp_path / "delivery.yaml").write_text(f"deliveries: [{{name: log, kind: file, path: {tmp_path / 'alerts.jsonl'}}}]")
    running = Stack(tmp_path / "nw", options=("--delivery", str(tmp_path / "delivery.yaml")))
    running.start()
    yield running
    running.stop()


@pytest.mark.timeout(300)
def test_ctrl_c_second_start_and_nothing_left_behind(started: Stack) -> None:
    """Ctrl-C ends with status 0 and no child; the next start on the directory is quick and knows objects, events and mutes."""
    reply = started.dig("portal.internal")
    assert reply.data == ["10.1.0.10"]
    query = "SELECT count() AS n FROM nameward.query_events WHERE qname = 'portal.internal'"
    eventually(lambda: started.sql(query)[0]["n"] >= 1, within=5, what="the event is stored")
    started.apply(Path(__file__).with_name("policies").joinpath("second-start.yaml").read_text())
    started.nameward("alerts", "mute", "--tenant", "acme", "--subject", "*.loadtest.example", "--reason", "a load test")
    children = started.children()
    assert started.interrupt() == 0
    assert not [name for name, pid in children.items() if alive(pid)]
    assert not started.traces()

    began = time.monotonic()
    started.start()
    assert time.monotonic() - began < patient(LATER_START_S)
    assert started.dig("kept.internal").data == ["10.9.9.9"]
    assert started.sql(query)[0]["n"] >= 1
    assert '"subject":"*.loadtest.example"' in started.nameward("alerts", "mutes", "--json").stdout


@pytest.mark.timeout(300)
def test_alerts_are_delivered_and_memory_is_bounded(started: Stack) -> None:
    """Data that leaves through names is told in the file; the whole stack stays under 1.5 GB resident, a resolver worker under 150 MB."""
    for number in range(12):
        started.dig(f"{number:060x}.leak.test")
    told = started.directory.parent / "alerts.jsonl"
    eventually(lambda: told.exists() and '"subject":"leak.test"' in told.read_text(), within=15, what="the alert is delivered")
    sizes = started.resident()
    assert {"r1", "r2"} <= sizes.keys()
    assert max(sizes["r1"], sizes["r2"]) < WORKER_LIMIT_MB, sizes
    assert sum(sizes.values()) < STACK_LIMIT_MB, sizes


@pytest.mark.timeout(300)
def test_killed_supervisor_leaves_no_orphan(started: Stack) -> None:
    """Kill -9 of `nameward up` itself takes its children with it, and the directory can be used again."""
    assert started.process is not None
    children = started.children()
    os.kill(started.process.pid, signal.SIGKILL)
    started.process.wait(PROCESS_S)
    eventually(lambda: not any(map(alive, children.values())), within=15, what="children end with their parent")
    started.start()
    assert started.dig("portal.internal").data == ["10.1.0.10"]


@pytest.mark.timeout(300)
def test_second_stack_on_a_directory_is_refused(started: Stack) -> None:
    """Two stacks never share a directory: one sentence that names it, non-zero exit, and the first one runs on."""
    done = started.nameward(*started.up_arguments(), check=False)
    assert done.returncode != 0
    assert str(started.directory) in done.stderr + done.stdout
    assert_one_sentence(done.stderr)
    assert started.dig("portal.internal").data == ["10.1.0.10"]


def assert_one_sentence(text: str) -> None:
    """A failure is told in one line and without a traceback."""
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1, text


@pytest.mark.parametrize("taken", ["listen", "admin", "clickhouse", "kafka"])
def test_taken_port_is_told_in_one_sentence(tmp_path: Path, taken: str) -> None:
    """A port that is taken ends `nameward up` with one sentence naming the port and a non-zero exit."""
    stack = Stack(tmp_path / "nw")
    kind = socket.SOCK_DGRAM if taken == "listen" else socket.SOCK_STREAM
    with contextlib.ExitStack() as opened:
        holder = opened.enter_context(socket.socket(socket.AF_INET, kind))
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        if taken == "listen":
            stack.port = port
        else:
            setattr(stack, taken, f"127.0.0.1:{port}")
        done = stack.nameward(*stack.up_arguments(), check=False)
    assert done.returncode != 0
    assert str(port) in done.stderr
    assert_one_sentence(done.stderr)


@pytest.mark.parametrize("arguments", [
    ("up", "--listen", "nonsense"),
    ("up", "--directory", "/proc/nowhere"),
    ("up", "--broker", "127.0.0.1:1"),
    ("policy", "apply", "/nowhere/at-all.yaml"),
    ("policy", "get"),
    ("sql", "SELECT 1"),
    ("ledger",),
    ("tail",),
])
def test_failures_are_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Without a stack, with a wrong directory or broker, every command says so in one sentence and exits non-zero."""
    stack = Stack(tmp_path / "nothing-here")
    done = stack.nameward(*arguments, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.strip()
