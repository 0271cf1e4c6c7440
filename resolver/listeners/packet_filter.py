"""Rules of floods.py -> a program for the kernel's classic BPF machine, which runs it for every datagram of a socket.

Pure: bytes come out, listeners/gate.py hands them over. The kernel's filter.rst describes the machine (four-byte
registers A and X, jumps forward only, 4096 instructions at most) and the ancillary loads used here; a program without a
rule for a source reads it whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from resolver.floods import ALL, Rule

_Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant (struct sock_filter)."""
_LOAD_WORD, _LOAD_BYTE, _AND, _SHIFT_RIGHT, _RETURN = 0x20, 0x30, 0x54, 0x74, 0x06
_JUMP, _JUMP_EQUAL, _JUMP_AT_LEAST = 0x05, 0x15, 0x35
_NETWORK_HEADER = 0x1_0000_0000 - 0x10_0000
"""SKF_NET_OFF: offsets from here count from the IP header."""
_RANDOM = 0x1_0000_0000 - 0x1000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: 32 bits, new at every load."""
_READ: _Instruction = (_RETURN, 0, 0, 0xFFFF_FFFF)
_DROP: _Instruction = (_RETURN, 0, 0, 0)
_SOURCE = {4: 12, 6: 8}
"""Where the source address stands in the IP header (RFC 791 section 3.1, RFC 8200 section 3)."""
_BITS = {4: 32, 6: 128}


def program(rules: Iterable[Rule]) -> bytes:
    """An array of struct sock_filter that lets each datagram through as the first rule for its source says.

    Which of them is drawn for each datagram: nothing in a query helps to be among those that are read.

    Args:
        rules: the longest network first.
    """
    rules = list(rules)
    of_ipv4 = _section([rule for rule in rules if rule.version == 4])
    of_ipv6 = _section([rule for rule in rules if rule.version == 6])
    head: list[_Instruction] = [
        (_LOAD_BYTE, 0, 0, _NETWORK_HEADER),
        (_SHIFT_RIGHT, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, 4),
        (_JUMP, 0, 0, len(of_ipv4)),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in head + of_ipv4 + of_ipv6)


def _section(rules: list[Rule]) -> list[_Instruction]:
    return [instruction for rule in rules for instruction in _part(rule)] + [_READ]


def _part(rule: Rule) -> list[_Instruction]:
    """One rule: go on behind it unless the source is in its network."""
    verdict = _verdict(rule.share)
    words = _words(rule)
    made: list[_Instruction] = []
    left = sum(3 if mask != 0xFFFF_FFFF else 2 for _, mask, _ in words)
    for offset, mask, value in words:
        made.append((_LOAD_WORD, 0, 0, _NETWORK_HEADER + offset))
        if mask != 0xFFFF_FFFF:
            made.append((_AND, 0, 0, mask))
        made.append((_JUMP_EQUAL, 0, left - len(made) - 1 + len(verdict), value))
    return made + verdict


def _verdict(share: int) -> list[_Instruction]:
    if share >= ALL:
        return [_READ]
    return [(_LOAD_WORD, 0, 0, _RANDOM), (_JUMP_AT_LEAST, 0, 1, share << 16), _DROP, _READ]


def _words(rule: Rule) -> list[tuple[int, int, int]]:
    """(offset in the IP header, mask, value) of the words of the address that the network says something about."""
    bits = _BITS[rule.version]
    mask = (1 << bits) - (1 << rule.shift)
    address = rule.prefix << rule.shift
    found = []
    for number in range(bits // 32):
        down = bits - 32 * (number + 1)
        if of_word := mask >> down & 0xFFFF_FFFF:
            found.append((_SOURCE[rule.version] + 4 * number, of_word, address >> down & 0xFFFF_FFFF))
    return found
