"""A client that asks at a steady rate whatever comes back: `python flood.py ADDRESS PORT RATE SECONDS KIND ZONE`.

A generator that waits for answers slows down when it gets none, which is just what a limit makes of it. KIND is `cached`
(a thousand names), `missed` (a new name each time) or `denied` (new names below denied.example).
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Iterator

_TICK = 0.001
_ASK = b"\1\0\0\1\0\0\0\0\0\0"


def messages(kind: str, zone: str) -> Iterator[bytes]:
    """Queries without end."""
    stamp, below = int(time.time()), "denied.example" if kind == "denied" else zone
    tail = b"".join(bytes((len(label),)) + label.encode() for label in below.split(".")) + b"\0\0\1\0\1"
    number = 0
    while True:
        label = f"n{number % 1000}" if kind == "cached" else f"f{stamp}-{number}"
        yield number.to_bytes(4, "big")[2:] + _ASK + bytes((len(label),)) + label.encode() + tail
        number += 1


def main(address: str, port: int, rate: int, seconds: float, source: Iterator[bytes]) -> None:
    """Send, and say how much was sent."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((address, 0))
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < seconds:
            while sent < now * rate:
                with contextlib.suppress(OSError):  # a full buffer: the datagram is lost as a network would lose it
                    client.send(next(source))
                sent += 1
            time.sleep(_TICK)
    print(sent)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), messages(*sys.argv[5:]))
