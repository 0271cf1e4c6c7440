"""Options of EDNS: read, and the one that is written, the Extended DNS Error.

Stands below wire.py and sections.py. It must not know messages beyond their OPT record.
"""

from __future__ import annotations

from struct import Struct

from resolver.errors import FormatError

_EDE = 15
_EDE_TEXT_MAX = 200
_pair = Struct("!HH")


def read_options(message: bytes, offset: int, end: int) -> list[tuple[int, bytes]]:
    """EDNS options between two offsets (RFC 6891 section 6.1.2).

    Raises:
        FormatError: if an option is cut off.
    """
    options = []
    while offset < end:
        if offset + 4 > end:
            raise FormatError
        code, length = _pair.unpack_from(message, offset)
        offset += 4 + length
        if offset > end:
            raise FormatError
        options.append((code, message[offset - length : offset]))
    return options


def ede_option(code: int, text: str) -> bytes:
    """An Extended DNS Error as an option (RFC 8914 section 2); nothing for a negative code."""
    if code < 0:
        return b""
    extra = text.encode()[:_EDE_TEXT_MAX].decode(errors="ignore").encode()
    return _pair.pack(_EDE, len(extra) + 2) + code.to_bytes(2, "big") + extra


def read_ede(options: list[tuple[int, bytes]]) -> tuple[int, str]:
    """First Extended DNS Error among EDNS options (RFC 8914 section 2), (-1, "") without one."""
    for code, value in options:
        if code == _EDE and len(value) >= 2:
            return int.from_bytes(value[:2], "big"), value[2:].rstrip(b"\0").decode(errors="replace")
    return -1, ""
