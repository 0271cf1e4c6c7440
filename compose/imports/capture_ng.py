"""pcapng files -> frames, see capture.py: sections, interfaces, and the three kinds of blocks that hold packets.

Reference: draft-ietf-opsawg-pcapng, section 4. A section may have another byte order than the one before it, and each
interface its own link type and clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct's name for it says nothing
from typing import BinaryIO

from compose.imports.capture import CUT, DAMAGED, LARGEST, PCAPNG, Frame
from compose.imports.report import Report

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_TSRESOL, _TSOFFSET = 9, 14
BLOCK = "a block is too short for what it says it holds"
INTERFACE = "packet of an interface that the file does not describe"
TIMELESS = "packet without a time (simple packet block)"


@dataclass(slots=True)
class _Interface:
    """Link type, longest packet kept (0 is any), units of its clock in a second, seconds to add."""

    link: int
    longest: int
    units: int = 1_000_000
    offset_s: int = 0


@dataclass(slots=True)
class _Section:
    """Byte order of a section, and its interfaces."""

    order: str = "<"
    interfaces: list[_Interface] = field(default_factory=list)

    def read(self, shape: str, content: bytes, offset: int = 0) -> tuple[int, ...]:
        """Numbers at an offset; shape is struct's, without the byte order."""
        return Struct(self.order + shape).unpack_from(content, offset)


def pcapng_frames(stream: BinaryIO, report: Report) -> Iterator[Frame]:
    """Frames of a pcapng file."""
    section, offset = _Section(), 0
    while head := stream.read(12):
        where = f"byte {offset}"
        if len(head) < 12:
            report.spoiled(CUT, where)
            return
        if head[:4] == PCAPNG:
            # The byte-order magic of section 4.1 stands behind the length whose order it tells.
            section = _Section(">" if head[8:] == b"\x1a\x2b\x3c\x4d" else "<")
        kind, size = section.read("II", head)
        if size < 12 or size % 4 or size > LARGEST:
            report.spoiled(DAMAGED, where)
            return
        block = head[8:] + stream.read(size - 12)
        if len(block) < size - 8:
            report.spoiled(CUT, where)
            return
        yield from _block(section, kind, block[:-4], where, report)
        offset += size


def _block(section: _Section, kind: int, body: bytes, where: str, report: Report) -> Iterator[Frame]:
    try:
        if kind == _INTERFACE:
            section.interfaces.append(_interface(section, body))
        elif kind in {_ENHANCED, _OLD_PACKET}:
            report.records += 1
            yield _packet(section, kind, body, f"packet {report.records} at {where}")
        elif kind == _SIMPLE:
            report.records += 1
            report.spoiled(TIMELESS, f"packet {report.records} at {where}")
    except IndexError:
        report.spoiled(INTERFACE, where)
    except StructError:
        report.spoiled(BLOCK, where)


def _interface(section: _Section, body: bytes) -> _Interface:
    """Section 4.2; of the options those about the clock are read."""
    link, _, longest = section.read("HHI", body)
    interface, offset = _Interface(link, longest), 8
    while offset + 4 <= len(body):
        code, size = section.read("HH", body, offset)
        if code == 0:
            break
        value = body[offset + 4 : offset + 4 + size]
        if code == _TSRESOL and size == 1:
            # The highest bit says whether the rest is a negative power of two or of ten.
            interface.units = 2 ** (value[0] & 127) if value[0] & 128 else 10 ** value[0]
        elif code == _TSOFFSET and size == 8:
            interface.offset_s = section.read("q", value)[0]
        offset += 4 + (size + 3 & ~3)
    return interface


def _packet(section: _Section, kind: int, body: bytes, where: str) -> Frame:
    """Sections 4.3 and A (the obsolete packet block, which differs in its first four bytes)."""
    if kind == _ENHANCED:
        number, high, low, size, full = section.read("IIIII", body)
    else:
        number, _, high, low, size, full = section.read("HHIIII", body)
    interface = section.interfaces[number]
    content = body[20 : 20 + size]
    if len(content) < size:
        raise StructError
    time_ns = (high << 32 | low) * 1_000_000_000 // interface.units + interface.offset_s * 1_000_000_000
    return Frame(time_ns, interface.link, content, size < full, where)
