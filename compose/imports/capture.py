"""Capture files -> frames: the classic pcap format (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).

Bytes of a stream in, frames with their time and link type out, one at a time. Damage ends the reading, since lengths
are all that leads from one record to the next; what was read until then stays. Must not know what frames hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, NamedTuple

from compose.imports.report import Report

PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
"""First bytes of a pcap file -> byte order, nanoseconds in a unit of its fractions."""
PCAPNG = b"\x0a\x0d\x0d\x0a"
LARGEST = 1 << 20
"""Bytes of the largest record taken for one; tcpdump writes at most 262,144."""
CUT = "the file ends in the middle of a record"
DAMAGED = "a record has an impossible length; what is behind it cannot be found"


class Frame(NamedTuple):
    """One packet: Unix nanoseconds, link type, bytes, whether the capture cut it off, and where it lies."""

    time_ns: int
    link: int
    content: bytes
    cut: bool
    where: str


def pcap_frames(stream: BinaryIO, report: Report) -> Iterator[Frame]:
    """Frames of a pcap file."""
    header = stream.read(24)
    order, unit = PCAP[header[:4]]
    if len(header) < 24:
        report.spoiled(CUT, "byte 0")
        return
    link = Struct(order + "I").unpack_from(header, 20)[0] & 0x0FFFFFFF  # the upper bits tell of checksums
    record, offset = Struct(order + "IIII"), 24
    while head := stream.read(16):
        report.records += 1
        where = f"packet {report.records} at byte {offset}"
        if len(head) < 16:
            report.spoiled(CUT, where)
            return
        seconds, fraction, size, full = record.unpack(head)
        if size > LARGEST:
            report.spoiled(DAMAGED, where)
            return
        content = stream.read(size)
        if len(content) < size:
            report.spoiled(CUT, where)
            return
        yield Frame(seconds * 1_000_000_000 + fraction * unit, link, content, size < full, where)
        offset += 16 + size
