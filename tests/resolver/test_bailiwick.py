"""Records that belong to the question, and those that do not."""

from __future__ import annotations

import pytest
from dnslib import DNSRecord

from resolver.bailiwick import in_bailiwick
from resolver.errors import ResponseError
from resolver.names import name_wire
from resolver.query import Response
from resolver.sections import decode_response
from resolver.wire import encode_response
from tests.resolver.path import texts
from tests.resolver.test_sections import query_for, reply

NS, GLUE = "example.org. 300 IN NS ns.example.org.", "ns.example.org. 300 IN A 192.0.2.53"
A = "www.example.org. 300 IN A 192.0.2.1"
CHAIN = ("www.example.org. 300 IN CNAME a.example.net.", "a.example.net. 60 IN CNAME b.example.com.", "b.example.com. 9 IN A 192.0.2.9")
DNAME = (rf"example.org. 300 IN DNAME \# 13 {name_wire('example.net').hex()}", "www.example.org. 300 IN CNAME www.example.net.", "www.example.net. 60 IN A 192.0.2.1")
HOPS = tuple(f"{'www.example.org' if n == 0 else f'h{n}.example.org'}. 60 IN CNAME h{n + 1}.example.org." for n in range(20))
ABOVE = rf"net. 60 IN DNAME \# 14 {name_wire('evil.example').hex()}"
EVIL = "bank.example.com. 86400 IN A 203.0.113.66"


def scrubbed(*answer: str, qtype: str = "A") -> tuple[Response, Response]:
    """The answer as read, and what is left of it."""
    query = query_for("www.example.org", qtype)
    read = decode_response(reply(query, answer, (NS,), (GLUE,)), query)
    return read, in_bailiwick(query, read)


def shown(response: Response) -> DNSRecord:
    """As the client gets it."""
    return DNSRecord.parse(encode_response(query_for("WWW.example.org"), response, now=0.0, limit=65535))


@pytest.mark.parametrize("answer", [(A,), CHAIN, CHAIN[::-1], DNAME, (*HOPS, "h20.example.org. 60 IN A 192.0.2.1"), HOPS, ()], ids=["plain", "chain", "any order", "DNAME", "20 hops", "no end", "none"])
def test_what_belongs_is_untouched(answer: tuple[str, ...]) -> None:
    """The name asked, the names its CNAMEs lead to however many, a DNAME above them: the very same answer, byte for byte."""
    read, left = scrubbed(*answer)
    assert left is read


@pytest.mark.parametrize("answer", [(EVIL, A), (A, EVIL), (*CHAIN, EVIL), (EVIL, *CHAIN), (ABOVE, A)])
def test_foreign_records_are_left_out(answer: tuple[str, ...]) -> None:
    """Only the chain from the name asked stays; a server that adds others is not believed beyond it, nor its AD bit."""
    _, left = scrubbed(*answer)
    own = [line for line in answer if line not in (EVIL, ABOVE)]
    assert [text.split()[0].lower() for text in texts(shown(left).rr)] == [line.split()[0] for line in own]
    assert [str(record.rdata) for record in shown(left).rr] == [line.split()[-1] for line in own]
    assert (left.counts, left.lifetime, left.ad) == ((len(own), 0, 0), 300 if own == [A] else 9, False)
    assert len(left.records) == len(own)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((EVIL,), "answer about other names"),
        (("www.example.org. 60 IN CNAME a.example.org.", "a.example.org. 60 IN CNAME www.example.org."), "CNAMEs in a circle"),
        (("www.example.org. 60 IN CNAME www.example.org.",), "CNAMEs in a circle"),
        ((*HOPS[:-1], "h19.example.org. 60 IN CNAME www.example.org."), "CNAMEs in a circle"),
    ],
)
def test_what_is_no_answer(answer: tuple[str, ...], message: str) -> None:
    """Nothing about the name asked, or a circle of CNAMEs: the server failed."""
    with pytest.raises(ResponseError, match=f"^{message}$"):
        scrubbed(*answer)
