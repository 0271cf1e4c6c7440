"""Frames of a capture -> queries with their answers: the way from capture.py over packets, segments and pairing.

Must not know files; frames come from either capture format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compose.imports.capture import Frame
from compose.imports.messages import MessageError, read_message
from compose.imports.observed import Observed
from compose.imports.order import by_time
from compose.imports.packets import TCP, BrokenError, Packet, SkippedError, address_text, packet_of
from compose.imports.pairing import Pairing, Seen
from compose.imports.report import Report
from compose.imports.segments import Segments

SNAPPED = "cut off by the capture (snapshot length)"
PORT = "UDP or TCP on another port"


def observe_frames(frames: Iterable[Frame], report: Report, port: int) -> Iterator[Observed]:
    """Queries of these frames, in order of time as far as the frames are.

    Args:
        frames: of one capture.
        report: counts what is none.
        port: of DNS servers.
    """
    pairing, segments = Pairing(report), Segments(report)
    captured = by_time(_captured(frames, report, port), lambda one: one[0].time_ns, lambda one: len(one[1].payload))
    for frame, packet in captured:
        messages = segments.add(packet, frame.where) if packet.protocol == TCP else (packet.payload,)
        for wire in messages:
            seen = _seen(frame, packet, wire, report)
            if seen is not None:
                yield from pairing.add(seen)
    yield from pairing.rest()


def _captured(frames: Iterable[Frame], report: Report, port: int) -> Iterator[tuple[Frame, Packet]]:
    """Packets to and from DNS servers; of the frame only what is needed further on."""
    for frame in frames:
        try:
            packet = packet_of(frame.link, frame.content)
        except SkippedError as error:
            report.passed_over(str(error), frame.where)
        except BrokenError as error:
            report.spoiled(SNAPPED if frame.cut else str(error), frame.where)
        else:
            if port in {packet.source_port, packet.destination_port}:
                yield frame._replace(content=b""), packet
            else:
                report.passed_over(PORT, frame.where)


def _seen(frame: Frame, packet: Packet, wire: bytes, report: Report) -> Seen | None:
    try:
        message = read_message(wire)
    except MessageError as error:
        report.spoiled(str(error), frame.where)
        return None
    ends = [
        (address_text(packet.source), packet.source_port),
        (address_text(packet.destination), packet.destination_port),
    ]
    client, server = reversed(ends) if message.answers else ends
    transport = "tcp" if packet.protocol == TCP else "udp"
    return Seen(frame.time_ns, *client, *server, transport, message, frame.where)
