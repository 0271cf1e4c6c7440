"""A real DNS tunnel on loopback: dns2tcpd as the authority of a domain, dns2tcpc behind a stub that speaks for a client address.

dns2tcpc can neither choose a port nor a source address, so a relay on port 53 of a loopback address stands before it, as the
stub resolver of a workload does.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests import peers
from tests.patience import PROCESS_S
from tests.peers.ports import free_port

_KEY = "tunnel-key"


class Sink:
    """A TCP server that swallows what it gets and notes when it got how much: (Unix time, bytes)."""

    def __init__(self) -> None:
        self.received: list[tuple[float, int]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                self.received.append((time.time(), len(data)))

    def bytes_between(self, start: float, end: float) -> int:
        """Bytes that arrived in (start, end]."""
        return sum(size for when, size in self.received if start < when <= end)

    @property
    def total(self) -> int:
        """Bytes that arrived."""
        return sum(size for _, size in self.received)

    def close(self) -> None:
        """Stop accepting."""
        self._server.close()


class Relay:
    """UDP from ``listen``:53 to a resolver, sent from ``source``: the stub resolver of one workload."""

    def __init__(self, listen: str, source: str, port: int) -> None:
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind((listen, 53))
        self._source, self._port = source, port
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        behind: dict[tuple[str, int], socket.socket] = {}
        with selectors.DefaultSelector() as selector:
            selector.register(self._front, selectors.EVENT_READ, None)
            while not self._closing.is_set():
                for key, _ in selector.select(0.1):
                    with contextlib.suppress(OSError):
                        if key.data is not None:
                            self._front.sendto(key.fileobj.recv(65535), key.data)
                            continue
                        message, client = self._front.recvfrom(65535)
                        if client not in behind:
                            behind[client] = self._connect()
                            selector.register(behind[client], selectors.EVENT_READ, client)
                        behind[client].send(message)
        for sock in [self._front, *behind.values()]:
            sock.close()

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((self._source, 0))
        sock.connect(("127.0.0.1", self._port))
        return sock

    def close(self) -> None:
        """Stop relaying."""
        self._closing.set()
        self._thread.join(5)


@contextlib.contextmanager
def server(directory: Path, domain: str, sink: Sink) -> Iterator[int]:
    """A running dns2tcpd for a domain, whose one resource is the sink; its UDP port."""
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "dns2tcpd.conf"
    config.write_text(f"listen = 127.0.0.1\nport = {port}\nuser = nobody\nchroot = {directory}\ndomain = {domain}\nkey = {_KEY}\n"
                      f"resources = sink:127.0.0.1:{sink.port}\n")
    with (directory / "dns2tcpd.log").open("ab") as log:
        process = subprocess.Popen([peers.require("dns2tcpd"), "-F", "-d", "1", "-f", str(config)], stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait(PROCESS_S)


class Client:
    """A running dns2tcpc and a program that writes into it at a given rate."""

    def __init__(self, directory: Path, domain: str, nameserver: str, *, bytes_per_second: int = 4000) -> None:
        self._port = free_port()
        command = [peers.require("dns2tcpc"), "-d", "1", "-c", "-z", domain, "-k", _KEY, "-r", "sink", "-l", str(self._port), nameserver]
        with (directory / "dns2tcpc.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._closing = threading.Event()
        self._rate = bytes_per_second
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        """Keep one connection into the tunnel fed with bytes that do not compress; connect again when it breaks."""
        draw = 1
        while not self._closing.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 2) as sock:
                while not self._closing.is_set():
                    draw = draw * 6364136223846793005 + 1442695040888963407 & (1 << 800) - 1
                    sock.sendall(draw.to_bytes(100, "big"))
                    self._closing.wait(100 / self._rate)
            self._closing.wait(0.2)

    def close(self) -> None:
        """End the client."""
        self._closing.set()
        self._process.kill()
        self._process.wait(PROCESS_S)
        self._thread.join(5)
