"""Real tunnels between two network namespaces, recorded as captures: iodine and dns2tcp in every record type they know.

iodine always with ``-r``: without it iodine finds the server's address reachable and silently leaves DNS for raw UDP.
Needs root, ip(8), tcpdump, and /dev/net/tun for iodine.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests import peers
from tests.integration.stack import eventually

IODINE = ("NULL", "PRIVATE", "TXT", "SRV", "MX", "CNAME", "A")
DNS2TCP = ("TXT", "KEY")
DOMAIN = "t.tunnel.test"
_PORT = "2200"
_SERVER, _CLIENT, _INSIDE = "10.77.0.1", "10.77.0.2", "10.78.0.1"
_SHARED = "tunnel"  # between two ends of one test

_FEED = """
import os, socket, sys, time
rate, until, tcp = float(sys.argv[1]), time.monotonic() + float(sys.argv[2]), len(sys.argv) > 5
sock, size = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM), max(1, min(400, int(rate)))
sock.connect((sys.argv[3], int(sys.argv[4])))
while time.monotonic() < until:
    try:
        sock.send(os.urandom(size))
    except ConnectionRefusedError:  # nobody listens behind the tunnel: it carried the last one there and back
        pass
    time.sleep(size / rate)
"""
_SINK = """
import socket
server = socket.create_server(("127.0.0.1", 2201))
while True:
    taken, _ = server.accept()
    while taken.recv(65536):
        pass
"""


def require(*programs: str) -> None:
    """Skip, or fail where it must be there, without what a tunnel needs."""
    for program in (*programs, "ip", "tcpdump"):
        peers.require(program)
    if os.geteuid() or not Path("/dev/net/tun").exists():
        peers.missing("tunnels", "tunnels between namespaces need root and /dev/net/tun")


@contextlib.contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """Names of two namespaces with a cable between them: server, client."""
    server, client = (f"nw{os.getpid() % 10000}{end}" for end in "sc")
    try:
        for name in (server, client):
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "link", "add", server, "netns", server, "type", "veth", "peer", "name", client, "netns", client)
        for name, address in ((server, _SERVER), (client, _CLIENT)):
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", name)
            _run("ip", "-n", name, "link", "set", name, "up")
        yield server, client
    finally:
        for name in (server, client):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def iodine(directory: Path, qtype: str, *, seconds: float, bytes_per_second: float) -> Path:
    """Push bytes through an iodine tunnel in one record type, and record what client and server said.

    Args:
        directory: of the capture and the programs' logs.
        qtype: one of IODINE.
        seconds: of pushing.
        bytes_per_second: pushed into the tunnel; its own headers and polling come on top.
    """
    require("iodine", "iodined")
    with namespaces() as (server, client), contextlib.ExitStack() as running:
        start = _Starter(directory, f"iodine-{qtype}", running)
        start(server, "iodined", "-f", "-c", "-P", _SHARED, f"{_INSIDE}/27", DOMAIN)
        capture = start.recording(client)
        log = start(client, "iodine", "-f", "-r", "-T", qtype, "-P", _SHARED, _SERVER, DOMAIN)
        eventually(lambda: "Connection setup complete" in log.read_text(errors="replace"), within=90, what=f"iodine -T {qtype} connects")
        _feed(client, bytes_per_second, seconds, _INSIDE, "9")
    return capture


def dns2tcp(directory: Path, qtype: str, *, seconds: float, bytes_per_second: float) -> Path:
    """The same with dns2tcp, one of DNS2TCP."""
    require("dns2tcpc", "dns2tcpd")
    config = directory / "dns2tcpd.conf"
    config.write_text(f"listen = {_SERVER}\nport = 53\nuser = nobody\nchroot = {directory}\ndomain = {DOMAIN}\nkey = {_SHARED}\n"
                      "resources = sink:127.0.0.1:2201\n")  # fmt: skip
    with namespaces() as (server, client), contextlib.ExitStack() as running:
        start = _Starter(directory, f"dns2tcp-{qtype}", running)
        start(server, "python3", "-c", _SINK)
        start(server, "dns2tcpd", "-F", "-d", "1", "-f", str(config))
        capture = start.recording(client)
        log = start(client, "dns2tcpc", "-d", "1", "-c", "-T", qtype, "-z", DOMAIN, "-k", _SHARED, "-r", "sink", "-l", _PORT, _SERVER)
        eventually(lambda: "Listening" in log.read_text(errors="replace"), within=30, what=f"dns2tcpc -T {qtype} listens")
        _feed(client, bytes_per_second, seconds, "127.0.0.1", _PORT, "tcp")
    return capture


def _feed(namespace: str, rate: float, seconds: float, *place: str) -> None:
    command = ["ip", "netns", "exec", namespace, "python3", "-c", _FEED, str(rate), str(seconds), *place]
    subprocess.run(command, check=True, timeout=seconds + 60)


class _Starter:
    """Starts programs in namespaces; the last started ends first."""

    def __init__(self, directory: Path, name: str, running: contextlib.ExitStack) -> None:
        self._directory, self._name, self._running = directory, name, running

    def __call__(self, namespace: str, program: str, *arguments: str) -> Path:
        """Start one; where it says what it does."""
        path = self._directory / f"{self._name}-{program}.log"
        log = self._running.enter_context(path.open("wb"))
        command = ["ip", "netns", "exec", namespace, peers.require(program), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._running.callback(process.wait, 30)
        self._running.callback(process.terminate)
        return path

    def recording(self, namespace: str) -> Path:
        """Record DNS on the cable from now on; the capture, written packet by packet."""
        capture = self._directory / f"{self._name}.pcap"
        self(namespace, "tcpdump", "-i", namespace, "-U", "-n", "-Z", "root", "-w", str(capture), "udp port 53")
        eventually(lambda: capture.exists() and capture.stat().st_size >= 24, within=30, what="tcpdump records")
        return capture


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
