"""Character strings of TXT data: octets <-> presentation format (RFC 1035 sections 3.3.14 and 5.1).

Used where data of records is read and written. This module must not know messages.
"""

from __future__ import annotations

import re

_LONGEST = 255
_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+))(?=\s|$)')
_ESCAPE = re.compile(rb"\\(?:(\d{3})|(.))", re.DOTALL)


def strings_text(data: bytes) -> str:
    """Character strings on the wire, each quoted."""
    texts, at = [], 0
    while at < len(data):
        texts.append(quoted(data[at + 1 : at + 1 + data[at]]))
        at += 1 + data[at]
    return " ".join(texts)


def quoted(text: bytes) -> str:
    """One character string in presentation format."""
    return '"' + "".join(map(_quoted, text)) + '"'


def _quoted(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte <= 126 else f"\\{byte:03d}"


def strings_wire(text: str) -> bytes:
    """Character strings on the wire, of their presentation format.

    Raises:
        ValueError: saying what is wrong.
    """
    wire, at = b"", 0
    text = text.strip()
    while at < len(text) or not wire:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f'expected character strings such as "text", got {text[at:]!r}')
        octets = _ESCAPE.sub(_octet, (token[1] if token[1] is not None else token[2]).encode())
        if len(octets) > _LONGEST:
            raise ValueError(f"a character string is longer than {_LONGEST} octets")
        wire += bytes((len(octets),)) + octets
        at = token.end()
    return wire


def _octet(escape: re.Match[bytes]) -> bytes:
    if escape[1] is None:
        return escape[2]
    if int(escape[1]) > 255:
        raise ValueError(f"\\{escape[1].decode()} is no octet")
    return bytes((int(escape[1]),))
