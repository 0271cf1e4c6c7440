"""Query messages and rendered answers."""

from __future__ import annotations

import struct

import pytest
from dnslib import QTYPE, RR, DNSRecord
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.errors import BadVersionError, FormatError, NotAQueryError, NotImplementedQueryError, RefusedError
from resolver.query import Query, Response
from resolver.wire import (
    check_servable,
    decode_query,
    encode_query,
    encode_response,
    limit_of,
    rdata_text,
    rdata_wire,
)
from tests.resolver.path import ask, ede_of

QUESTION = b"\3wWw\7example\3com\0\0\1\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def message(flags: int = 0x0100, counts: tuple[int, int, int, int] = (1, 0, 0, 0), rest: bytes = QUESTION) -> bytes:
    """A message with this header."""
    return struct.pack("!HHHHHH", 7, flags, *counts) + rest


def good(data: bytes) -> Query:
    """A query that must be well-formed."""
    query, error = decode_query(data)
    assert error is None
    return query


def test_what_is_read_of_a_query() -> None:
    """Header, question (letter case kept for the echo, name in lower case) and EDNS are read."""
    query = good(message(0x0130, (1, 0, 0, 1), QUESTION + b"\0\0\x29\x10\0\0\0\x80\0\0\x08\0\x0a\0\4abcd"))
    assert (query.id, query.opcode, query.rd, query.cd, query.ad, query.do) == (7, 0, True, True, True, True)
    assert (query.question, query.qname, query.qtype, query.qclass, query.qtype_name) == (QUESTION, "www.example.com", 1, 1, "A")
    assert query.edns is not None
    assert (query.edns.version, query.edns.payload, query.edns.options) == (0, 4096, ((10, b"abcd"),))


@pytest.mark.parametrize("data", [b"", b"\0" * 11, message(0x8180), message(0x8180, (0, 0, 0, 0), b"")])
def test_no_answer_at_all(data: bytes) -> None:
    """Less than a header and responses are never answered."""
    with pytest.raises(NotAQueryError):
        decode_query(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (message(counts=(0, 0, 0, 0), rest=b""), FormatError),
        (message(counts=(2, 0, 0, 0), rest=QUESTION * 2), FormatError),
        (message(rest=QUESTION[:-1]), FormatError),
        (message(rest=b""), FormatError),
        (message(rest=b"\xc0\x0c\0\1\0\1"), FormatError),
        (message(rest=b"\3www\xc0\x0c\0\1\0\1"), FormatError),
        (message(rest=b"\1a\xc0\x04\0\1\0\1"), FormatError),
        (message(rest=QUESTION + b"x"), FormatError),
        (message(counts=(1, 1, 0, 0)), FormatError),
        (message(counts=(1, 0, 0, 2), rest=QUESTION + OPT + OPT), FormatError),
        (message(counts=(1, 0, 1, 0), rest=QUESTION + OPT), FormatError),
        (message(counts=(1, 0, 0, 1), rest=QUESTION + b"\1a" + OPT), FormatError),
        (message(counts=(1, 0, 0, 1), rest=QUESTION + OPT[:-2] + b"\0\3\0\x0a\0"), FormatError),
        (message(counts=(1, 0, 0, 1), rest=QUESTION + OPT[:-2] + b"\0\5\0\x0a\0\2x"), FormatError),
        (message(counts=(1, 0, 0, 1), rest=QUESTION + b"\0\0\x29\x04\xd0\0\1\0\0\0\0"), BadVersionError),
        (message(2 << 11), NotImplementedQueryError),
        (message(5 << 11, rest=b"junk"), NotImplementedQueryError),
    ],
)
def test_what_is_wrong_with_a_query(data: bytes, error: type[Exception]) -> None:
    """Bad counts, cut or compressed questions, broken or doubled OPT records, other opcodes: each has its error."""
    _, found = decode_query(data)
    assert type(found) is error


def test_updates_and_signatures_are_walked_over() -> None:
    """Other records in a query, a TSIG for instance, are neither read nor in the way."""
    tsig = b"\3key\0\0\xfa\0\xff\0\0\0\0\0\4abcd"
    assert good(message(counts=(1, 0, 0, 2), rest=QUESTION + OPT + tsig)).edns is not None


@given(st.binary(max_size=200))
@example(b"\0" * 12)
def test_any_bytes(data: bytes) -> None:
    """Any bytes give a query with or without an error, or silence, and every error can be answered."""
    try:
        query, error = decode_query(data)
    except NotAQueryError:
        assert len(data) < 12 or data[2] & 0x80
        return
    answer = encode_response(query, Response(error.rcode if error else 0, "error"), now=0.0, limit=512)
    assert answer[:2] == data[:2]
    assert answer[2] & 0x80
    DNSRecord.parse(answer)


