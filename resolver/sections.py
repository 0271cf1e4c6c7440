"""Responses of upstream servers: bytes -> Response, with the offsets of TTLs and the records for rules and events.

Stands between the upstream answer and the cache. The bytes are hostile: whatever is wrong with them ends in a
ResponseError. RFC 2308 decides here how long an answer may be kept. This module must not know caches or policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address
from struct import Struct, error as StructError

from resolver.errors import FormatError, Rcode, ResponseError
from resolver.mnemonics import type_name
from resolver.names import MalformedNameError, read_name, skip_name
from resolver.query import Query, Record, Response
from resolver.wire import AD, HEADER, IN, OPT, QR, TC, rdata_text, read_ede, read_options

MAX_TTL = 86400
"""Longest time in seconds an answer is kept, whatever it says."""
MAX_NEGATIVE_TTL = 3600
"""The same for a negative response (RFC 2308 section 5 suggests one to three hours)."""
FAILURE_TTL = 1
"""The same for a failure (RFC 9520 section 3.2: at least one second)."""
MAX_RECORDS = 4096
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, DNAME = 1, 2, 5, 6, 12, 15, 16, 28, 39

_header = Struct("!HHHHHH")
_fixed = Struct("!HHIH")
_ttl = Struct("!I")
_preference = Struct("!H")


@dataclass(slots=True)
class _Walk:
    """What one pass over the records of a message gathers; offsets count from the start of the message."""

    message: bytes
    offset: int
    ends: list[int] = field(default_factory=list)
    ttl_offsets: list[int] = field(default_factory=list)
    ttls: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    kept: int = 0
    soa: int = -1
    soa_ttl: int = 0
    additional: int = 0
    rcode_high: int = 0
    ede: tuple[int, str] = (-1, "")

    def section(self, count: int, number: int) -> None:
        for _ in range(count):
            start = self.offset
            after = skip_name(self.message, start)
            kind, rclass, ttl, length = _fixed.unpack_from(self.message, after)
            self.offset = after + 10 + length
            if self.offset > len(self.message):
                raise ResponseError("record cut off")
            if kind == OPT and number == 2:
                self._opt(after + 10, ttl)
                break
            # RFC 2181 section 8: a TTL with the highest bit set is 0.
            self._record(start, after, kind, ttl if ttl < 1 << 31 else 0, length, number)
            self.kept = self.offset
            self.additional += number == 2
            if rclass != IN and number == 0:
                raise ResponseError("answer of another class")
        if number < 2:
            self.ends.append(self.offset)

    def _record(self, start: int, after: int, kind: int, ttl: int, length: int, number: int) -> None:
        self.ttl_offsets.append(after + 4)
        self.ttls.append(ttl)
        if number == 0:
            owner, _ = read_name(self.message, start)
            self.records.append(Record(owner, type_name(kind), data_text(kind, self.message, after + 10, length), ttl))
        elif kind == SOA and number == 1 and self.soa < 0:
            # RFC 2308 section 5: kept for the smaller of the SOA's own TTL and its MINIMUM field.
            self.soa = len(self.ttls) - 1
            self.soa_ttl = min(ttl, _ttl.unpack_from(self.message, self.offset - 4)[0])

    def _opt(self, offset: int, ttl: int) -> None:
        self.rcode_high = ttl >> 24
        self.ede = read_ede(read_options(self.message, offset, self.offset))


def decode_response(message: bytes, query: Query) -> Response:
    """Read an upstream server's response to a query (its letter case aside, the question must be the query's).

    Returns:
        The answer, with source "upstream", its lifetime set and `born` left to the caller. Records behind an OPT
        record are left out, they can only be signatures of the message.

    Raises:
        ResponseError: if the bytes are no complete response to this question.
    """
    try:
        _, flags, questions, *counts = _header.unpack_from(message)
        start = HEADER + len(query.question) if questions else HEADER
        if not flags & QR or flags & TC or flags >> 11 & 15 or questions > 1 or sum(counts) > MAX_RECORDS:
            raise ResponseError("not a complete response to a query")
        if questions and message[HEADER:start].lower() != query.question.lower():
            raise ResponseError("response to another question")
        if not questions and (flags & 15 in {Rcode.NOERROR, Rcode.NXDOMAIN} or any(counts[:2])):
            raise ResponseError("response without a question")
        walk = _Walk(message, start, kept=start)
        for number, count in enumerate(counts):
            walk.section(count, number)
    except (MalformedNameError, StructError, FormatError) as error:
        raise ResponseError(f"malformed response: {error}") from error
    return _response(walk, start, flags, (counts[0], counts[1]), query)


def _response(walk: _Walk, start: int, flags: int, counts: tuple[int, int], query: Query) -> Response:
    rcode = walk.rcode_high << 4 | flags & 15
    body = bytearray(walk.message[start : walk.kept])
    negative = rcode == Rcode.NXDOMAIN or (rcode == Rcode.NOERROR and not _answers(walk, query))
    ttls = [min(ttl, MAX_TTL) for ttl in walk.ttls]
    if negative and walk.soa >= 0:
        ttls[walk.soa] = min(walk.soa_ttl, MAX_NEGATIVE_TTL)
    for offset, ttl in zip(walk.ttl_offsets, ttls, strict=True):
        _ttl.pack_into(body, offset - start, ttl)
    return Response(
        rcode=rcode, source="upstream", body=bytes(body), counts=(*counts, walk.additional),
        ends=(walk.ends[0] - start, walk.ends[1] - start),
        ttl_offsets=tuple(offset - start for offset in walk.ttl_offsets),
        records=tuple(record._replace(ttl=min(record.ttl, MAX_TTL)) for record in walk.records),
        ad=bool(flags & AD), ede=walk.ede[0], ede_text=walk.ede[1], lifetime=_lifetime(rcode, ttls, negative=negative, soa=walk.soa >= 0),
    )  # fmt: skip


def _answers(walk: _Walk, query: Query) -> bool:
    return any(record.type == query.qtype_name for record in walk.records) or query.qtype_name == "ANY"


def _lifetime(rcode: int, ttls: list[int], *, negative: bool, soa: bool) -> int:
    if rcode not in {Rcode.NOERROR, Rcode.NXDOMAIN}:
        return FAILURE_TTL
    # RFC 2308 section 5: a negative response without a SOA is not cached.
    if negative and not soa:
        return 0
    return min(ttls, default=0)


def data_text(kind: int, message: bytes, offset: int, length: int) -> str:
    """Data of a record in presentation format, names lower case with the final dot; the common types by hand.

    Raises:
        MalformedNameError: if a name in the data is malformed.
    """
    if kind == A and length == 4:
        return "%d.%d.%d.%d" % tuple(message[offset : offset + 4])
    if kind == AAAA and length == 16:
        return str(IPv6Address(message[offset : offset + 16]))
    if kind in {CNAME, NS, PTR, DNAME}:
        return _absolute(message, offset)
    if kind == MX and length > 2:
        return f"{_preference.unpack_from(message, offset)[0]} {_absolute(message, offset + 2)}"
    if kind == TXT:
        return _strings(message[offset : offset + length])
    return rdata_text(kind, message, offset, length)


def _absolute(message: bytes, offset: int) -> str:
    name, _ = read_name(message, offset)
    return name if name == "." else name + "."


def _strings(data: bytes) -> str:
    """Character strings, quoted (RFC 1035 section 5.1)."""
    texts, at = [], 0
    while at < len(data):
        text = data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
        texts.append('"' + "".join(map(_quoted, text)) + '"')
    return " ".join(texts)


def _quoted(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte <= 126 else f"\\{byte:03d}"
