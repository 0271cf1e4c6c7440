"""Frames -> IP -> UDP and TCP: who sent which bytes to whom. Headers only; must not know DNS or files.

Link types are those of libpcap (tcpdump.org/linktypes.html). Fragments are passed over: DNS avoids them, and half a
message says nothing.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct's name for it says nothing
from typing import NamedTuple

UDP, TCP = 17, 6
NOT_IP = "not an IP packet"
NOT_TRANSPORT = "neither UDP nor TCP"
FRAGMENT = "a fragment of an IP packet"
LINK = "a link type that is not read here"
HEADERS = "headers that cannot be read"

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN = frozenset({0x8100, 0x88A8, 0x9100})
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
_IPV6_FRAGMENT, _AUTHENTICATION = 44, 51
_ETHERNET, _COOKED, _COOKED2 = 1, 113, 276
_LOOPBACK = frozenset({0, 108})
_RAW = frozenset({12, 14, 101, 228, 229})
_ports = Struct("!HH")
_short = Struct("!H")
_segment = Struct("!HHII")


class SkippedError(ValueError):
    """A sound packet that is of no use here; the text is a reason for the report."""


class BrokenError(ValueError):
    """A packet whose headers contradict its length; the text is a reason for the report."""


class Packet(NamedTuple):
    """A UDP datagram or TCP segment; addresses as bytes. sequence, flags: of TCP, else 0."""

    source: bytes
    destination: bytes
    protocol: int
    source_port: int
    destination_port: int
    payload: bytes
    sequence: int = 0
    flags: int = 0


@lru_cache(maxsize=65536)
def address_text(address: bytes) -> str:
    """Presentation of 4 or 16 bytes."""
    return ".".join(map(str, address)) if len(address) == 4 else str(IPv6Address(address))


def packet_of(link: int, frame: bytes) -> Packet:
    """Take the headers off a frame.

    Raises:
        SkippedError: not UDP or TCP over IP, or a fragment.
        BrokenError: cut off in the middle of the headers.
    """
    try:
        kind, offset = _network(link, frame)
        if kind == _IPV4:
            return _ipv4(frame, offset)
        if kind == _IPV6:
            return _ipv6(frame, offset)
    except (IndexError, StructError) as error:
        raise BrokenError(HEADERS) from error
    raise SkippedError(NOT_IP)


def _network(link: int, frame: bytes) -> tuple[int, int]:
    """Type and offset of what the link layer carries."""
    if link == _ETHERNET:
        kind, offset = _short.unpack_from(frame, 12)[0], 14
        while kind in _VLAN:  # IEEE 802.1Q and stacked
            kind, offset = _short.unpack_from(frame, offset + 2)[0], offset + 4
        return kind, offset
    if link == _COOKED:
        return _short.unpack_from(frame, 14)[0], 16
    if link == _COOKED2:
        return _short.unpack_from(frame, 0)[0], 20
    if link in _LOOPBACK or link in _RAW:
        # Address families differ between systems, the version in the IP header does not.
        offset = 4 if link in _LOOPBACK else 0
        return {4: _IPV4, 6: _IPV6}.get(frame[offset] >> 4, 0), offset
    raise SkippedError(LINK)


def _ipv4(frame: bytes, at: int) -> Packet:
    """RFC 791 section 3.1."""
    header = (frame[at] & 15) * 4
    total = _short.unpack_from(frame, at + 2)[0]
    if header < 20 or frame[at] >> 4 != 4:
        raise BrokenError(HEADERS)
    if _short.unpack_from(frame, at + 6)[0] & 0x3FFF:  # more fragments, or an offset
        raise SkippedError(FRAGMENT)
    # A total of 0 is what segmentation offload leaves in captures. Behind the total Ethernet may have padded.
    end = at + total if total >= header else len(frame)
    return _transport(frame, (at + header, end), frame[at + 9], (frame[at + 12 : at + 16], frame[at + 16 : at + 20]))


def _ipv6(frame: bytes, at: int) -> Packet:
    """RFC 8200 sections 3 and 4."""
    size = _short.unpack_from(frame, at + 4)[0]
    source, destination = frame[at + 8 : at + 24], frame[at + 24 : at + 40]
    following, offset = frame[at + 6], at + 40
    end = offset + size if size else len(frame)
    while following in _EXTENSIONS or following in {_IPV6_FRAGMENT, _AUTHENTICATION}:
        if following == _IPV6_FRAGMENT:
            if _short.unpack_from(frame, offset + 2)[0] & 0xFFF9:  # section 4.5; an atomic fragment is whole
                raise SkippedError(FRAGMENT)
            length = 8
        else:
            length = (frame[offset + 1] + 2) * 4 if following == _AUTHENTICATION else (frame[offset + 1] + 1) * 8
        following, offset = frame[offset], offset + length
    return _transport(frame, (offset, end), following, (source, destination))


def _transport(frame: bytes, span: tuple[int, int], protocol: int, ends: tuple[bytes, bytes]) -> Packet:
    at, end = span
    if protocol == UDP:
        source_port, destination_port = _ports.unpack_from(frame, at)
        size = _short.unpack_from(frame, at + 4)[0]
        if size < 8 or at + size > len(frame):
            raise BrokenError(HEADERS)
        return Packet(*ends, UDP, source_port, destination_port, frame[at + 8 : at + size])
    if protocol == TCP:
        source_port, destination_port, sequence, _ = _segment.unpack_from(frame, at)
        header = (frame[at + 12] >> 4) * 4
        if header < 20 or at + header > len(frame) or end > len(frame):
            raise BrokenError(HEADERS)
        payload = frame[at + header : end]
        return Packet(*ends, TCP, source_port, destination_port, payload, sequence, frame[at + 13])
    raise SkippedError(NOT_TRANSPORT)
