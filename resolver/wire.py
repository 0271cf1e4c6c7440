"""Query messages: bytes -> Query, Response -> bytes, and the only door to dnslib (record data as text <-> on the wire).

First and last step of the path. What comes from the network is read here by hand, byte by byte, and nothing but the
errors of errors.py comes out; responses of upstream servers are read by sections.py. This module must not know who
asks, policy, or where answers come from.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct's name for it says nothing

from dnslib import RDMAP, RR, DNSBuffer

from resolver.errors import (
    BadVersionError,
    FormatError,
    NotAQueryError,
    NotImplementedQueryError,
    RefusedError,
    ResolutionError,
)
from resolver.mnemonics import type_name
from resolver.names import MalformedNameError, labels_text, read_labels, skip_name
from resolver.options import ede_option, read_options
from resolver.query import Edns, Query, Response
from resolver.strings import strings_wire

HEADER = 12
MAX_UDP = 1232
"""UDP payload this resolver offers and never exceeds: fits an IPv6 path without fragments (DNS flag day 2020)."""
MAX_TCP = 65535
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
IN, OPT = 1, 41

_header = Struct("!HHHHHH")
_pair = Struct("!HH")
_fixed = Struct("!HHIH")
_ttl = Struct("!I")


def decode_query(message: bytes) -> tuple[Query, ResolutionError | None]:
    """Read one message of a client.

    Returns:
        What could be read, and the error it is to be answered with, None if it is a well-formed query. After an
        error the question may be empty (b"") and the name ".".

    Raises:
        NotAQueryError: if the message gets no answer: shorter than a header, or a response.
    """
    if len(message) < HEADER:
        raise NotAQueryError("shorter than a header")
    ident, flags, questions, *_ = counts = _header.unpack_from(message)
    if flags & QR:
        raise NotAQueryError("a response")
    question = b""
    labels: list[bytes] = []
    edns: Edns | None = None
    error: ResolutionError | None
    try:
        if flags >> 11 & 15:
            raise NotImplementedQueryError
        if questions != 1:  # RFC 9619: a query has one question
            raise FormatError
        labels, question = _question(message)
        edns = _edns(message, HEADER + len(question), counts[3] + counts[4], counts[5])
        error = BadVersionError() if edns and edns.version else None
    except (MalformedNameError, StructError):
        error = FormatError()
    except ResolutionError as caught:
        error = caught
    qtype, qclass = _pair.unpack(question[-4:]) if question else (0, 0)
    query = Query(
        id=ident, flags=flags, opcode=flags >> 11 & 15, rd=bool(flags & RD), cd=bool(flags & CD), ad=bool(flags & AD),
        do=bool(edns and edns.do), question=question, qname=labels_text(labels), qtype=qtype, qclass=qclass,
        qtype_name=type_name(qtype), edns=edns, size=len(message),
    )  # fmt: skip
    return query, error


def _question(message: bytes) -> tuple[list[bytes], bytes]:
    labels, after = read_labels(message, HEADER)
    # A pointer in the only name of a message has nothing to point to but the header.
    if len(message) < after + 4 or after - HEADER != sum(map(len, labels)) + len(labels) + 1:
        raise FormatError
    return labels, message[HEADER : after + 4]


def _edns(message: bytes, offset: int, others: int, additional: int) -> Edns | None:
    """Walk the rest of a query: every record whole, nothing behind them, at most one OPT (RFC 6891 section 6.1.1)."""
    edns: Edns | None = None
    for index in range(others + additional):
        owner = offset
        offset = skip_name(message, offset)
        kind, payload, ttl, length = _fixed.unpack_from(message, offset)
        offset += _fixed.size
        if offset + length > len(message):
            raise FormatError
        if kind == OPT:
            # RFC 6891 section 6.1.2: the owner is the root, and OPT belongs to the additional section.
            if edns or message[owner] or index < others:
                raise FormatError
            options = tuple(read_options(message, offset, offset + length))
            edns = Edns(ttl >> 16 & 255, payload, bool(ttl & 0x8000), options)
        offset += length
    if offset != len(message):
        raise FormatError
    return edns


def check_servable(query: Query) -> None:
    """Refuse what is well-formed but not a question to a resolver.

    Raises:
        ResolutionError: other classes and zone transfers are refused (RFC 5936 section 2.2.1), meta types and obsolete
            ones are not implemented, OPT and 0 are no types to ask for.
    """
    if query.qclass != IN or query.qtype in {251, 252}:
        raise RefusedError
    if query.qtype in {0, OPT}:
        raise FormatError
    if query.qtype in {249, 250, 253, 254}:
        raise NotImplementedQueryError


def encode_query(query: Query) -> bytes:
    """The query to send upstream, with id 0: the question as the client wrote it, CD and DO passed on, AD asked for.

    Letter case is kept (RFC 4343 section 3 lets it carry nothing, programs that talk through DNS do make it).
    """
    # RFC 6840 section 5.7: AD in a query asks for the AD bit; the cache needs it whoever asked first.
    flags = RD | AD | (CD if query.cd else 0)
    return _header.pack(0, flags, 1, 0, 0, 1) + query.question + _opt(0, query.do, b"")


def encode_response(query: Query, response: Response, *, now: float, limit: int) -> bytes:
    """Render an answer for one query.

    Args:
        query: the client's.
        response: what to say; its TTLs are counted down by the whole seconds since it was born.
        now: Unix seconds.
        limit: the largest message the client can take, in bytes (see limit_of).
    """
    body: bytes | bytearray = response.body
    age = int(now - response.born) if response.born is not None else 0
    if age > 0:
        body = bytearray(body)
        for offset in response.ttl_offsets:
            _ttl.pack_into(body, offset, max(0, _ttl.unpack_from(body, offset)[0] - age))
    flags = response_flags(query, response)
    answers, authority, additional = response.counts
    opt = _opt(response.rcode >> 4, query.do, ede_option(response.ede, response.ede_text)) if query.edns else b""
    room = limit - HEADER - len(query.question) - len(opt)
    if len(body) > room:
        # RFC 2181 section 9: leaving out additional records alone is no truncation.
        body, additional = body[: response.ends[1]], 0
    if len(body) > room or response.truncated:
        body, answers, authority, flags = b"", 0, 0, flags | TC
    counts = (1 if query.question else 0, answers, authority, additional + bool(opt))
    return _header.pack(query.id, flags, *counts) + query.question + body + opt


def response_flags(query: Query, response: Response) -> int:
    """Header flags word of the response, before any truncation."""
    flags = QR | RA | query.opcode << 11 | query.flags & (RD | CD) | response.rcode & 15
    if response.aa:
        flags |= AA
    # RFC 6840 section 5.8: AD only for those who understand it.
    if response.ad and (query.ad or query.do):
        flags |= AD
    return flags


def limit_of(query: Query, transport: str) -> int:
    """Largest response in bytes: 512 over UDP without EDNS, else what was offered, at least 512 (RFC 6891 6.2.3)."""
    if transport != "udp":
        return MAX_TCP
    return min(max(query.edns.payload, 512), MAX_UDP) if query.edns else 512


def _opt(extended_rcode: int, do: bool, options: bytes) -> bytes:  # noqa: FBT001 - the DO bit is a value here
    ttl = extended_rcode << 24 | (0x8000 if do else 0)
    return b"\0" + _fixed.pack(OPT, MAX_UDP, ttl, len(options)) + options


@lru_cache(maxsize=16384)
def rdata_wire(kind: str, text: str) -> bytes:
    """Record data on the wire, uncompressed, of a record an operator wrote.

    Raises:
        ValueError: if the text is not data of that type.
    """
    kind = kind.replace("SVCB", "HTTPS")  # the same format (RFC 9460 section 2.2); dnslib knows one of them
    if kind not in RDMAP:
        raise ValueError(f"data of {kind} records cannot be written here")
    if kind == "TXT":  # dnslib takes \DDD for octal digits
        return strings_wire(text)
    try:
        record = RR.fromZone(f". 0 IN {kind} {text}")[0]
        buffer = DNSBuffer()
        record.rdata.pack(buffer)
    except Exception as error:  # dnslib raises whatever its parser stumbles over
        raise ValueError(f"{text!r} is not data of a {kind} record: {error}") from error
    return bytes(buffer.data)


def rdata_text(kind: int, message: bytes, offset: int, length: int) -> str:
    """Presentation of record data by dnslib; what it cannot read in the generic form (RFC 3597 section 5)."""
    parser = RDMAP.get(type_name(kind).replace("SVCB", "HTTPS"))
    if parser is not None:
        buffer = DNSBuffer(message)
        buffer.offset = offset
        try:
            text = str(parser.parse(buffer, length).toZone())
        except Exception:  # noqa: BLE001, S110 - hostile bytes; dnslib raises more than its own errors, and the hex form below always works
            pass
        else:
            if buffer.offset == offset + length and text.isprintable():
                return text
    return f"\\# {length} {message[offset : offset + length].hex()}".rstrip()
