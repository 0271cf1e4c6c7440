"""The servers that are compared: bare echoes, this resolver, unbound and dnsdist, each pinned to the one core under test."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from compose import topics
from tests import peers
from tests.bench.pinned import OTHER_CORE, SERVER_CORE, process, wait_for_answers
from tests.peers.ports import free_port

ZONE = "bench.example.net"
_UNBOUND = """
server:
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 0
  num-threads: 1
  interface: 127.0.0.1@{port}
  do-daemonize: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  module-config: "iterator"
  so-rcvbuf: 4m
  msg-cache-size: 64m
  rrset-cache-size: 128m
{more}
remote-control:
  control-enable: no
"""
_AUTHORITY = f'  local-zone: "{ZONE}." redirect\n  local-data: "{ZONE}. 300 A 192.0.2.1"'
_FORWARD = 'forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1@{port}'
_DNSDIST = """
setLocal("127.0.0.1:{port}")
setACL({{"127.0.0.0/8"}})
newServer({{address="127.0.0.1:{upstream}"}})
getServer(0):setUp()
{cache}
"""
_CACHE = 'getPool(""):setCache(newPacketCache(200000))'
_POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  default: allow
  clients:
  - subnets: [127.0.1.0/24]
  workloads:
  - {{name: backend, subnets: [127.0.1.20], labels: {{app: backend}}}}
  upstreams:
  - servers: ["udp://127.0.0.1:{upstream}"]
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {{name: frontend-no-com}}
spec:
  tier: tenant
  tenants: [acme]
  rules:
  - {{name: no-com, clients: {{matchLabels: {{app: frontend}}}}, match: {{qname: ["*.com"]}}, action: deny, log: true}}
"""


@dataclass(frozen=True)
class Contender:
    """A server: its name in the table and how to run it in front of an upstream, yielding its port."""

    name: str
    run: Callable[[Path, int], contextlib.AbstractContextManager[int]]


@contextlib.contextmanager
def authority(directory: Path) -> Iterator[int]:
    """Unbound answering every name of the zone from local data, off the core under test."""
    with _unbound(directory / "authority", _AUTHORITY, OTHER_CORE) as port:
        yield port


@contextlib.contextmanager
def _unbound(directory: Path, more: str, core: int) -> Iterator[int]:
    directory.mkdir(parents=True, exist_ok=True)
    port, config, log = free_port(), directory / "unbound.conf", directory / "log"
    config.write_text(_UNBOUND.format(directory=directory, port=port, more=more))
    with process([peers.require("unbound"), "-d", "-c", str(config)], core, log) as running:
        wait_for_answers(port, f"up.{ZONE}", running, log)
        yield port


@contextlib.contextmanager
def unbound(directory: Path, upstream: int) -> Iterator[int]:
    """Unbound as a caching forwarder."""
    with _unbound(directory, _FORWARD.format(port=upstream), SERVER_CORE) as port:
        yield port


def dnsdist(*, cached: bool) -> Callable[[Path, int], contextlib.AbstractContextManager[int]]:
    """Dnsdist in front of the authority, with or without its packet cache."""
    @contextlib.contextmanager
    def run(directory: Path, upstream: int) -> Iterator[int]:
        port, config, log = free_port(), directory / "dnsdist.conf", directory / "log"
        config.write_text(_DNSDIST.format(port=port, upstream=upstream, cache=_CACHE if cached else ""))
        with process([peers.require("dnsdist"), "--supervised", "--disable-syslog", "-C", str(config)], SERVER_CORE, log) as running:
            wait_for_answers(port, f"up.{ZONE}", running, log)
            yield port

    return run


def echo(kind: str) -> Callable[[Path, int], contextlib.AbstractContextManager[int]]:
    """A bare echo (see echo.py)."""
    @contextlib.contextmanager
    def run(directory: Path, _upstream: int) -> Iterator[int]:
        port, log = free_port(), directory / "log"
        command = [sys.executable, str(Path(__file__).with_name("echo.py")), kind, str(port)]
        with process(command, SERVER_CORE, log) as running:
            wait_for_answers(port, f"up.{ZONE}", running, log)
            yield port

    return run


def ours(kafka: str, objects: str = _POLICY) -> Callable[[Path, int], contextlib.AbstractContextManager[int]]:
    """One resolver worker with policy (where `{upstream}` is a port), cache per tenant and publishing to a broker."""
    @contextlib.contextmanager
    def run(directory: Path, upstream: int) -> Iterator[int]:
        port, log, policy = free_port(), directory / "log", directory / "policy.yaml"
        policy.write_text(objects.format(upstream=upstream))
        settings = {"name": "bench", "listen": {"address": "127.0.0.1", "port": port}, "admin": f"unix:{directory}/admin.sock",
                    "kafka": {"bootstrap": kafka}, "directory": str(directory)}
        config = directory / "resolver.yaml"
        config.write_text(yaml.safe_dump(settings))
        with process([sys.executable, "-m", "resolver", "--config", str(config)], SERVER_CORE, log) as running:
            _apply(policy, kafka)
            wait_for_answers(port, f"up.{ZONE}", running, log)
            yield port

    return run


def _apply(policy: Path, kafka: str) -> None:
    asyncio.run(topics.create(kafka))
    command = [sys.executable, "-m", "compose.cli", "policy", "apply", str(policy), "--kafka", kafka]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"policy apply failed: {done.stdout}{done.stderr}")


def fresh(directory: Path) -> Path:
    """The directory, empty."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
