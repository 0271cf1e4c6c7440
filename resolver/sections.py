"""Responses of upstream servers: bytes -> Response, with the offsets of TTLs and the records for rules and events.

Stands between the upstream answer and the cache. The bytes are hostile: whatever is wrong with them ends in a
ResponseError. RFC 2308 decides here how long an answer may be kept. This module must not know caches or policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct's name for it says nothing

from resolver.errors import FormatError, Rcode, ResponseError
from resolver.mnemonics import type_name
from resolver.names import MalformedNameError, read_labels, read_name, skip_name
from resolver.options import read_ede, read_options
from resolver.query import Query, Record, Response
from resolver.strings import strings_text
from resolver.wire import AD, HEADER, IN, OPT, QR, TC, rdata_text
from schemas.tenant_spec import Caching

FAILURE_TTL = 1
"""Seconds for which a failure is kept (RFC 9520 section 3.2: at least one)."""
DEFAULT = Caching()
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, DNAME = 1, 2, 5, 6, 12, 15, 16, 28, 39

_header = Struct("!HHHHHH")
_fixed = Struct("!HHIH")
_ttl = Struct("!I")
_preference = Struct("!H")


@dataclass(slots=True)
class _Walk:
    """What one pass over the records of a message gathers; `base` is where its body begins."""

    message: bytes
    base: int
    qname: str
    offset: int
    kept: int
    caching: Caching
    ends: list[int] = field(default_factory=list)
    ttl_offsets: list[int] = field(default_factory=list)
    ttls: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    soa: int = -1
    soa_ttl: int = 0
    additional: int = 0
    rcode_high: int = 0
    ede: tuple[int, str] = (-1, "")

    def section(self, count: int, number: int) -> None:
        message = self.message
        for _ in range(count):
            start = self.offset
            after = skip_name(message, start)
            kind, rclass, ttl, length = _fixed.unpack_from(message, after)
            self.offset = after + 10 + length
            if self.offset > len(message):
                raise ResponseError("malformed response: record cut off")
            if kind == OPT and number == 2:
                self._opt(after + 10, ttl)
                break
            if ttl > self.caching.max_ttl:
                # RFC 2181 section 8: a TTL with the highest bit set is 0.
                ttl = self.caching.max_ttl if ttl < 1 << 31 else 0
                self.changed.append(len(self.ttls))
            self.ttl_offsets.append(after + 4 - self.base)
            self.ttls.append(ttl)
            self.kept = self.offset
            if number == 0:
                if rclass != IN:
                    raise ResponseError("answer of another class")
                owner = self.qname if message[start : start + 2] == b"\xc0\x0c" else read_name(message, start)[0]
                self.records.append(Record(owner, type_name(kind), data_text(kind, message, after + 10, length), ttl))
                continue
            read_labels(message, start)  # nobody here looks at these owners, but clients do
            if number == 1:
                self._authority(kind, ttl, length)
            else:
                self.additional += 1
        self.ends.append(self.kept - self.base)

    def _authority(self, kind: int, ttl: int, length: int) -> None:
        # RFC 2308 section 5: kept for the smaller of the SOA's own TTL and its MINIMUM field, its last four octets.
        if kind == SOA and self.soa < 0 and length >= 22:
            self.soa = len(self.ttls) - 1
            minimum = _ttl.unpack_from(self.message, self.offset - 4)[0]
            self.soa_ttl = min(ttl, minimum, self.caching.max_negative_ttl)

    def _opt(self, offset: int, ttl: int) -> None:
        self.rcode_high = ttl >> 24
        self.ede = read_ede(read_options(self.message, offset, self.offset))

    def lengthen(self) -> None:
        """Bring every TTL to the least; the records of the answer section come first."""
        least = self.caching.min_ttl
        for index, ttl in enumerate(self.ttls):
            if ttl < least:
                self.ttls[index] = least
                self.changed.append(index)
                if index < len(self.records):
                    self.records[index] = self.records[index]._replace(ttl=least)

    def body(self) -> bytes:
        body = self.message[self.base : self.kept]
        if not self.changed:
            return body
        changed = bytearray(body)
        for index in self.changed:
            _ttl.pack_into(changed, self.ttl_offsets[index], self.ttls[index])
        return bytes(changed)


def decode_response(message: bytes, query: Query, caching: Caching = DEFAULT) -> Response:
    """Read an upstream server's response to a query (its letter case aside, the question must be the query's).

    Args:
        message: as it came, without framing; its id is not looked at.
        query: what was asked.
        caching: bounds of TTLs; what is kept and what is shown never differ.

    Returns:
        The answer, with source "upstream", its lifetime set and `born` left to the caller. Records behind an OPT
        record are left out, they can only be signatures of the message.

    Raises:
        ResponseError: if the bytes are no complete response to this question.
    """
    try:
        _, flags, questions, answers, authority, additional = _header.unpack_from(message)
        base = HEADER + len(query.question) if questions else HEADER
        if not flags & QR or flags & TC or flags >> 11 & 15 or questions > 1:
            raise ResponseError("not a complete response to a query")
        if questions and message[HEADER:base].lower() != query.question.lower():
            raise ResponseError("response to another question")
        if not questions and (flags & 15 in {Rcode.NOERROR, Rcode.NXDOMAIN} or answers or authority):
            raise ResponseError("response without a question")
        walk = _Walk(message, base, query.qname, base, base, caching)
        walk.section(answers, 0)
        walk.section(authority, 1)
        walk.section(additional, 2)
    except MalformedNameError as error:
        raise ResponseError(f"malformed response: {error}") from error
    except StructError as error:
        raise ResponseError("malformed response: record cut off") from error
    except FormatError as error:
        raise ResponseError("malformed response: EDNS option cut off") from error
    return _response(walk, flags, (answers, authority), query)


def _response(walk: _Walk, flags: int, counts: tuple[int, int], query: Query) -> Response:
    rcode = walk.rcode_high << 4 | flags & 15
    if rcode > 15:
        # Extended rcodes are about EDNS between this resolver and upstream; to the client it is a failure.
        rcode = Rcode.SERVFAIL
    negative = rcode == Rcode.NXDOMAIN or (rcode == Rcode.NOERROR and not _answers(walk, query))
    if negative and walk.soa >= 0:
        walk.ttls[walk.soa] = walk.soa_ttl
        walk.changed.append(walk.soa)
    elif rcode == Rcode.NOERROR and not negative and walk.caching.min_ttl:
        walk.lengthen()
    return Response(
        rcode=rcode, source="upstream", body=walk.body(), counts=(*counts, walk.additional),
        ends=(walk.ends[0], walk.ends[1]), ttl_offsets=tuple(walk.ttl_offsets), records=tuple(walk.records),
        ad=bool(flags & AD), ede=walk.ede[0], ede_text=walk.ede[1],
        lifetime=_lifetime(rcode, walk.ttls, negative=negative, soa=walk.soa >= 0),
    )  # fmt: skip


def _answers(walk: _Walk, query: Query) -> bool:
    return query.qtype_name in [record.type for record in walk.records]


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
        return ".".join(map(str, message[offset : offset + 4]))
    if kind == AAAA and length == 16:
        return str(IPv6Address(message[offset : offset + 16]))
    if kind in {CNAME, NS, PTR, DNAME}:
        return _absolute(message, offset)
    if kind == MX and length > 2:
        return f"{_preference.unpack_from(message, offset)[0]} {_absolute(message, offset + 2)}"
    if kind == TXT:
        return strings_text(message[offset : offset + length])
    return rdata_text(kind, message, offset, length)


def _absolute(message: bytes, offset: int) -> str:
    name, _ = read_name(message, offset)
    return name if name == "." else name + "."
