"""Zeek's dns.log -> queries with their answers: tab-separated with its header, or JSON, a record a line.

Reference: Zeek's DNS::Info (docs.zeek.org, base/protocols/dns/main.zeek) and its ASCII writer. The log has no sizes and
no types of answers: sizes are computed of what it has, types follow from what the data looks like. Must not know files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from compose.imports.observed import Observed, template
from compose.imports.report import Report
from compose.imports.zeek_answers import address_of, records_of
from resolver.names import labels_text

NOT_A_RECORD = "not a record of Zeek's dns.log"
HEADERLESS = "a line before the #fields header"
CELLS = "not as many columns as the header names"
QUESTIONLESS = "a record without the name asked (the query was not seen whole)"

_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")
_FLAGS = (("AA", 0x0400), ("TC", 0x0200), ("RD", 0x0100), ("RA", 0x0080))
_decode = msgspec.json.Decoder(dict[str, Any]).decode
Record = Mapping[str, Any]


def observe_zeek(lines: Iterable[tuple[bytes, str]], report: Report) -> Iterator[Observed]:
    """Queries of a tab-separated log, as its lines stand."""
    header = _Header()
    for line, where in lines:
        if line.startswith(b"#"):
            header.take(line)
            continue
        report.records += 1
        cells = line.split(header.separator)
        if not header.fields:
            report.spoiled(HEADERLESS, where)
        elif len(cells) != len(header.fields):
            report.spoiled(CELLS, where)
        else:
            yield from _observed(header.record(cells), where, report)


def observe_zeek_json(lines: Iterable[tuple[bytes, str]], report: Report) -> Iterator[Observed]:
    """Queries of a JSON log, as its lines stand."""
    for line, where in lines:
        report.records += 1
        try:
            record = _decode(line)
        except ValueError:  # not JSON, or not UTF-8
            report.spoiled(NOT_A_RECORD, where)
        else:
            yield from _observed(record, where, report)


class _Header:
    """The lines that begin with #: separators, what stands for nothing, names of the columns."""

    def __init__(self) -> None:
        self.separator, self.set_separator = b"\t", ","
        self.unset, self.empty = b"-", b"(empty)"
        self.fields: list[str] = []

    def take(self, line: bytes) -> None:
        """One header line; a log may begin anew in the middle of a file."""
        if line.startswith(b"#separator "):
            self.separator = _unescaped(line.removeprefix(b"#separator ")) or b"\t"
            return
        name, *values = line.split(self.separator)
        if name == b"#fields":
            self.fields = [value.decode("latin-1") for value in values]
        elif name == b"#set_separator" and values and values[0]:
            self.set_separator = values[0].decode("latin-1")
        elif name == b"#unset_field" and values:
            self.unset = values[0]
        elif name == b"#empty_field" and values:
            self.empty = values[0]

    def record(self, cells: list[bytes]) -> dict[str, Any]:
        """Values by name, as the JSON log has them; what is unset is left out."""
        found: dict[str, Any] = {}
        for name, cell in zip(self.fields, cells, strict=True):
            if cell in {self.unset, self.empty}:
                continue
            text = cell.decode("latin-1")
            found[name] = text.split(self.set_separator) if name in {"answers", "TTLs"} else text
        return found


def _unescaped(text: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), text)


def _observed(record: Record, where: str, report: Report) -> Iterator[Observed]:
    try:
        made = _read(record)
    except (KeyError, ValueError, TypeError, OverflowError):
        report.spoiled(NOT_A_RECORD, where)
        return
    if made is None:
        report.passed_over(QUESTIONLESS, where)
        return
    report.unanswered += not made.template.rcode
    yield made


def _read(record: Record) -> Observed | None:
    if "query" not in record or "qtype" not in record:
        return None
    qname = _name(record["query"])
    question = (qname, _number(record["qtype"]), _number(record.get("qclass", 1)))
    rcode = _number(record["rcode"]) if "rcode" in record else -1
    flags = 0 if rcode < 0 else 0x8000 | rcode & 15
    flags |= sum(bit for name, bit in _FLAGS if record.get(name) in {True, "T"})
    records = records_of(question[1], record.get("answers", ()), record.get("TTLs", ()))
    size = 18 + len(qname)  # header, name with its first and last length, type and class; without EDNS
    told = size + sum(12 + len(data) for _, data, _ in records) if rcode >= 0 else 0
    made = template(
        address_of(record["id.orig_h"]),
        "tcp" if record.get("proto") == "tcp" else "udp",
        question,
        flags=flags,
        sizes=(size, told),
        answer=(rcode, records) if rcode >= 0 else None,
    )
    return Observed(_nanoseconds(record["ts"]), min(2**32 - 1, round(float(record.get("rtt", 0)) * 1e6)), 0, made)


def _number(value: object) -> int:
    number = int(str(value))
    if not 0 <= number <= 65535:
        raise ValueError(value)
    return number


def _name(text: object) -> str:
    r"""The name asked as events write it; Zeek writes octets that are not printable as \xNN."""
    wire = _unescaped(str(text).encode("latin-1", "replace"))
    return labels_text(wire.removesuffix(b".").split(b".")) if wire not in {b"", b"."} else "."


def _nanoseconds(value: object) -> int:
    """Unix nanoseconds of seconds with a fraction, or of ISO 8601 (LogAscii::json_timestamps)."""
    text = str(value)
    if "T" in text:
        from datetime import datetime

        moment = datetime.fromisoformat(text)
        return round(moment.timestamp() * 1e6) * 1000
    seconds, _, fraction = text.partition(".")
    if "e" in text or "n" in text:
        return round(float(text) * 1e9)
    return int(seconds) * 1_000_000_000 + int((fraction + "000000000")[:9])
