"""Answers made here: policy's forms, virtual names, SOA of negative ones, minimal ANY."""

from __future__ import annotations

import pytest
from dnslib import DNSRecord

from resolver.answers.local import Alias, negative
from resolver.answers.policy import answer_by_policy, minimal_any
from resolver.policy.decision import AnswerForm, Decision
from resolver.query import Query, Response
from resolver.wire import decode_query, encode_response
from tests.resolver.path import ask, ede_of, texts


def query_for(name: str, qtype: str = "A") -> Query:
    """A decoded query with EDNS."""
    return decode_query(ask(name, qtype, edns=True))[0]


def shown(query: Query, response: Response | Alias) -> DNSRecord:
    """The rendered answer as dnslib reads it."""
    assert isinstance(response, Response)
    return DNSRecord.parse(encode_response(query, response, now=0.0, limit=1232))


@pytest.mark.parametrize(("name", "rcode", "owner"), [("a.b.example", 3, "b.example."), ("com", 3, "."), (".", 3, "."), ("a.b.example", 0, "a.b.example.")])
def test_soa_of_negative_answers(name: str, rcode: int, owner: str) -> None:
    """The SOA belongs to the parent of a name that does not exist, to the name itself where only the type is missing."""
    query = query_for(name)
    answer = shown(query, negative("policy", rcode, query, 30))
    assert (answer.header.rcode, answer.header.aa, answer.rr) == (rcode, 1, [])
    assert texts(answer.auth) == [f"{owner} 30 SOA ns.nameward.invalid. hostmaster.nameward.invalid. 1 3600 600 86400 30"]


@pytest.mark.parametrize(
    ("form", "qtype", "rcode", "records", "authority"),
    [
        (AnswerForm("nxdomain", ttl=7), "A", 3, [], 1),
        (AnswerForm("nodata"), "A", 0, [], 1),
        (AnswerForm("refused"), "A", 5, [], 0),
        (AnswerForm("addresses", ("10.0.0.1", "fd00::1", "10.0.0.2"), ttl=9), "A", 0, ["x.y. 9 A 10.0.0.1", "x.y. 9 A 10.0.0.2"], 0),
        (AnswerForm("addresses", ("10.0.0.1", "fd00::1")), "AAAA", 0, ["x.y. 30 AAAA fd00::1"], 0),
        (AnswerForm("addresses", ("10.0.0.1",)), "AAAA", 0, [], 1),
        (AnswerForm("addresses", ("10.0.0.1",)), "TXT", 0, [], 1),
        (AnswerForm("cname", target="safe.example"), "CNAME", 0, ["x.y. 30 CNAME safe.example."], 0),
    ],
)
def test_forms_of_a_deny(form: AnswerForm, qtype: str, rcode: int, records: list[str], authority: int) -> None:
    """Each form has its rcode and records; negative ones their SOA."""
    query = query_for("x.y", qtype)
    answer = shown(query, answer_by_policy(query, Decision("deny", form=form), form))
    assert (answer.header.rcode, texts(answer.rr), len(answer.auth)) == (rcode, records, authority)


def test_silence_and_ede() -> None:
    """Form drop is silence; a form with EDE carries the decision's text, one without carries none."""
    query = query_for("x.y")
    drop = answer_by_policy(query, Decision("deny"), AnswerForm("drop"))
    assert isinstance(drop, Response)
    assert drop.source == "none"
    form = AnswerForm("nxdomain", ede=15)
    assert ede_of(shown(query, answer_by_policy(query, Decision("deny", ede_text="p/r"), form))) == (15, "p/r")
    assert ede_of(shown(query, answer_by_policy(query, Decision("deny", ede_text="p/r"), AnswerForm("nxdomain")))) is None


def test_redirect_leads_on() -> None:
    """A redirect for any type but CNAME says where to look."""
    query = query_for("x.y")
    found = answer_by_policy(query, Decision("redirect", ede_text="p/r"), AnswerForm("cname", target="safe.example", ede=4))
    assert isinstance(found, Alias)
    assert (found.target, found.ede, found.ede_text, found.chain[0][1].data) == ("safe.example", 4, "p/r", "safe.example.")


def test_any_is_answered_with_one_hinfo() -> None:
    """RFC 8482 section 4.2: HINFO "RFC8482", whatever the name."""
    query = query_for("x.y", "ANY")
    wire = encode_response(query, minimal_any(query), now=0.0, limit=512)
    assert b"\xc0\x0c\0\x0d\0\1\0\0\x0e\x10\0\x09\x07RFC8482\0" in wire
    assert DNSRecord.parse(wire).header.a == 1
