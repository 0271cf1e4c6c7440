"""Virtual names."""

from __future__ import annotations

import pytest
from dnslib import DNSRecord

from resolver.answers.local import Alias
from resolver.answers.lookup import Lookup, follow
from resolver.answers.virtual import Enclosing, answer_virtual
from resolver.query import Query, Response
from resolver.tenant_view import TenantView
from resolver.tenants import Asker, identify
from resolver.wire import decode_query, encode_response
from tests.resolver.path import NOW, Path, ask, texts


def asker(address: str = "127.0.1.1") -> Asker:
    """Who asks from an address."""
    found = identify(Path().store.current, address)
    assert found is not None
    return found


def tenant(address: str = "127.0.1.1") -> TenantView:
    """The view of the tenant at an address."""
    return asker(address).tenant


def found_for(query: Query, address: str = "127.0.1.1") -> Response | Alias | None:
    """What virtual names say."""
    return answer_virtual(asker(address), query, NOW, lambda: 0.0)


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
    answer = found_for(query, address)
    assert isinstance(answer, Response)
    parsed = DNSRecord.parse(encode_response(query, answer, now=0.0, limit=1232))
    assert texts(parsed.rr) == records
    assert (parsed.header.aa, answer.source) == (1, "virtual")


def test_nodata() -> None:
    """A virtual name without the type asked is NODATA with a SOA that holds no longer than its records."""
    query = query_for("portal.internal", "MX")
    answer = found_for(query)
    assert isinstance(answer, Response)
    parsed = DNSRecord.parse(encode_response(query, answer, now=0.0, limit=1232))
    assert (parsed.header.rcode, parsed.rr, parsed.auth[0].ttl) == (0, [], 30)
    assert str(parsed.auth[0].rname) == "portal.internal."


@pytest.mark.parametrize("name", ["shop.globex.internal", "nowhere.internal", "deep.example", "internal"])
def test_other_names_are_nobodys(name: str) -> None:
    """A name that is virtual for another tenant only is like any name that is not virtual."""
    assert found_for(query_for(name)) is None


def test_loops_end() -> None:
    """CNAMEs in a circle are a failure, not an endless answer."""
    answer = found_for(query_for("a.loop"))
    assert isinstance(answer, Response)
    assert (answer.rcode, answer.ede_text) == (2, "too many aliases")


def test_leaving_the_virtual_names() -> None:
    """A CNAME to another name leaves that name to be looked up, in lower case."""
    client, query = asker(), query_for("out.internal", "AAAA")
    found = found_for(query)
    assert isinstance(found, Alias)
    lookup = follow(client, Lookup(query), found, NOW, lambda: 0.0)
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
    client = identify(bare.store.current, "127.0.1.1")
    assert client is not None
    assert not enclosing.holds(client.tenant, "deep.example")


EVERY_TYPE = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec: {default: allow, clients: [{subnets: [127.0.1.0/24]}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: all}
spec:
  name: _all.internal
  records:
  - {type: A, data: 192.0.2.1}
  - {type: AAAA, data: "2001:db8::1"}
  - {type: TXT, data: '"one" "two"'}
  - {type: MX, data: 10 mail.internal}
  - {type: SRV, data: 10 5 443 host.internal.}
  - {type: HTTPS, data: 1 . port=8443 alpn=h2}
  - {type: SVCB, data: 1 svc.internal. alpn=dot}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: cname}
spec: {name: cname.internal, records: [{type: CNAME, data: b.internal}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: reverse}
spec: {name: 1.2.0.192.in-addr.arpa, records: [{type: PTR, data: host.internal}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: reverse6}
spec: {name: 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa, records: [{type: PTR, data: host.internal}]}
"""


@pytest.mark.parametrize(
    ("name", "qtype", "data"),
    [
        ("_all.internal", "A", "192.0.2.1"), ("_all.internal", "AAAA", "2001:db8::1"), ("_all.internal", "TXT", '"one","two"'),
        ("_all.internal", "MX", "10 mail.internal."), ("_all.internal", "SRV", "10 5 443 host.internal."),
        ("_all.internal", "HTTPS", "1 . alpn=h2 port=8443"), ("_all.internal", "SVCB", None), ("cname.internal", "CNAME", "b.internal."),
        ("1.2.0.192.in-addr.arpa", "PTR", "host.internal."),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", "host.internal."),
    ],
)  # fmt: skip
async def test_every_type(name: str, qtype: str, data: str | None) -> None:
    """A record of each type is answered as written; service parameters in the order that RFC 9460 section 2.2 wants."""
    (record,) = (await Path(EVERY_TYPE).get(name, qtype)).rr
    assert (str(record.rname), record.rtype) == (f"{name}.", DNSRecord.question(name, qtype).q.qtype)
    if data is not None:
        assert str(record.rdata) == data
    else:  # dnslib does not know SVCB
        assert bytes(record.rdata.data) == b"\0\1\3svc\x08internal\0\0\1\0\4\3dot"
