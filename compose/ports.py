"""Addresses as users write them, and who holds a port that is taken. Linux tells the latter in /proc."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from compose.failure import Failure

_LISTENING = {"tcp": "0A", "udp": "07"}


@dataclass(frozen=True, slots=True)
class Address:
    """Host (an IP address or name) and port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As users write it: ``127.0.0.1:53`` or ``[::1]:53``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``host:port``.

        Raises:
            Failure: if it is not.
        """
        host, _, port = text.rpartition(":")
        host = host.strip("[]")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise Failure(f"'{text}' is not an address: host:port is expected, for example 127.0.0.1:5300")
        return cls(host, int(port))


def require_free(address: Address, kinds: tuple[str, ...], purpose: str) -> None:
    """Make sure that the port can be bound for every kind (``tcp``, ``udp``).

    Raises:
        Failure: naming the port and, where it can be found, the program that holds it.
    """
    for kind in kinds:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as probe:
            if kind == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.host, address.port))
            except OSError as error:
                raise Failure(_reason(address, kind, purpose, error)) from error


def _reason(address: Address, kind: str, purpose: str, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"cannot listen on {kind} {address} for {purpose}: {error.strerror or error}"
    holder = holder_of(address.port, kind)
    return f"{kind} port {address} for {purpose} is taken{f' by {holder}' if holder else ' by another program'}"


def holder_of(port: int, kind: str) -> str:
    """Program and process id that hold a local port, e.g. ``unbound (pid 17)``; empty if that cannot be seen."""
    inodes = {
        f"socket:[{inode}]" for table in (kind, f"{kind}6") for inode in _inodes(Path(f"/proc/net/{table}"), port, kind)
    }
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _inodes(table: Path, port: int, kind: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING[kind] and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def is_loopback(host: str) -> bool:
    """Whether an address or name stays on this machine."""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
