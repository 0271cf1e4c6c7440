"""Ports for servers of tests: none twice in a run, none that the kernel gives to somebody else meanwhile.

A port asked of the kernel and let go again may be given to the next one who asks, or to a client, before its server
binds it. So ports are taken from below the kernel's own range, a slice of it for each process of a run.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

_WIDTH, _PROCESSES = 12_000, 8


def _slice() -> range:
    """Ports of this process of the run (gw0, gw1, ... or the only one)."""
    try:
        end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        end = 0
    if end < _WIDTH + 2_048:  # no such room below it
        end = 32_768
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")) + 1
    width = _WIDTH // _PROCESSES
    low = end - width * (process % _PROCESSES + 1)
    return range(low, low + width)


def _in_turn(ports: range) -> Iterator[int]:
    """Round and round, from another place in every run: two runs at once seldom meet."""
    turn = random.SystemRandom().randrange(len(ports))
    while True:
        yield ports[turn % len(ports)]
        turn += 1


_PORTS = _in_turn(_slice())


def free_port() -> int:
    """A port of loopback, free for UDP and for TCP; not given again before all others were.

    Raises:
        OSError: none of a thousand was free.
    """
    for _ in range(1_000):
        port = next(_PORTS)
        if _is_free(port):
            return port
    raise OSError("no free port for a server of the test")


def _is_free(port: int) -> bool:
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        try:
            stream.bind(("0.0.0.0", port))
            datagram.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