@given(st.binary(min_size=1, max_size=4), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=6), st.booleans())
def test_mutated_queries(tail: bytes, changes: list[tuple[int, int]], cut: bool) -> None:
    """A query with any few bytes changed, cut or lengthened never raises anything but what decode_query says."""
    data = bytearray(ask("www.example.com", edns=True, do=True))
    for at, value in changes:
        data[at % len(data)] = value
    data = data[: -len(tail)] if cut else data + tail
    try:
        query, _ = decode_query(bytes(data))
    except NotAQueryError:
        return
    assert query.size == len(data)


@given(
    st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=5).map(".".join),
    st.sampled_from(["A", "AAAA", "TXT", "HTTPS"]), st.integers(0, 65535), st.booleans(), st.booleans(),
)  # fmt: skip
def test_query_round_trip(name: str, qtype: str, ident: int, edns: bool, do: bool) -> None:
    """What another implementation writes is read, and what goes upstream asks the same in the same letters."""
    query = good(ask(name, qtype, ident=ident, edns=edns, do=do))
    assert (query.id, query.qname, query.qtype_name, query.do) == (ident, name.lower(), qtype, do)
    upstream = DNSRecord.parse(encode_query(query))
    assert str(upstream.q.qname) == name + "."
    assert (QTYPE[upstream.q.qtype], upstream.header.id, upstream.header.rd, upstream.header.ad) == (qtype, 0, 1, 1)
    assert upstream.ar[0].edns_do == do
    assert upstream.ar[0].rclass == 1232


@pytest.mark.parametrize(
    ("qtype", "qclass", "error"),
    [
        (252, 1, RefusedError), (251, 1, RefusedError), (1, 3, RefusedError), (1, 255, RefusedError),
        (41, 1, FormatError), (0, 1, FormatError), (250, 1, NotImplementedQueryError), (254, 1, NotImplementedQueryError),
    ],
)  # fmt: skip
def test_questions_nobody_may_ask(qtype: int, qclass: int, error: type[Exception]) -> None:
    """Other classes, zone transfers, meta and obsolete types each get their rcode."""
    query = good(message(rest=QUESTION[:-4] + struct.pack("!HH", qtype, qclass)))
    with pytest.raises(error):
        check_servable(query)


def test_other_types_may_be_asked() -> None:
    """ANY and types unknown here are questions like any other."""
    for qtype in (255, 65280, 64):
        check_servable(good(message(rest=QUESTION[:-4] + struct.pack("!HH", qtype, 1))))


def response(*lines: str, additional: int = 0, **changes: object) -> Response:
    """An answer with these records, uncompressed."""
    body, offsets, end = bytearray(), [], 0
    for number, line in enumerate(lines):
        record = RR.fromZone(line)[0]
        wire = bytes(DNSRecord(rr=[record]).pack())[12:]
        if number == len(lines) - additional:
            end = len(body)
        body += wire
        offsets.append(len(body) - len(wire) + len(record.rname.label and record.rname.idna()) + 1 + 4)
    end = end or len(body)
    counts = (len(lines) - additional, 0, additional)
    return Response(0, "cache", bytes(body), counts, (end, end), tuple(offsets), **changes)  # type: ignore[arg-type]


def test_answer_echoes_the_question() -> None:
    """Id, opcode, RD, CD and the question's letter case come back; QR and RA are set."""
    answer = encode_response(good(message(0x0110)), response("www.example.com. 30 IN A 192.0.2.1"), now=0.0, limit=512)
    assert answer[:12] == struct.pack("!HHHHHH", 7, 0x8190, 1, 1, 0, 0)
    assert answer[12 : 12 + len(QUESTION)] == QUESTION


@pytest.mark.parametrize(("born", "now", "ttl"), [(None, 1e9, 30), (100.0, 100.9, 30), (100.0, 112.0, 18), (100.0, 999.0, 0), (100.0, 90.0, 30)])
def test_ttls_count_down(born: float | None, now: float, ttl: int) -> None:
    """TTLs fall by whole seconds since birth, never below zero; those of local data stand."""
    answer = encode_response(good(message()), response("www.example.com. 30 IN A 192.0.2.1", born=born), now=now, limit=512)
    assert DNSRecord.parse(answer).rr[0].ttl == ttl


@pytest.mark.parametrize(
    ("flags", "do", "shown"), [(0x0100, False, 0), (0x0120, False, 1), (0x0100, True, 1)]
)
def test_ad_for_those_who_understand_it(flags: int, do: bool, shown: int) -> None:
    """RFC 6840 section 5.8: AD is shown to a query with AD or DO."""
    rest = QUESTION + (b"\0\0\x29\x04\xd0\0\0\x80\0\0\0" if do else b"")
    query = good(message(flags, (1, 0, 0, int(do)), rest))
    answer = DNSRecord.parse(encode_response(query, response("www.example.com. 30 IN A 192.0.2.1", ad=True), now=0.0, limit=512))
    assert answer.header.ad == shown


