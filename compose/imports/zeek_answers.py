"""Answers as Zeek writes them -> records as events show them: (type, data, TTL).

Zeek names no types: an address is A or AAAA, ``TXT n text`` is what it says, another name is a CNAME where addresses
were asked for and the type asked otherwise. Must not know lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address

from resolver.mnemonics import type_name
from resolver.strings import strings_text

_TXT = re.compile(r"(TXT|SPF) \d+ (.*)", re.DOTALL)
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*")
_NAME = re.compile(r"[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)+\.?")
_ADDRESSES = frozenset({1, 28, 65})
_NAMED = frozenset({2, 5, 12, 39})
"""Types whose data is one name."""


@lru_cache(maxsize=65536)
def address_of(text: str) -> str:
    """An address in its usual presentation.

    Raises:
        ValueError: if it is none.
    """
    return str(ip_address(text))


def records_of(qtype: int, answers: Iterable[object], ttls: Sequence[object]) -> tuple[tuple[str, str, int], ...]:
    """Records of an answer.

    Args:
        qtype: number of the type asked.
        answers: as in the log.
        ttls: of each, in seconds; 0 where the log has none.

    Raises:
        ValueError, TypeError: where these are no texts and numbers.
    """
    found = []
    for number, answer in enumerate(answers):
        ttl = round(float(str(ttls[number]))) if number < len(ttls) else 0
        kind, data = _record(qtype, str(answer))
        found.append((kind, data, min(max(0, ttl), 2**32 - 1)))
    return tuple(found)


def _record(qtype: int, text: str) -> tuple[str, str]:
    if _ADDRESS.fullmatch(text):
        return ("AAAA" if ":" in text else "A"), address_of(text)
    if told := _TXT.fullmatch(text):
        content = told[2].encode("latin-1", "replace")[:65000]
        strings = b"".join(bytes((len(part),)) + part for part in _parts(content))
        return told[1], strings_text(strings)
    if _NAME.fullmatch(text):
        kind = "CNAME" if qtype in _ADDRESSES or qtype not in _NAMED else type_name(qtype)
        return kind, text.lower().removesuffix(".") + "."
    return type_name(qtype), text


def _parts(content: bytes) -> list[bytes]:
    return [content[at : at + 255] for at in range(0, len(content), 255)] or [b""]
