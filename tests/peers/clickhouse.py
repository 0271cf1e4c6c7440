"""Debian's clickhouse-server (18.16): old, but a real server of the native protocol. Started on ports and data of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests import peers
from tests.patience import PROCESS_S
from tests.peers.ports import free_port

_CONFIG = """<yandex>
<logger><level>warning</level><log>{directory}/server.log</log><errorlog>{directory}/error.log</errorlog></logger>
<http_port>{http}</http_port><tcp_port>{native}</tcp_port><interserver_http_port>{inter}</interserver_http_port>
<listen_host>127.0.0.1</listen_host>
<path>{directory}/data/</path><tmp_path>{directory}/tmp/</tmp_path>
<users_config>{directory}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>67108864</mark_cache_size><timezone>UTC</timezone>
</yandex>
"""
_USERS = """<yandex>
<profiles><default><max_memory_usage>2000000000</max_memory_usage></default></profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
<quotas><default><interval><duration>3600</duration></interval></default></quotas>
</yandex>
"""


class Server:
    """A ClickHouse server that can be stopped and started again on the same ports and data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.native, self.http = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        places = {"directory": directory, "native": self.native, "http": self.http, "inter": free_port()}
        (directory / "config.xml").write_text(_CONFIG.format(**places))
        (directory / "users.xml").write_text(_USERS)

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = peers.require("clickhouse-server")
        with (self.directory / "out.log").open("ab") as log:
            self._process = subprocess.Popen([program, f"--config-file={self.directory / 'config.xml'}"], stdout=log, stderr=log,
                                             stdin=subprocess.DEVNULL, cwd=self.directory)
        deadline = time.monotonic() + PROCESS_S
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.http}/?query=SELECT%201", timeout=2) as answer:
                if answer.read() == b"1\n" and self._native_listens():
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"clickhouse-server did not start: {(self.directory / 'out.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _native_listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.native), 1):
            return True
        return False

    def stop(self) -> None:
        """Stop it; its data stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PROCESS_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(PROCESS_S)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Server]:
    """A server for the time of a with block."""
    server = Server(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()
