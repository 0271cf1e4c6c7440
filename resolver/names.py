"""Domain names: wire form <-> the one text form used everywhere (RFC 1035 sections 3.1, 4.1.4 and 5.1).

Text form: lower case, presentation format with escapes, without the final dot; the root is ".". Names are the first
thing read of hostile bytes, so every length and pointer is checked. This module must not know messages or records.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(rb"[a-z0-9_*/-]+(?:\.[a-z0-9_*/-]+)*")
_LOWER = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))
_QUOTED = frozenset(b'."\\();@$')


class MalformedNameError(ValueError):
    """Bytes that are not a domain name."""


def read_name(message: bytes, offset: int) -> tuple[str, int]:
    """Read a name that may be compressed.

    Args:
        message: the whole message, since pointers count from its start.
        offset: where the name begins.

    Returns:
        The name's text and the offset behind it.

    Raises:
        MalformedNameError: on bytes that end too early, a pointer that does not point back, or more than 255 octets.
    """
    labels, after = read_labels(message, offset)
    return labels_text(labels), after


def read_labels(message: bytes, offset: int) -> tuple[list[bytes], int]:
    """Labels of a name that may be compressed, letter case kept, and the offset behind it; raises as read_name."""
    labels: list[bytes] = []
    after = -1
    size = 1
    bound = offset
    try:
        while length := message[offset]:
            if length < 64:
                size += length + 1
                label = message[offset + 1 : offset + 1 + length]
                if size > 255 or len(label) < length:
                    raise MalformedNameError("name too long or cut off")
                labels.append(label)
                offset += length + 1
            elif length >= 192:
                target = (length & 63) << 8 | message[offset + 1]
                if after < 0:
                    after = offset + 2
                # RFC 1035 section 4.1.4: a pointer names a prior occurrence; falling strictly, it cannot loop.
                if target >= bound:
                    raise MalformedNameError("compression pointer that does not point back")
                bound = offset = target
            else:
                raise MalformedNameError("label of unknown kind")
    except IndexError:
        raise MalformedNameError("name cut off") from None
    return labels, (offset + 1 if after < 0 else after)


def skip_name(message: bytes, offset: int) -> int:
    """Offset behind a name, its pointer not followed.

    Raises:
        MalformedNameError: on bytes that end too early.
    """
    try:
        while length := message[offset]:
            if length >= 192:
                offset += 1
                break
            if length > 63:
                raise MalformedNameError("label of unknown kind")
            offset += length + 1
    except IndexError:
        raise MalformedNameError("name cut off") from None
    return offset + 1


def labels_text(labels: list[bytes]) -> str:
    """Text of a name given by its labels."""
    joined = b".".join(labels).translate(_LOWER)
    if _PLAIN.fullmatch(joined) and joined.count(b".") == len(labels) - 1:
        return joined.decode("ascii")
    return ".".join("".join(map(_escape, label.translate(_LOWER))) for label in labels) or "."


def _escape(byte: int) -> str:
    if byte in _QUOTED:
        return "\\" + chr(byte)
    return chr(byte) if 33 <= byte <= 126 else f"\\{byte:03d}"


def text_labels(name: str) -> list[bytes]:
    """Labels of a name in text form; a final dot is allowed.

    Raises:
        MalformedNameError: on an empty or too long label or name, or an escape that is none.
    """
    if name in {".", ""}:
        return []
    labels = [bytearray()]
    at = 0
    while at < len(name):
        char = name[at]
        if char == "." and at + 1 < len(name):
            labels.append(bytearray())
        elif char == "\\":
            byte, at = _unescape(name, at)
            labels[-1].append(byte)
        elif char != ".":
            labels[-1] += char.encode()
        at += 1
    if any(not 0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise MalformedNameError(f"not a domain name: {name!r}")
    return [bytes(label) for label in labels]


def _unescape(name: str, at: int) -> tuple[int, int]:
    digits = name[at + 1 : at + 4]
    if digits[:1].isdecimal():
        if len(digits) < 3 or not digits.isdecimal() or not digits.isascii() or int(digits) > 255:
            raise MalformedNameError(f"bad escape in domain name {name!r}")
        return int(digits), at + 3
    if not digits or not digits[0].isascii():
        raise MalformedNameError(f"bad escape in domain name {name!r}")
    return ord(digits[0]), at + 1


def name_wire(name: str) -> bytes:
    """Wire form, uncompressed, of a name in text form; raises as text_labels."""
    return labels_wire(text_labels(name))


def labels_wire(labels: list[bytes]) -> bytes:
    """Wire form, uncompressed, of a name given by its labels."""
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
