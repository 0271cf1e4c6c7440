"""Addresses in the records of an answer: those of A and AAAA, and the hints of HTTPS and SVCB (RFC 9460 section 7.3).

An IPv4 address in IPv6 dress counts as both, since a client may reach the one by the other. Used by whatever looks at
answers. This module must not know what the addresses are looked at for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from resolver.query import Record

Address = IPv4Address | IPv6Address
KINDS = frozenset({"A", "AAAA", "HTTPS", "SVCB"})
_HINT = re.compile(r"(?:^|\s)ipv[46]hint=([0-9a-f.:,]+)")
_IPV4_HINT, _IPV6_HINT = 4, 6
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1


def addresses_of(records: Iterable[Record]) -> Iterator[Address]:
    """Every address in these records."""
    for record in records:
        if record.type in KINDS:
            yield from addresses_in(record.type, record.data)


@lru_cache(maxsize=16384)
def addresses_in(kind: str, data: str) -> tuple[Address, ...]:
    """Every address in a record's data, given in presentation format; none for other types than KINDS."""
    if kind in {"A", "AAAA"}:
        return tuple(_read(data))
    if not data.startswith("\\# "):
        return tuple(address for hint in _HINT.finditer(data) for text in hint[1].split(",") for address in _read(text))
    # The generic form (RFC 3597 section 5): some of it is malformed or not known, but a client may go by the rest.
    return tuple(_hints(bytes.fromhex("".join(data.split(" ")[2:]))))


def _read(text: str) -> tuple[Address, ...]:
    try:
        return _meant(IPv6Address(text)) if ":" in text else (IPv4Address(text),)
    except ValueError:
        return ()  # an address record of a wrong length is shown in the generic form


def _meant(address: IPv6Address) -> tuple[Address, ...]:
    """The address and the IPv4 address in it."""
    if address.ipv4_mapped is not None:
        return address, address.ipv4_mapped
    return (address, IPv4Address(int(address) & 0xFFFFFFFF)) if address in _NAT64 else (address,)


def _hints(data: bytes) -> Iterator[Address]:
    """Hints of an HTTPS or SVCB record (RFC 9460 section 2.2): priority, target, then keys with values."""
    at = 2
    while at < len(data) and data[at]:
        at += data[at] + 1
    at += 1
    while at + 4 <= len(data):
        key, length = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        value, at = data[at + 4 : at + 4 + length], at + 4 + length
        if key == _IPV4_HINT:
            yield from (IPv4Address(value[start : start + 4]) for start in range(0, len(value) - 3, 4))
        elif key == _IPV6_HINT:
            for start in range(0, len(value) - 15, 16):
                yield from _meant(IPv6Address(value[start : start + 16]))
