"""Frame Streams (fstrm): bytes of a stream -> data frames. Reference: the fstrm specification of Farsight Security.

A frame is its length (32 bits, big-endian) and its bytes; a length of 0 announces a control frame. Files hold START,
frames, STOP. Must not know what frames hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

from compose.imports.capture import CUT, DAMAGED, LARGEST
from compose.imports.report import Report

ESCAPE = b"\0\0\0\0"
STOPLESS = "the stream ends without a STOP frame; its writer may have been killed"
_START, _STOP = 2, 3
_length = Struct("!I")


def data_frames(stream: BinaryIO, report: Report) -> Iterator[tuple[bytes, str]]:
    """Data frames and where they lie."""
    offset = 0
    while head := stream.read(4):
        where = f"frame {report.records + 1} at byte {offset}"
        size = _length.unpack(head)[0] if len(head) == 4 else LARGEST + 1
        control = size == 0
        if control:
            prefix = stream.read(4)
            size, offset = (_length.unpack(prefix)[0] if len(prefix) == 4 else LARGEST + 1), offset + 4
        if size > LARGEST:
            report.spoiled(DAMAGED if len(head) == 4 else CUT, where)
            return
        content = stream.read(size)
        if len(content) < size:
            report.spoiled(CUT, where)
            return
        offset += 4 + size
        if not control:
            report.records += 1
            yield content, where
        elif content[:4] == _length.pack(_STOP):
            return
    report.passed_over(STOPLESS, f"byte {offset}")
