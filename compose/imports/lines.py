"""Text input -> lines of bounded length, with their numbers. Must not know formats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from compose.imports.report import Report

LONGEST = 1 << 20
LONG = "a line of more than 1 MiB"


def lines_of(stream: BinaryIO, report: Report) -> Iterator[tuple[bytes, str]]:
    """Lines without their end, and where they stand; empty ones are left out."""
    number = 0
    while line := stream.readline(LONGEST):
        number += 1
        if len(line) == LONGEST and not line.endswith(b"\n"):
            while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            report.records += 1
            report.spoiled(LONG, f"line {number}")
        elif line := line.strip(b"\r\n"):
            yield line, f"line {number}"
