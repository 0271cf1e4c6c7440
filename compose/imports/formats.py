"""What an input is, told by its first bytes: compressed or not, and which of the formats that are read here.

One line of the table a format. A stream in, events out; nothing else is opened.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import zstandard

from compose.imports.capture import PCAP, PCAPNG, pcap_frames
from compose.imports.capture_ng import pcapng_frames
from compose.imports.dnstap import observe_dnstap
from compose.imports.event_lines import observe_event_lines
from compose.imports.frame_streams import ESCAPE, data_frames
from compose.imports.lines import lines_of
from compose.imports.observed import Observed
from compose.imports.packet_capture import observe_frames
from compose.imports.report import Report
from compose.imports.zeek import observe_zeek, observe_zeek_json

COMPRESSED = "the compressed data is damaged or ends too early; what is behind cannot be read"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_HEAD = 4096

Reader = Callable[[BinaryIO, Report, int], Iterator[Observed]]
FORMATS: dict[str, Reader] = {
    "pcap": lambda stream, report, port: observe_frames(pcap_frames(stream, report), report, port),
    "pcapng": lambda stream, report, port: observe_frames(pcapng_frames(stream, report), report, port),
    "dnstap": lambda stream, report, _: observe_dnstap(data_frames(stream, report), report),
    "zeek": lambda stream, report, _: observe_zeek(lines_of(stream, report), report),
    "zeek-json": lambda stream, report, _: observe_zeek_json(lines_of(stream, report), report),
    "json": lambda stream, report, _: observe_event_lines(lines_of(stream, report), report),
}
"""format -> reader of a stream that holds it (stream, report, port of DNS servers)"""


_BINARY = frozenset({"pcap", "pcapng", "dnstap"})


class FormatError(ValueError):
    """An input that is of no format read here."""


def plain(stream: BinaryIO) -> io.BufferedReader:
    """The stream, unpacked if it is compressed (gzip or Zstandard)."""
    raw = cast(
        "io.BufferedReader", stream if hasattr(stream, "peek") else io.BufferedReader(cast("io.RawIOBase", stream))
    )
    head = raw.peek(_HEAD)
    if head.startswith(_GZIP):
        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=raw)))
    if head.startswith(_ZSTD):
        return io.BufferedReader(cast("io.RawIOBase", zstandard.ZstdDecompressor().stream_reader(raw, closefd=False)))
    return raw


def format_of(head: bytes) -> str:
    """Format of an input by its first bytes.

    Raises:
        FormatError: if it is none that is read here.
    """
    if head[:4] in PCAP:
        return "pcap"
    if head.startswith(PCAPNG):
        return "pcapng"
    if head.startswith(ESCAPE):
        return "dnstap"
    if head.startswith((b"#separator", b"#fields")):
        return "zeek"
    first = head.lstrip().split(b"\n", 1)[0]
    if first.startswith(b"{"):
        return "json" if b'"qname"' in first else "zeek-json"
    raise FormatError("neither pcap, pcapng, dnstap, Zeek's dns.log nor JSON lines")


def observe(stream: BinaryIO, report: Report, *, given: str = "auto", port: int = 53) -> Iterator[Observed]:
    """Events of an input, as it holds them.

    Args:
        stream: to read from, in binary.
        report: is filled in meanwhile.
        given: name of the format, or auto.
        port: of DNS servers, for captures.

    Raises:
        FormatError: if the format is none of those, or not the one given.
    """
    try:
        opened = plain(stream)
        report.format = _format(opened, given)
        yield from FORMATS[report.format](opened, report, port)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
        report.spoiled(COMPRESSED, f"behind record {report.records}")


def recognised(stream: BinaryIO, given: str = "auto") -> str:
    """Format of an input; the stream's position is not kept.

    Raises:
        FormatError: as observe.
    """
    try:
        return _format(plain(stream), given)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise FormatError("compressed data that is damaged from the start") from error


def _format(opened: io.BufferedReader, given: str) -> str:
    head = opened.peek(_HEAD)
    found = format_of(head) if given == "auto" else given
    if found in _BINARY and format_of(head) != found:
        raise FormatError(f"not {found}")
    return found
