"""The yardstick: a bare UDP echo that turns a query into an empty answer by its QR bit and does nothing else.

``protocol`` is uvloop's DatagramProtocol, what an ordinary Python server would use; ``drained`` reads the socket until it is
empty per wake-up, what the resolver's own listener does. Run as `python -m tests.bench.echo KIND PORT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

import uvloop

_DRAIN = 64


class _Protocol(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data[:2] + b"\x80" + data[3:], addr)


def _drained(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        for _ in range(_DRAIN):
            data, address = sock.recvfrom(4096)
            sock.sendto(data[:2] + b"\x80" + data[3:], address)


async def main(kind: str, port: int) -> None:
    """Serve until ended by a signal."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", port))
    sock.setblocking(False)
    if kind == "protocol":
        await loop.create_datagram_endpoint(_Protocol, sock=sock)
    else:
        loop.add_reader(sock.fileno(), _drained, sock)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
