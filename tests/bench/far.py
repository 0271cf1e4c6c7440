"""A server that is far away: `python far.py PORT AUTHORITY SECONDS` passes queries on, and each answer back after so long."""

from __future__ import annotations

import asyncio
import sys
from typing import Any


class _Far(asyncio.DatagramProtocol):
    """The side that is asked; queries go to the authority under ids of their own."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._number = seconds, 0
        self._asked: dict[bytes, tuple[bytes, Any]] = {}
        self.authority: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._clients = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._number = (self._number + 1) & 0xFFFF
        number = self._number.to_bytes(2, "big")
        self._asked[number] = data[:2], addr
        if self.authority is not None:
            self.authority.sendto(number + data[2:])

    def answered(self, data: bytes) -> None:
        """An answer of the authority."""
        if (asked := self._asked.pop(data[:2], None)) is not None:
            number, client = asked
            asyncio.get_running_loop().call_later(self._seconds, self._clients.sendto, number + data[2:], client)


class _Authority(asyncio.DatagramProtocol):
    def __init__(self, far: _Far) -> None:
        self._far = far

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._far.answered(data)


async def main(port: int, authority: int, seconds: float) -> None:
    """Serve until ended."""
    loop = asyncio.get_running_loop()
    _, far = await loop.create_datagram_endpoint(lambda: _Far(seconds), ("127.0.0.1", port))
    far.authority, _ = await loop.create_datagram_endpoint(lambda: _Authority(far), remote_addr=("127.0.0.1", authority))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
