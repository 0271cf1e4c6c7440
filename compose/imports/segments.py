"""TCP segments -> DNS messages with their length prefixes (RFC 7766 section 8), per direction of a connection.

Simple on purpose: bytes that come in order are joined, repeated ones are dropped, and where some are missing the rest
of that direction is given up and counted, since its messages can no longer be told apart. Bounded by connections, and
by the 65,535 bytes of a message.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from compose.imports.packets import Packet
from compose.imports.report import Report

GAP = "TCP segments are missing or out of order; the rest of the connection is passed over"
MOST = 4096
_FIN, _SYN, _RST = 1, 2, 4
_WRAP = 1 << 32


@dataclass(slots=True)
class _Direction:
    """next: sequence number expected. lost: nothing more can be made of it."""

    next: int
    pending: bytes = b""
    lost: bool = False


class Segments:
    """Directions of connections that are open.

    Args:
        report: counts what is given up.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._open: OrderedDict[tuple[bytes, int, bytes, int], _Direction] = OrderedDict()

    def add(self, packet: Packet, where: str) -> Iterator[bytes]:
        """Take a segment in; messages that are whole now come out."""
        key = (packet.source, packet.source_port, packet.destination, packet.destination_port)
        direction = self._open.get(key)
        if packet.flags & _SYN or direction is None:
            direction = self._open[key] = _Direction(packet.sequence + bool(packet.flags & _SYN))
            if len(self._open) > MOST:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        if packet.payload and not direction.lost:
            self._join(direction, packet, where)
            yield from _messages(direction)
        if packet.flags & (_FIN | _RST):
            del self._open[key]

    def _join(self, direction: _Direction, packet: Packet, where: str) -> None:
        # Sequence numbers wrap (RFC 9293 section 3.4): the nearer way round tells old bytes from missing ones.
        known = (direction.next - packet.sequence - bool(packet.flags & _SYN)) % _WRAP
        if known >= _WRAP // 2:
            self._report.passed_over(GAP, where)
            direction.lost, direction.pending = True, b""
            return
        fresh = packet.payload[known:]
        direction.pending += fresh
        direction.next = (direction.next + len(fresh)) % _WRAP


def _messages(direction: _Direction) -> Iterator[bytes]:
    pending, offset = direction.pending, 0
    while offset + 2 <= len(pending):
        end = offset + 2 + int.from_bytes(pending[offset : offset + 2], "big")
        if end > len(pending):
            break
        yield pending[offset + 2 : end]
        offset = end
    direction.pending = pending[offset:]
