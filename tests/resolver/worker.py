"""A resolver worker as a process of its own, with settings, ports and a directory of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml

from tests.patience import PROCESS_S, patient
from tests.peers.ports import free_port

T = TypeVar("T")


def eventually(probe: Callable[[], T], within: float = 15.0) -> T:
    """Poll until the probe is true; its value."""
    deadline = time.monotonic() + patient(within)
    while not (value := probe()):
        assert time.monotonic() < deadline, f"not within {within} s; last seen {value!r}"
        time.sleep(0.05)
    return value


class WorkerProcess:
    """One worker. Those started are in `started`, so that a test that fails leaves none behind."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, directory: Path, bootstrap: str = "", name: str = "r1", **settings: Any) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.name = directory, name
        self.port, self.admin = free_port(), free_port()
        self.settings = {
            "name": name, "listen": {"address": "127.0.0.1", "port": self.port}, "admin": f"127.0.0.1:{self.admin}",
            "kafka": {"bootstrap": bootstrap or f"127.0.0.1:{free_port()}"}, "directory": str(directory / "state"), **settings,
        }  # fmt: skip
        self.log = directory / f"{name}.log"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> WorkerProcess:
        """Start it; does not wait."""
        file = self.directory / f"{self.name}.yaml"
        file.write_text(yaml.safe_dump(self.settings))
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "resolver", "--config", str(file)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.started.append(self.process)
        return self

    def wait_listening(self) -> WorkerProcess:
        """Wait for the line that says so."""
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.log.read_text()
        return self

    def end(self, number: int = signal.SIGTERM, within: float = 15.0) -> int:
        """Send a signal and wait; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(within)

    def fail(self, within: float = 10.0) -> tuple[int, str]:
        """Start it and wait for its failure: exit status and words."""
        self.start()
        assert self.process is not None
        return self.process.wait(within), self.log.read_text()

    def get(self, path: str) -> tuple[int, str]:
        """GET from the admin endpoint; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=PROCESS_S) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def json(self, path: str) -> Any:
        """GET a document."""
        return json.loads(self.get(path)[1])

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.split("{")[0].split(" ")[0] == name]
        assert lines, f"no metric {name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def ask(self, message: bytes, timeout: float = 3.0, source: str = "127.0.0.1") -> bytes:
        """One query over UDP."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(timeout)
            client.bind((source, 0))
            client.sendto(message, ("127.0.0.1", self.port))
            return client.recv(65535)
