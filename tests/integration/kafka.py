"""Apache Kafka for the tests: the node of compose.kafka on a port and in a directory of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from compose.kafka import artifacts
from tests import peers
from tests.patience import PROCESS_S
from tests.peers.ports import free_port


def require_kafka() -> None:
    """Java and Kafka's jars, or the test is skipped (or fails where peers must be there)."""
    peers.require("java")
    try:
        artifacts.fetch()
    except artifacts.ArtifactsError as error:
        peers.missing("kafka", str(error))


@contextlib.contextmanager
def running(directory: Path) -> Iterator[ApacheKafka]:
    """A node for the time of a with block."""
    require_kafka()
    node = ApacheKafka(directory)
    node.start()
    try:
        yield node
    finally:
        node.stop()


class ApacheKafka:
    """One node; start, stop and start again on the same port and data, on one core if given."""

    def __init__(self, directory: Path, *, core: int | None = None) -> None:
        self._prefix = [] if core is None else ["taskset", "-c", str(core)]
        self.directory = directory
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node and wait until it answers clients."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [*self._prefix, sys.executable, "-m", "compose.kafka", "run", "--directory", str(self.directory), "--port", str(self.port)]
        with (self.directory / "node.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 2 * PROCESS_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Apache Kafka did not start:\n{(self.directory / 'node.log').read_text()[-3000:]}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        """Whether an ApiVersions request (key 18, version 0) is answered: the node serves clients."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
            sock.sendall(b"\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff")
            return len(sock.recv(8)) > 0
        return False

    def stop(self) -> None:
        """Stop the node cleanly; its data stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PROCESS_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(PROCESS_S)

    def signal(self, number: int) -> None:
        """Send a signal to the node."""
        assert self._process is not None
        self._process.send_signal(number)
