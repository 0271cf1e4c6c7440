"""Zone text (RFC 1035 section 5) -> one entry a record: owner, TTL, type, data, and the line it begins on.

Reads on behind what is wrong, since a feed with one bad record is still a feed; libraries for zone files stop at the
first, and take minutes for a million records. Only the text is looked at: what a record means is rpz.py's. This module
must not know response policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from resolver.policy.set_text import Troubles

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|;.*|(?:\\.|[^\s"();\\])+|\S')
_TTL = re.compile(r"(?:\d+[smhdw]?)+", re.IGNORECASE)
_PART = re.compile(r"(\d+)([smhdw]?)", re.IGNORECASE)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CLASSES = frozenset({"IN", "CH", "HS", "CS", "ANY"})
_DEPTH = {"(": 1, ")": -1}
_MAX_TTL = 2**31 - 1
_PLAIN = re.compile(r"([^\s;$()\"\\]+)[ \t]+(?:IN[ \t]+)?CNAME[ \t]+([^\s;()\"\\]+)[ \t]*(?:;.*)?", re.IGNORECASE)
"""What nearly every record of a feed looks like; read without taking it apart."""


class Entry(NamedTuple):
    """One record as written: owner and origin in text form ("" is an origin nobody gave), ttl -1 for none given."""

    line: int
    owner: str
    origin: str
    ttl: int
    type: str
    data: tuple[str, ...]


class _Statement(NamedTuple):
    line: int
    tokens: list[str]
    indented: bool


def read_zone(content: bytes, troubles: Troubles) -> Iterator[Entry]:
    """Records of a zone text, in order; lines that are none are told."""
    text = content.decode("utf-8-sig", errors="replace")
    origin, ttl, owner = "", -1, ""
    for statement in _statements(text, troubles):
        if isinstance(statement, Entry):
            owner = statement.owner
            yield statement._replace(origin=origin, ttl=ttl)
            continue
        line, tokens, indented = statement
        if tokens[0].startswith("$"):
            origin, ttl = _directive(statement, origin, ttl, troubles)
            continue
        if not indented:
            owner = tokens.pop(0)
        entry = _record(line, owner, tokens, origin, ttl)
        if isinstance(entry, str):
            troubles.add(line, entry)
        else:
            yield entry


def _statements(text: str, troubles: Troubles) -> Iterator[Entry | _Statement]:
    """Lines, those within parentheses joined."""
    tokens: list[str] = []
    begun, depth, indented = 0, 0, False
    for number, line in enumerate(text.split("\n"), 1):
        if not depth and (plain := _PLAIN.fullmatch(line.rstrip("\r"))):
            yield Entry(number, plain[1], "", -1, "CNAME", (plain[2],))
            continue
        if not depth:
            begun, tokens, indented = number, [], line[:1] in {" ", "\t"}
        for word in _TOKEN.findall(line):
            if word in _DEPTH:
                depth = max(0, depth + _DEPTH[word])
            elif word[0] != ";":
                tokens.append(word)
        if not depth and tokens:
            yield _Statement(begun, tokens, indented)
    if depth:
        troubles.add(begun, "a parenthesis that is opened here is never closed")


def _directive(statement: _Statement, origin: str, ttl: int, troubles: Troubles) -> tuple[str, int]:
    line, (word, *values), _ = statement
    if word.upper() == "$ORIGIN" and len(values) == 1:
        if values[0].endswith("."):
            return values[0], ttl
        troubles.add(line, f"expected $ORIGIN and a name with its final dot, got {values[0]!r}")
    elif word.upper() == "$TTL" and len(values) == 1 and _TTL.fullmatch(values[0]):
        return origin, _seconds(values[0])
    else:
        troubles.add(line, f"expected a record, $ORIGIN NAME. or $TTL SECONDS, got {' '.join([word, *values])[:60]!r}")
    return origin, ttl


def _record(line: int, owner: str, tokens: list[str], origin: str, ttl: int) -> Entry | str:
    """The record, or what is wrong with it. TTL and class may stand in either order (RFC 1035 section 5.1)."""
    while tokens:
        word = tokens.pop(0)
        if word.upper() in _CLASSES:
            if word.upper() != "IN":
                return f"class {word} has no place here, expected IN"
        elif _TTL.fullmatch(word):
            ttl = _seconds(word)
        elif not owner:
            return "expected an owner name, as there is no record before to take it from"
        elif not tokens:
            return f"type {word} has no data"
        else:
            return Entry(line, owner, origin, ttl, word.upper(), tuple(tokens))
    return f"expected owner, type and data, got {owner!r} alone"


def _seconds(text: str) -> int:
    return min(_MAX_TTL, sum(int(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text)))
