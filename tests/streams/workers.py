"""A Faust worker as a process, for tests: started, asked how it is, killed, stopped at any moment."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.patience import PROCESS_S, patient
from tests.streams.child import Child


class Worker(Child):
    """``python -m streams NAME`` with settings of its own."""

    def __init__(self, name: str, directory: Path, bootstrap: str, warehouse: str = "", **changes: object) -> None:
        self.name, self.directory = name, directory
        self.status_path = directory / f"{name}.sock"
        self.config = directory / f"{name}.yaml"
        kafka = {"bootstrap": bootstrap, "session_seconds": 3, "rebalance_seconds": 3, "batch_bytes": 1}
        settings = {
            "kafka": kafka,
            "directory": str(directory / name),
            "warehouse": warehouse,
            "status": str(self.status_path),
            **changes,
        }
        self.config.write_text(yaml.safe_dump(settings))

    def start(self) -> None:
        """Start it and wait for its word."""
        self.launch()
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", self.log()

    def launch(self) -> None:
        """Start it, no more."""
        command = [sys.executable, "-m", "streams", self.name, "--config", str(self.config)]
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)

    def interrupt(self, after: float, number: signal.Signals) -> int:
        """Send a signal so many seconds after its launch, unless it has ended; the exit status."""
        self.launch()
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(after)
        self.process.send_signal(number)
        return self.process.wait(PROCESS_S)

    def log(self) -> str:
        """What it said on standard error."""
        return (self.directory / f"{self.name}.log").read_text()

    def status(self) -> dict[str, Any]:
        """Its status page."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PROCESS_S)
            connection.connect(str(self.status_path))
            connection.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        page: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return page


def until(condition: Callable[[], bool], seconds: float = 60, every: float = 0.05) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
