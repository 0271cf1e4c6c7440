"""Servers of others that write dnstap, live: Unbound and dnsdist over a socket to fstrm_capture, BIND into its own file.

Each forwards to an authority of the tests, listens on all loopback addresses of ADDRESSES, and tells all it can: its own
questions too, so that readers have something to pass over. UP and LAST are asked here, to see it begin and end.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dnslib import DNSRecord

from tests import peers
from tests.patience import PROCESS_S
from tests.peers.ports import free_port

UP, LAST = "up.example.com", "last.example.com"
_UNBOUND = """
server:
{listens}
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
remote-control:
  control-enable: no
dnstap:
  dnstap-enable: yes
  dnstap-socket-path: "{socket}"
  dnstap-log-client-query-messages: yes
  dnstap-log-client-response-messages: yes
  dnstap-log-resolver-query-messages: yes
  dnstap-log-resolver-response-messages: yes
  dnstap-log-forwarder-query-messages: yes
  dnstap-log-forwarder-response-messages: yes
"""
_DNSDIST = """
{listens}
newServer({{address="127.0.0.1:{upstream}"}})
getServer(0):setUp()
getPool(""):setCache(newPacketCache(1000))
tap = newFrameStreamUnixLogger("{socket}")
addAction(AllRule(), DnstapLogAction("dnsdist", tap))
addResponseAction(AllRule(), DnstapLogResponseAction("dnsdist", tap))
addCacheHitResponseAction(AllRule(), DnstapLogResponseAction("dnsdist", tap))
"""
_NAMED = """
options {{
  directory "{directory}";
  pid-file none;
  session-keyfile none;
{listens}
  recursion yes;
  dnssec-validation no;
  forward only;
  forwarders {{ 127.0.0.1 port {upstream}; }};
  empty-zones-enable no;
  dnstap {{ all; }};
  dnstap-output file "{file}";
}};
controls {{ }};
"""


@dataclass(frozen=True)
class _Producer:
    """config, options: of its command. listens: line of the config for IPv4 and for IPv6. told: messages about a name that it has to forward."""

    config: str
    options: tuple[str, ...]
    listens: tuple[str, str]
    told: int


PRODUCERS = {
    "unbound": _Producer(_UNBOUND, ("-d", "-c"), ("  interface: 127.0.0.1@{port}", "  interface: ::1@{port}"), 4),
    "dnsdist": _Producer(_DNSDIST, ("--supervised", "--disable-syslog", "-C"), ('setLocal("127.0.0.1:{port}")', 'addLocal("[::1]:{port}")'), 2),
    "named": _Producer(_NAMED, ("-g", "-c"), ("  listen-on port {port} {{ 127.0.0.1; }};", "  listen-on-v6 port {port} {{ ::1; }};"), 0),
}


def _addresses() -> tuple[str, ...]:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("::1", 0))
        return ("127.0.0.1", "::1")
    return ("127.0.0.1",)


ADDRESSES = _addresses()
"""Loopback addresses of this machine, of each family it has."""


@contextlib.contextmanager
def running(name: str, directory: Path, upstream: int) -> Iterator[tuple[int, Path]]:
    """A server of PRODUCERS in front of an authority's port: its port, and the file that is whole behind the with block."""
    made, command, capture = PRODUCERS[name], peers.require(name), peers.require("fstrm_capture")
    port, file, tap = free_port(), directory / "dnstap.fstrm", directory / "dnstap.sock"
    listens = "\n".join(made.listens[: len(ADDRESSES)]).format(port=port)
    config = directory / f"{name}.conf"
    config.write_text(made.config.format(listens=listens, upstream=upstream, directory=directory, socket=tap, file=file))
    with contextlib.ExitStack() as stack:
        collector = None
        if made.told:
            arguments = [capture, "-t", "protobuf:dnstap.Dnstap", "-u", str(tap), "-w", str(file)]
            collector = stack.enter_context(_process(arguments, tap.exists))
        stack.enter_context(_process([command, *made.options, str(config)], lambda: _answers(UP, port)))
        yield port, file
        if collector:
            assert _answers(LAST, port)
            _wait(lambda: _flushed(collector, file).count(b"\4last\7example\3com") >= made.told, collector)


def _flushed(collector: subprocess.Popen[bytes], file: Path) -> bytes:
    """What the collector has got until now: it writes what it holds at SIGHUP. Servers hand on once in a while, and drop the rest when they end."""
    collector.send_signal(signal.SIGHUP)
    return file.read_bytes()


def _answers(name: str, port: int) -> bool:
    with contextlib.suppress(OSError):
        DNSRecord.parse(DNSRecord.question(name).send("127.0.0.1", port, timeout=1))
        return True
    return False


@contextlib.contextmanager
def _process(command: list[str], ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    log = Path(command[-1]).with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait(ready, process, log)
        yield process
    finally:
        process.terminate()
        process.wait(PROCESS_S)


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path | None = None) -> None:
    end = time.monotonic() + PROCESS_S
    while not ready():
        said = log.read_text(errors="replace") if log else ""
        assert process.poll() is None, f"{process.args!r} has ended: {said}"
        assert time.monotonic() < end, f"{process.args!r} is not ready: {said}"
        time.sleep(0.02)
