"""Responses of upstream servers."""

from __future__ import annotations

import pytest
from dnslib import EDNS0, RR, DNSRecord, EDNSOption
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import ResponseError
from resolver.query import Query, Record, Response
from resolver.sections import data_text, decode_response
from resolver.wire import decode_query, encode_query, encode_response
from tests.resolver.path import ask

SOA = "example.org. {ttl} IN SOA ns.example.org. admin.example.org. 7 3600 600 86400 {minimum}"


def query_for(name: str, qtype: str = "A") -> Query:
    """A decoded query."""
    return decode_query(ask(name, qtype, do=True))[0]


def reply(
    query: Query, answer: tuple[str, ...] = (), authority: tuple[str, ...] = (), additional: tuple[str, ...] = (), *, rcode: int = 0,
    opt: EDNS0 | None = None,
) -> bytes:
    """A response as dnslib compresses it."""
    record = DNSRecord.parse(encode_query(query)).reply(aa=0)
    record.ar, record.header.rcode = [], rcode
    for lines, add in ((answer, record.add_answer), (authority, record.add_auth), (additional, record.add_ar)):
        for line in lines:
            add(*RR.fromZone(line))
    if opt:
        record.add_ar(opt)
    return bytes(record.pack())


def test_body_fits_behind_any_spelling_of_the_question() -> None:
    """Records come back complete, compressed names included, behind the client's own letter case."""
    query = query_for("wWw.Example.org")
    message = reply(
        query_for("www.example.org"), ("www.example.org. 300 IN CNAME a.example.org.", "a.example.org. 60 IN A 192.0.2.1"),
        ("example.org. 300 IN NS ns.example.org.",), ("ns.example.org. 300 IN A 192.0.2.53",), opt=EDNS0(),
    )  # fmt: skip
    response = decode_response(message, query)
    assert response.counts == (2, 1, 1)
    assert response.records == (
        Record("www.example.org", "CNAME", "a.example.org.", 300), Record("a.example.org", "A", "192.0.2.1", 60),
    )  # fmt: skip
    shown = DNSRecord.parse(encode_response(query, response, now=0.0, limit=1232))
    assert [str(r.rname) for r in shown.rr] == ["wWw.Example.org.", "a.Example.org."]
    assert [str(r.rdata) for r in shown.auth + shown.ar[:1]] == ["ns.Example.org.", "192.0.2.53"]
    assert len(shown.ar) == 2


@pytest.mark.parametrize(
    ("answer", "authority", "rcode", "lifetime"),
    [
        (("www.example.org. 300 IN A 192.0.2.1", "www.example.org. 20 IN A 192.0.2.2"), (), 0, 20),
        (("www.example.org. 300 IN A 192.0.2.1",), ("example.org. 9 IN NS ns.example.org.",), 0, 9),
        (("www.example.org. 999999 IN A 192.0.2.1",), (), 0, 86400),
        (("www.example.org. 0 IN A 192.0.2.1",), (), 0, 0),
        ((), (SOA.format(ttl=900, minimum=60),), 3, 60),
        ((), (SOA.format(ttl=30, minimum=60),), 3, 30),
        ((), (SOA.format(ttl=90000, minimum=80000),), 3, 3600),
        ((), (SOA.format(ttl=900, minimum=60),), 0, 60),
        ((), (), 3, 0),
        ((), (), 0, 0),
        ((), ("example.org. 300 IN NS ns.example.org.",), 0, 0),
        (("www.example.org. 40 IN CNAME a.example.org.",), (SOA.format(ttl=900, minimum=60),), 3, 40),
        (("www.example.org. 40 IN CNAME a.example.org.",), (), 0, 0),
        ((), (), 2, 1),
        ((), (), 5, 1),
    ],
)
def test_how_long_an_answer_may_be_kept(answer: tuple[str, ...], authority: tuple[str, ...], rcode: int, lifetime: int) -> None:
    """The smallest TTL, capped; negative responses by SOA and MINIMUM (RFC 2308 section 5), without SOA not at all; failures 1 s."""
    query = query_for("www.example.org")
    assert decode_response(reply(query, answer, authority, rcode=rcode), query).lifetime == lifetime


