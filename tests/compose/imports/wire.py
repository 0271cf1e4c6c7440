"""Captures byte by byte: DNS messages, headers of every layer that is read, and the two capture formats."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from io import BytesIO
from ipaddress import ip_address
from typing import Any

import dnslib

from compose.imports import Observed, Report, in_order, observe

CLIENT, SERVER = "10.1.0.9", "192.0.2.53"
CLIENT6, SERVER6 = "2001:db8::9", "2001:db8::53"
START = 1_700_000_000.0


def query(name: str, kind: str = "A", ident: int = 7) -> bytes:
    """A query."""
    message = dnslib.DNSRecord.question(name, kind)
    message.header.id = ident
    return bytes(message.pack())


def response(name: str, kind: str = "A", ident: int = 7, records: Sequence[str] = (), rcode: int = 0) -> bytes:
    """A response; records in zone file format."""
    message = dnslib.DNSRecord(dnslib.DNSHeader(id=ident, qr=1, rd=1, ra=1, rcode=rcode), q=dnslib.DNSQuestion(name, dnslib.QTYPE.reverse[kind]))
    for record in records:
        message.add_answer(*dnslib.RR.fromZone(record))
    return bytes(message.pack())


def udp(payload: bytes, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """An IP packet with a UDP datagram."""
    return ip(17, struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0) + payload, source[0], destination[0])


def tcp(payload: bytes, source: tuple[str, int], destination: tuple[str, int], sequence: int, flags: int = 0x18) -> bytes:
    """An IP packet with a TCP segment."""
    header = struct.pack("!HHIIBBHHH", source[1], destination[1], sequence % 2**32, 0, 5 << 4, flags, 8192, 0, 0)
    return ip(6, header + payload, source[0], destination[0])


def ip(protocol: int, content: bytes, source: str, destination: str, *, fragment: int = 0, extensions: bytes = b"") -> bytes:
    """An IP packet of either version; `extensions` are IPv6 headers whose first is a destination options header."""
    ends = ip_address(source).packed + ip_address(destination).packed
    if ":" not in source:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 1, fragment, 64, protocol, 0) + ends + content
    following = 60 if extensions else protocol
    return struct.pack("!IHBB", 6 << 28, len(extensions) + len(content), following, 64) + ends + extensions + content


def ethernet(packet: bytes, vlans: Sequence[int] = ()) -> bytes:
    """A frame around an IP packet, with any number of VLAN tags, padded as short frames are."""
    tags = b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in vlans)
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return (bytes(12) + tags + struct.pack("!H", kind) + packet).ljust(60, b"\0")


def asked(name: str, time: float = START, *, port: int = 5000, ident: int = 7, six: bool = False, **answer: Any) -> list[tuple[float, bytes]]:
    """A query over UDP and its response 20 ms later: (Unix time, IP packet) of both."""
    client, server = ((CLIENT6 if six else CLIENT), port), ((SERVER6 if six else SERVER), 53)
    kind = answer.pop("kind", "A")
    return [
        (time, udp(query(name, kind, ident), client, server)),
        (time + 0.02, udp(response(name, kind, ident, **answer), server, client)),
    ]


def pcap(frames: Iterable[tuple[float, bytes]], link: int = 1, order: str = "<", *, nano: bool = False, snap: int = 1 << 18) -> bytes:
    """A pcap file."""
    unit = 1_000_000_000 if nano else 1_000_000
    parts = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)]
    for time, frame in frames:
        ticks = round(time * 1_000_000) * (unit // 1_000_000)
        parts.append(struct.pack(order + "IIII", ticks // unit, ticks % unit, len(frame[:snap]), len(frame)) + frame[:snap])
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of a pcapng file."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def pcapng(frames: Iterable[tuple[float, bytes]], link: int = 1, order: str = "<", *, resolution: int | None = None) -> bytes:
    """A pcapng file of one section and interface; resolution is the byte of if_tsresol."""
    units = 1_000_000 if resolution is None else 2 ** (resolution & 127) if resolution & 128 else 10**resolution
    options = b"" if resolution is None else struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    parts = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)]
    parts.append(block(1, struct.pack(order + "HHI", link, 0, 0) + options, order))
    for time, frame in frames:
        ticks = round(time * 1_000_000) * units // 1_000_000
        head = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
        parts.append(block(6, head + frame, order))
    return b"".join(parts)


def events(content: bytes, **options: Any) -> tuple[list[Observed], Report]:
    """Everything an input holds, and the report."""
    report = Report()
    return list(in_order(observe(BytesIO(content), report, **options), report)), report


def names(found: Iterable[Observed]) -> list[str]:
    """The names asked."""
    return [event.template.qname for event in found]


def reasons(report: Report) -> dict[str, int]:
    """How often records were bad or passed over for each reason."""
    return {reason: finding.count for reason, finding in [*report.bad.items(), *report.skipped.items()]}
