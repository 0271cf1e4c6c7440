"""Servers under test on one core, everything else on another: processes started with an affinity and ended for sure."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import peers
from tests.integration import dns

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
OTHER_CORE = CORES[-1]


@contextlib.contextmanager
def process(arguments: Sequence[str], core: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process pinned to a core for the time of a with block."""
    command = [peers.require("taskset"), "-c", str(core), *arguments]
    with log.open("ab") as output:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)


def wait_for_answers(port: int, name: str, running: subprocess.Popen[bytes], log: Path, *, client: str = "127.0.1.20") -> None:
    """Wait until a server answers a name with data."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            answer = dns.ask(port, dns.question(name), client=client, timeout=0.5)
            if answer and answer[3] & 15 == 0:
                return
        if running.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the server on port {port} does not answer {name}: {log.read_text()[-2000:]}")
