"""A signed zone of the tests' own, served by unbound: keys and signatures made by BIND's tools when the test runs."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dnslib import DNSRecord

from tests import peers
from tests.patience import PROCESS_S
from tests.peers.ports import free_port

ZONE = "signed.example"
_RECORDS = f"""
$TTL 300
@ IN SOA ns admin 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
www IN A 192.0.2.1
www IN AAAA 2001:db8::1
text IN TXT "a text" "with \\"two\\" parts"
odd IN TYPE65280 \\# 5 00ff00c00c
alias IN CNAME www
tree IN DNAME other.{ZONE}.
www.other IN A 192.0.2.2
*.wild IN A 192.0.2.3
child IN NS ns.child
child IN DS 12345 13 2 {"ab" * 32}
ns.child IN A 127.0.0.2
"""
_CONFIG = """
server:
  interface: 127.0.0.1@{port}
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{directory}/unbound.log"
  do-daemonize: no
  module-config: "iterator"
  rrset-roundrobin: no
auth-zone:
  name: {zone}
  zonefile: "{file}"
  for-downstream: yes
  for-upstream: no
  fallback-enabled: no
"""


@dataclass(frozen=True)
class SignedZone:
    """A running server of the zone. anchors: file with its key as delv reads it."""

    port: int
    anchors: Path


@contextlib.contextmanager
def running(directory: Path, *, nsec3: bool) -> Iterator[SignedZone]:
    """The zone, signed with NSEC or NSEC3, for the time of a with block."""
    directory.mkdir(parents=True, exist_ok=True)
    signed, port = _sign(directory, nsec3=nsec3), free_port()
    config = directory / "unbound.conf"
    config.write_text(_CONFIG.format(port=port, directory=directory, zone=ZONE, file=signed))
    with (directory / "log").open("w") as log:
        server = subprocess.Popen([peers.require("unbound"), "-d", "-c", str(config)], stdout=log, stderr=log)
        try:
            _wait(port, server, directory)
            yield SignedZone(port, directory / "anchors")
        finally:
            server.terminate()
            server.wait(PROCESS_S)


def _sign(directory: Path, *, nsec3: bool) -> Path:
    source, signed = directory / "zone", directory / "zone.signed"
    source.write_text(_RECORDS)
    keygen, sign = peers.require("dnssec-keygen"), peers.require("dnssec-signzone")
    for flag in (["-f", "KSK"], []):
        _run([keygen, "-q", "-a", "ECDSAP256SHA256", "-K", str(directory), *flag, ZONE])
    _run([sign, "-S", *(["-3", "ab12"] if nsec3 else []), "-K", str(directory), "-o", ZONE, "-f", str(signed), str(source)], directory)
    keys = [line.split() for file in directory.glob("K*.key") for line in file.read_text().splitlines() if "DNSKEY" in line]
    anchors = [f'"{key[0]}" static-key {key[3]} {key[4]} {key[5]} "{"".join(key[6:])}";' for key in keys if key[3] == "257"]
    (directory / "anchors").write_text(f"trust-anchors {{ {' '.join(anchors)} }};\n")
    return signed


def _run(command: list[str], directory: Path | None = None) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _wait(port: int, server: subprocess.Popen[bytes], directory: Path) -> None:
    """Until it answers."""
    end = time.monotonic() + PROCESS_S
    while time.monotonic() < end:
        assert server.poll() is None, (directory / "log").read_text()
        with contextlib.suppress(OSError):
            DNSRecord.parse(DNSRecord.question(ZONE, "SOA").send("127.0.0.1", port, timeout=0.5))
            return
    raise AssertionError(f"unbound does not answer: {(directory / 'log').read_text()}")
