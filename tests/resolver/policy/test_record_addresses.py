"""Addresses in records: A, AAAA, hints of HTTPS and SVCB, IPv4 in IPv6 dress."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.record_addresses import addresses_in, addresses_of
from resolver.query import Record

HTTPS_WIRE = "0001 04 6e616d65 00 0001 0003 026832 0004 0008 0a000001c0000201 0006 0010 fe80" + "00" * 13 + "01"
FOUND = [
    ("A", "192.0.2.1", ["192.0.2.1"]),
    ("AAAA", "2001:db8::1", ["2001:db8::1"]),
    ("AAAA", "::ffff:10.0.0.1", ["::ffff:a00:1", "10.0.0.1"]),
    ("AAAA", "64:ff9b::10.0.0.1", ["64:ff9b::a00:1", "10.0.0.1"]),
    ("A", "\\# 3 0a0000", []),
    ("CNAME", "10.0.0.1.", []),
    ("TXT", '"10.0.0.1"', []),
    ("HTTPS", "1 . alpn=h2,h3 ipv4hint=10.0.0.1,192.0.2.1 ipv6hint=fe80::1", ["10.0.0.1", "192.0.2.1", "fe80::1"]),
    ("SVCB", "1 . ipv6hint=::ffff:10.0.0.1", ["::ffff:a00:1", "10.0.0.1"]),
    ("HTTPS", "0 target.example.", []),
    ("HTTPS", "1 . key99=ipv4hint=10.0.0.1", []),
    ("HTTPS", f"\\# 51 {HTTPS_WIRE.replace(' ', '')}", ["10.0.0.1", "192.0.2.1", "fe80::1"]),
    ("HTTPS", "\\# 8 0001000004000305", []),
    ("HTTPS", "\\# 1 00", []),
]


@pytest.mark.parametrize(("kind", "data", "found"), FOUND)
def test_addresses_of_a_record(kind: str, data: str, found: list[str]) -> None:
    """Each address a client may get from the record, the IPv4 address inside an IPv6 one too."""
    assert [str(address) for address in addresses_of([Record("a", kind, data, 5)])] == found


@given(st.binary(max_size=60))
def test_hostile_hints_end_in_addresses_or_nothing(data: bytes) -> None:
    """Whatever bytes an HTTPS record holds, reading its hints does not fail."""
    assert all(address.version in {4, 6} for address in addresses_in("HTTPS", f"\\# {len(data)} {data.hex()}".rstrip()))
