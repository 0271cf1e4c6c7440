"""The program against floods, run by a small machine of its own: whose datagrams it lets through, and how many."""

from __future__ import annotations

import ipaddress
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.floods import ALL, Rule
from resolver.listeners.packet_filter import program

_HEADER, _ANCILLARY = 0x1_0000_0000 - 0x10_0000, 0x1_0000_0000 - 0x1000


def run(code: bytes, packet: bytes, random: int) -> bool:
    """Whether a program reads a datagram, given the number that is drawn; every jump must end inside the program."""
    instructions = [struct.unpack("HBBI", code[at : at + 8]) for at in range(0, len(code), 8)]
    at = accumulator = 0
    while True:
        operation, if_true, if_false, constant = instructions[at]
        at += 1
        if operation == 0x20:
            offset = constant - _HEADER
            drawn = constant == _ANCILLARY + 56
            accumulator = random if drawn else int.from_bytes(packet[offset : offset + 4], "big")
        elif operation == 0x30:
            accumulator = packet[constant - _HEADER]
        elif operation == 0x54:
            accumulator &= constant
        elif operation == 0x74:
            accumulator >>= constant
        elif operation == 0x05:
            at += constant
        elif operation in {0x15, 0x35}:
            holds = accumulator == constant if operation == 0x15 else accumulator >= constant
            at += if_true if holds else if_false
        else:
            assert operation == 0x06
            return constant != 0


def packet(source: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """An IP header."""
    if source.version == 4:
        return b"\x45" + bytes(11) + source.packed + b"\x7f\0\0\1"
    return b"\x60" + bytes(7) + source.packed + bytes(16)


def expected(rules: list[Rule], source: ipaddress.IPv4Address | ipaddress.IPv6Address, random: int) -> bool:
    """The first rule for the source decides."""
    for rule in rules:
        if rule.version == source.version and int(source) >> rule.shift == rule.prefix:
            return random >> 16 < rule.share
    return True


def rule_of(network: ipaddress.IPv4Network | ipaddress.IPv6Network, share: int) -> Rule:
    """A rule for a network."""
    shift = network.max_prefixlen - network.prefixlen
    return Rule(network.version, shift, int(network.network_address) >> shift, share)


_addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
_shares = st.one_of(st.integers(1, ALL), st.just(ALL))


@given(st.data(), st.lists(st.tuples(_addresses, st.integers(0, 128), _shares), max_size=128), st.integers(0, 2**32 - 1))
def test_the_first_rule_for_a_source_decides(data: st.DataObject, drawn: list[tuple[object, int, int]], random: int) -> None:
    """IPv4 and IPv6, networks of every length, up to as many rules as there ever are."""
    rules = sorted((rule_of(ipaddress.ip_network((address, min(length, 32 if address.version == 4 else 128)), strict=False), share)
                    for address, length, share in drawn), key=lambda rule: rule.shift)  # fmt: skip
    near = [ipaddress.ip_address(int(address) ^ 1) if address.version == 6 else address for address, *_ in drawn]
    source = data.draw(st.one_of(_addresses, st.sampled_from(near)) if near else _addresses)
    code = program(rules)
    assert len(code) // 8 <= 4096
    assert run(code, packet(source), random) == expected(rules, source, random)


@pytest.mark.parametrize("version", [4, 6])
def test_a_share_is_that_of_the_numbers_drawn(version: int) -> None:
    """Of all numbers that may be drawn, evenly taken, as many let a datagram through as the share says."""
    source = ipaddress.ip_address("10.0.0.1" if version == 4 else "2001:db8::1")
    code = program([Rule(version, 0, int(source), ALL // 16)])
    passed = [random for random in range(0, 2**32, 2**22) if run(code, packet(source), random)]
    assert len(passed) == 2**10 // 16
    assert all(later > sooner for sooner, later in pairwise(passed))
