"""dnstap frame streams made byte by byte, as the specifications of both say."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from tests.compose.imports.wire import CLIENT, SERVER, START

CONTENT_TYPE = b"protobuf:dnstap.Dnstap"


def varint(number: int) -> bytes:
    """A number in seven bits a byte."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field of kind VARINT."""
    return varint(field << 3) + varint(value)


def fixed(field: int, value: int) -> bytes:
    """A field of kind I32."""
    return varint(field << 3 | 5) + struct.pack("<I", value)


def content(field: int, value: bytes) -> bytes:
    """A field of kind LEN."""
    return varint(field << 3 | 2) + varint(len(value)) + value


def message(wire: bytes, time: float = START, *, answers: bool = False, kind: int | None = None, asked: float | None = None) -> bytes:
    """A Dnstap message around a DNS message between the client and its server."""
    ends = content(4, ip_address(CLIENT).packed) + content(5, ip_address(SERVER).packed) + number(6, 5000) + number(7, 53)
    body = number(1, kind or (6 if answers else 5)) + number(2, 1) + number(3, 1) + ends
    for first, moment in ((8, asked if answers else time), (12, time if answers else None)):
        if moment is not None:
            body += number(first, int(moment)) + fixed(first + 1, round(moment % 1 * 1e9))
    body += content(14 if answers else 10, wire)
    return content(1, b"server") + content(14, body) + number(15, 1)


def control(kind: int, *fields: bytes) -> bytes:
    """A control frame."""
    body = struct.pack("!I", kind) + b"".join(struct.pack("!II", 1, len(field)) + field for field in fields)
    return bytes(4) + struct.pack("!I", len(body)) + body


def dnstap(*frames: bytes, stop: bool = True) -> bytes:
    """A file of these frames."""
    data = b"".join(struct.pack("!I", len(frame)) + frame for frame in frames)
    return control(2, CONTENT_TYPE) + data + (control(3) if stop else b"")