@pytest.mark.parametrize(
    ("edns", "payload", "transport", "limit"),
    [(False, 0, "udp", 512), (True, 0, "udp", 512), (True, 700, "udp", 700), (True, 4096, "udp", 1232), (True, 600, "tcp", 65535)],
)
def test_how_large_an_answer_may_be(edns: bool, payload: int, transport: str, limit: int) -> None:
    """RFC 6891 section 6.2.3: at least 512, at most 1232 over UDP; anything over TCP."""
    assert limit_of(good(ask("a.example", edns=edns, payload=payload)), transport) == limit


def test_truncation() -> None:
    """What does not fit goes: additional records silently, anything else with TC and an empty answer that keeps its OPT."""
    query = good(ask("a.example", edns=True))
    large = response(*(f"a.example. 30 IN A 10.0.0.{n}" for n in range(20)), "ns.example. 30 IN A 10.9.9.9", additional=1)
    whole = encode_response(query, large, now=0.0, limit=1232)
    parsed = DNSRecord.parse(encode_response(query, large, now=0.0, limit=len(whole) - 1))
    assert (parsed.header.tc, parsed.header.a, parsed.header.ar) == (0, 20, 1)
    short = encode_response(query, large, now=0.0, limit=300)
    parsed = DNSRecord.parse(short)
    assert (parsed.header.tc, parsed.header.a, parsed.header.ar, len(short) <= 300) == (1, 0, 1, True)


def test_edns_of_the_answer() -> None:
    """OPT is answered with OPT: version 0, DO copied, extended rcode, EDE; no OPT in, no OPT out."""
    answer = Response(16, "error", ede=15, ede_text="rules/no-com")
    parsed = DNSRecord.parse(encode_response(good(ask("a.example", do=True)), answer, now=0.0, limit=512))
    assert (parsed.ar[0].edns_do, parsed.ar[0].edns_ver, parsed.ar[0].edns_rcode) == (1, 0, 1)
    assert ede_of(parsed) == (15, "rules/no-com")
    assert DNSRecord.parse(encode_response(good(ask("a.example")), answer, now=0.0, limit=512)).ar == []


def test_bad_version_is_answered_with_version_0() -> None:
    """RFC 6891 section 6.1.3: BADVERS carries an OPT of the version that is understood."""
    query, error = decode_query(message(counts=(1, 0, 0, 1), rest=QUESTION + b"\0\0\x29\x04\xd0\0\1\0\0\0\0"))
    assert error is not None
    parsed = DNSRecord.parse(encode_response(query, Response(error.rcode, "error"), now=0.0, limit=512))
    assert (parsed.header.rcode, parsed.ar[0].edns_rcode, parsed.ar[0].edns_ver) == (0, 1, 0)


def test_long_ede_texts_are_cut_at_a_character() -> None:
    """An EDE text never takes more than 200 bytes and stays UTF-8."""
    parsed = DNSRecord.parse(encode_response(good(ask("a.example", edns=True)), Response(0, "policy", ede=0, ede_text="é" * 150 + "x"), now=0.0, limit=512))
    assert ede_of(parsed) == (0, "é" * 100)



@pytest.mark.parametrize(
    ("kind", "number", "text"),
    [
        ("A", 1, "10.0.0.1"), ("AAAA", 28, "fd00::1"), ("CNAME", 5, "a.example."), ("MX", 15, "10 mail.example."),
        ("TXT", 16, '"hello world" "b"'), ("SRV", 33, "10 5 443 host.example."), ("PTR", 12, "host.example."),
        ("HTTPS", 65, "1 . alpn=h2,h3"), ("SVCB", 64, "1 . alpn=h2"),
    ],
)  # fmt: skip
def test_record_data_both_ways(kind: str, number: int, text: str) -> None:
    """What an operator writes is what is read back of the wire."""
    wire = rdata_wire(kind, text)
    assert rdata_text(number, wire, 0, len(wire)) == text


@pytest.mark.parametrize(("kind", "text"), [("A", "10.0.0"), ("A", "x"), ("AAAA", "10.0.0.1"), ("MX", "mail"), ("HINFO", "a b"), ("SRV", "1 2 x")])
def test_data_of_another_type(kind: str, text: str) -> None:
    """Text that is not data of the type, or of a type that cannot be written, is a ValueError that says so."""
    with pytest.raises(ValueError, match="data of"):
        rdata_wire(kind, text)


@given(st.sampled_from([6, 13, 15, 16, 33, 35, 43, 46, 47, 48, 52, 64, 65, 257, 10, 65280]), st.binary(max_size=60))
def test_any_data_has_a_text(kind: int, data: bytes) -> None:
    """Hostile record data ends in a text, the generic form if need be."""
    text = rdata_text(kind, data, 0, len(data))
    assert text.isprintable()
