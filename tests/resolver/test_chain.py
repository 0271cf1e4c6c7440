"""CNAMEs in front of another name's answer."""

from __future__ import annotations

import pytest
from dnslib import DNSRecord

from resolver.chain import prepend, record_wire
from resolver.errors import ResponseError
from resolver.query import Record
from resolver.sections import decode_response
from resolver.wire import decode_query, encode_response
from tests.resolver.path import ask, texts
from tests.resolver.test_sections import reply

ALIAS = (b"\xc0\x0c", Record("short", "CNAME", "www.example.org.", 30))


def test_target_is_written_out() -> None:
    """Names compressed against the target's question are whole behind the alias's, whose TTL begins to count now."""
    target = decode_query(ask("www.example.org"))[0]
    answer = decode_response(
        reply(
            target,
            ("www.example.org. 300 IN CNAME a.example.org.", "a.example.org. 60 IN MX 5 mx.example.org.", "a.example.org. 60 IN A 192.0.2.1"),
            ("example.org. 900 IN SOA ns.example.org. admin.example.org. 1 2 3 4 5",), ("mx.example.org. 60 IN A 192.0.2.2",),
        ), target,
    )  # fmt: skip
    answer.born = 100.0
    query = decode_query(ask("short"))[0]
    whole = prepend((ALIAS,), target.question, answer, 105.5)
    shown = DNSRecord.parse(encode_response(query, whole, now=110.0, limit=1232))
    assert texts(shown.rr) == [
        "short. 25 CNAME www.example.org.", "www.example.org. 290 CNAME a.example.org.", "a.example.org. 50 MX 5 mx.example.org.",
        "a.example.org. 50 A 192.0.2.1",
    ]  # fmt: skip
    assert str(shown.auth[0].rdata).startswith("ns.example.org. admin.example.org. 1 2")
    assert texts(shown.ar) == ["mx.example.org. 50 A 192.0.2.2"]
    assert (whole.lifetime, whole.records[0], len(whole.records)) == (30, ALIAS[1], 4)


def test_malformed_names_in_the_target_answer() -> None:
    """A name that only writing out stumbles over is the upstream's fault, not an accident."""
    target = decode_query(ask("www.example.org"))[0]
    message = reply(target, (), (), ("mx.example.org. 60 IN NS a.example.org.",))
    broken = message[:-2] + b"\xc0\xff"
    answer = decode_response(broken, target)
    with pytest.raises(ResponseError):
        prepend((ALIAS,), target.question, answer, 0.0)


def test_one_record() -> None:
    """A record is owner, type, class, TTL, length and data."""
    assert record_wire(b"\0", Record("", "A", "192.0.2.1", 5)) == b"\0\0\1\0\1\0\0\0\5\0\4\xc0\0\2\1"