def test_ttls_are_shown_as_they_are_kept() -> None:
    """A negative response's SOA carries the time it may be kept; caps and RFC 2181 section 8 (high bit) show too."""
    query = query_for("www.example.org")
    response = decode_response(reply(query, (), (SOA.format(ttl=900, minimum=60),), rcode=3), query)
    assert DNSRecord.parse(encode_response(query, response, now=0.0, limit=1232)).auth[0].ttl == 60
    for sent, kept in ((999999, 86400), (2**31, 0), (2**32 - 1, 0), (2**31 - 1, 86400)):
        response = decode_response(reply(query, (f"www.example.org. {sent} IN A 192.0.2.1",)), query)
        assert response.records[0].ttl == kept
        assert DNSRecord.parse(encode_response(query, response, now=0.0, limit=1232)).rr[0].ttl == kept


def test_ede_and_rcode_of_upstream() -> None:
    """The EDE passes through; extended rcodes, which are between resolvers, become a failure; AD is kept."""
    query = query_for("www.example.org")
    opt = EDNS0(opts=[EDNSOption(15, b"\0\x06bogus")])
    response = decode_response(reply(query, rcode=2, opt=opt), query)
    assert (response.rcode, response.ede, response.ede_text) == (2, 6, "bogus")
    assert decode_response(reply(query, opt=EDNS0(ext_rcode=1)), query).rcode == 2


def test_records_behind_opt_are_left_out() -> None:
    """OPT and what follows it never reach the client."""
    query = query_for("www.example.org")
    record = DNSRecord.parse(encode_query(query)).reply()
    record.ar = []
    record.add_ar(*RR.fromZone("ns.example.org. 300 IN A 192.0.2.53"))
    record.add_ar(EDNS0())
    record.add_ar(*RR.fromZone("sig.example.org. 300 IN A 192.0.2.54"))
    response = decode_response(bytes(record.pack()), query)
    assert response.counts[2] == 1
    assert len(DNSRecord.parse(encode_response(query, response, now=0.0, limit=1232)).ar) == 2


def test_responses_that_are_none() -> None:
    """Queries, truncated ones, other opcodes, other questions, cut records and other classes are refused."""
    query = query_for("www.example.org")
    good = reply(query, ("www.example.org. 300 IN A 192.0.2.1",))
    bad = {
        "query": good[:2] + bytes([good[2] & 0x7F]) + good[3:],
        "truncated": good[:2] + bytes([good[2] | 2]) + good[3:],
        "opcode": good[:2] + bytes([good[2] | 0x28]) + good[3:],
        "other question": good.replace(b"\3www", b"\3wwx"),
        "no question": good[:4] + b"\0\0\0\0\0\0\0\0",
        "cut": good[:-1],
        "count": good[:7] + b"\2" + good[8:],
        "class": good[:-12] + b"\0\3" + good[-10:-4] + good[-4:],
        "short": b"\0" * 5,
    }
    assert decode_response(good, query).counts == (1, 0, 0)
    for message in bad.values():
        with pytest.raises(ResponseError):
            decode_response(message, query)


def test_failure_without_a_question() -> None:
    """Servers that fail early may leave the question out; their rcode counts."""
    query = query_for("www.example.org")
    assert decode_response(b"\0\0\x81\x85" + bytes(8), query).rcode == 5


@given(st.lists(st.tuples(st.integers(12, 200), st.integers(0, 255)), max_size=8), st.integers(0, 40))
def test_mutated_responses(changes: list[tuple[int, int]], cut: int) -> None:
    """Changed and cut responses are refused or give an answer that can be rendered and read by others."""
    query = query_for("www.example.org", "MX")
    message = bytearray(reply(query, ("www.example.org. 300 IN MX 10 mx.example.org.", 'www.example.org. 9 IN TXT "a"'), (SOA.format(ttl=9, minimum=9),), opt=EDNS0()))
    for at, value in changes:
        message[at % len(message)] = value
    try:
        response = decode_response(bytes(message[: len(message) - cut]), query)
    except ResponseError:
        return
    assert isinstance(response, Response)
    rendered = encode_response(query, response, now=0.0, limit=1232)
    assert len(rendered) <= 1232
    assert len(response.ttl_offsets) == sum(response.counts)


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (1, b"\xc0\0\2\1", "192.0.2.1"), (28, b"\xfd" + bytes(14) + b"\1", "fd00::1"), (5, b"\1A\2bc\0", "a.bc."), (2, b"\0", "."),
        (15, b"\0\x0a\1a\0", "10 a."), (16, b'\3a"b\2\\\xff', '"a\\"b" "\\\\\\255"'), (1, b"\1\2", "\\# 2 0102"), (10, b"\1\2", "\\# 2 0102"),
        (16, b"", ""),
    ],
)  # fmt: skip
def test_data_as_text(kind: int, data: bytes, text: str) -> None:
    """Common types in presentation format, anything else in the generic form."""
    assert data_text(kind, data, 0, len(data)) == text
