"""Virtual names."""

from __future__ import annotations

import pytest
from dnslib import DNSRecord

from resolver.answers.local import Alias
from resolver.answers.lookup import Lookup, follow
from resolver.answers.virtual import Enclosing, answer_virtual
from resolver.query import Query, Response
from resolver.tenants import TenantView, identify
from resolver.wire import decode_query, encode_response
from tests.resolver.path import Path, ask, texts


def tenant(address: str = "127.0.1.1") -> TenantView:
    """The view of the tenant at an address."""
    asker = identify(Path().store.current, address)
    assert asker is not None
    return asker.tenant


def query_for(name: str, qtype: str = "A") -> Query:
    """A decoded query."""
    return decode_query(ask(name, qtype))[0]


@pytest.mark.parametrize(
    ("name", "qtype", "address", "records"),
    [
        ("portal.internal", "A", "127.0.1.1", ["portal.internal. 60 A 10.1.0.1", "portal.internal. 60 A 10.1.0.2"]),
        ("Portal.INTERNAL", "A", "127.0.2.1", ["Portal.INTERNAL. 30 A 10.2.0.1"]),
        ("a.b.deep.example", "TXT", "127.0.1.1", ['a.b.deep.example. 30 TXT "hi there"']),
        ("one.internal", "CNAME", "127.0.1.1", ["one.internal. 30 CNAME two.internal."]),
        (
            "one.internal", "A", "127.0.1.1",
            [
                "one.internal. 30 CNAME two.internal.", "two.internal. 30 CNAME portal.internal.",
                "portal.internal. 60 A 10.1.0.1", "portal.internal. 60 A 10.1.0.2",
            ],
        ),
        ("one.internal", "TXT", "127.0.1.1", ["one.internal. 30 CNAME two.internal.", "two.internal. 30 CNAME portal.internal."]),
    ],
)  # fmt: skip
def test_records(name: str, qtype: str, address: str, records: list[str]) -> None:
    """Each tenant gets its own records, CNAMEs between virtual names are followed, letter case does not matter."""
    query = query_for(name, qtype)
    answer = answer_virtual(tenant(address), query)
    assert isinstance(answer, Response)
    parsed = DNSRecord.parse(encode_response(query, answer, now=0.0, limit=1232))
    assert texts(parsed.rr) == records
    assert (parsed.header.aa, answer.source) == (1, "virtual")


def test_nodata() -> None:
    """A virtual name without the type asked is NODATA with a SOA that holds no longer than its records."""
    query = query_for("portal.internal", "MX")
    answer = answer_virtual(tenant(), query)
    assert isinstance(answer, Response)
    parsed = DNSRecord.parse(encode_response(query, answer, now=0.0, limit=1232))
    assert (parsed.header.rcode, parsed.rr, parsed.auth[0].ttl) == (0, [], 30)
    assert str(parsed.auth[0].rname) == "portal.internal."


@pytest.mark.parametrize("name", ["shop.globex.internal", "nowhere.internal", "deep.example", "internal"])
def test_other_names_are_nobodys(name: str) -> None:
    """A name that is virtual for another tenant only is like any name that is not virtual."""
    assert answer_virtual(tenant(), query_for(name)) is None


def test_loops_end() -> None:
    """CNAMEs in a circle are a failure, not an endless answer."""
    answer = answer_virtual(tenant(), query_for("a.loop"))
    assert isinstance(answer, Response)
    assert (answer.rcode, answer.ede_text) == (2, "too many aliases")


def test_leaving_the_virtual_names() -> None:
    """A CNAME to another name leaves that name to be looked up, in lower case."""
    view, query = tenant(), query_for("out.internal", "AAAA")
    found = answer_virtual(view, query)
    assert isinstance(found, Alias)
    lookup = follow(view, query, found)
    assert isinstance(lookup, Lookup)
    assert (lookup.query.qname, lookup.query.question, len(lookup.steps)) == ("www.example.org", b"\3www\7example\3org\0\0\x1c\0\1", 1)


@pytest.mark.parametrize(
    ("address", "name", "holds"),
    [
        ("127.0.1.1", "deep.example", True), ("127.0.1.1", "b.deep.example", True), ("127.0.1.1", "internal", True),
        ("127.0.1.1", "globex.internal", False), ("127.0.2.1", "globex.internal", True), ("127.0.1.1", "a.b.deep.example", False),
        ("127.0.3.1", "internal", False),
    ],
)  # fmt: skip
def test_empty_non_terminals(address: str, name: str, holds: bool) -> None:
    """Names above a tenant's own virtual names exist for it, those above another's do not."""
    assert Enclosing().holds(tenant(address), name) is holds


def test_empty_non_terminals_follow_policy() -> None:
    """A new view of the tenant replaces what was known of the old one."""
    enclosing = Enclosing()
    assert enclosing.holds(tenant(), "deep.example")
    bare = Path("{apiVersion: nameward.io/v1, kind: Tenant, metadata: {name: acme}, spec: {default: allow, clients: [{subnets: [127.0.1.0/24]}]}}")
    asker = identify(bare.store.current, "127.0.1.1")
    assert asker is not None
    assert not enclosing.holds(asker.tenant, "deep.example")
