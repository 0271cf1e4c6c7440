"""Protocol Buffers on the wire: bytes of a message -> its fields (protobuf.dev/programming-guides/encoding).

All of it that dnstap needs, in place of a library with generated code. Must not know dnstap.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - struct's name for it says nothing

Value = int | bytes
_fixed32 = Struct("<I")
_fixed64 = Struct("<Q")


class ProtobufError(ValueError):
    """Bytes that are no message."""


def fields_of(content: bytes) -> dict[int, Value]:
    """Fields by number; of a repeated one the last (section "Last One Wins").

    Raises:
        ProtobufError: if a field is cut off or of an unknown kind.
    """
    found: dict[int, Value] = {}
    offset = 0
    try:
        while offset < len(content):
            tag, offset = _varint(content, offset)
            kind = tag & 7
            if kind == 0:
                found[tag >> 3], offset = _varint(content, offset)
            elif kind == 2:
                size, offset = _varint(content, offset)
                if offset + size > len(content):
                    raise ProtobufError("a field is cut off")
                found[tag >> 3] = content[offset : offset + size]
                offset += size
            elif kind in {1, 5}:
                shape = _fixed64 if kind == 1 else _fixed32
                (found[tag >> 3],) = shape.unpack_from(content, offset)
                offset += shape.size
            else:
                raise ProtobufError(f"a field of unknown kind {kind}")
    except (IndexError, StructError):
        raise ProtobufError("a field is cut off") from None
    return found


def _varint(content: bytes, offset: int) -> tuple[int, int]:
    byte = content[offset]
    if byte < 128:
        return byte, offset + 1
    number, shift = byte & 127, 7
    while shift < 64:
        offset += 1
        byte = content[offset]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, offset + 1
        shift += 7
    raise ProtobufError("a number of more than 64 bits")
