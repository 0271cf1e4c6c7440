"""Search lists as clients see them: short names are found, and no rule is escaped by way of a suffix."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.explain import explained, question
from tests.resolver.path import POLICY, Path, ask, ede_of, texts
from tests.resolver.policy.written import discovery, service

SEARCHING = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  default: allow
  clients: [{{subnets: [127.0.1.0/24]}}]
  workloads: [{{name: frontend, subnets: [127.0.1.10], labels: {{app: frontend}}}}]
  search: [{search}]
  ndots: {ndots}
  upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}]
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: globex}}
spec:
  default: allow
  clients: [{{subnets: [127.0.2.0/24]}}]
  upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}]
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: web}}
spec: {{name: web.acme.internal, tenants: [acme], records: [{{type: A, data: 10.1.0.1, ttl: 60}}]}}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: below}}
spec: {{name: x.deep.svc.acme.internal, tenants: [acme], records: [{{type: A, data: 10.1.0.2}}]}}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: secret}}
spec: {{name: secret.svc.acme.internal, tenants: [globex], records: [{{type: A, data: 10.2.0.9}}]}}
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {{name: rules}}
spec:
  tier: tenant
  tenants: [acme]
  rules:
  - {{name: no-com, clients: {{matchLabels: {{app: frontend}}}}, match: {{qname: ["*.com"]}}, action: deny, log: true}}
  - {{name: no-mail, match: {{qname: [mail.acme.internal]}}, action: deny}}
  - {{name: refused, match: {{qname: [refused.acme.internal]}}, action: deny, answer: {{form: refused}}}}
  - {{name: hole, match: {{qname: [hole.svc.acme.internal]}}, action: deny, answer: {{form: addresses, addresses: [10.6.6.6]}}}}
  - {{name: bare, match: {{qname: [bare]}}, action: deny}}
  - {{name: away, match: {{qname: [away.acme.internal]}}, action: redirect, answer: {{target: web.acme.internal}}}}
"""
BOTH = "svc.acme.internal, acme.internal"
ZONE = [
    "db.svc.acme.internal. 50 IN A 192.0.2.5", "db.acme.internal. 50 IN A 192.0.2.6", "mail.acme.internal. 50 IN A 192.0.2.7",
    "www.com. 50 IN A 192.0.2.8", "www.com.svc.acme.internal. 50 IN A 192.0.2.9", "single. 50 IN A 192.0.2.10",
    "bare.svc.acme.internal. 50 IN A 192.0.2.11", "only-mx.svc.acme.internal. 50 IN MX 5 mx.acme.internal.",
    "only-mx.acme.internal. 50 IN A 192.0.2.12", "a.b.svc.acme.internal. 50 IN A 192.0.2.13",
]  # fmt: skip


def path(search: str = BOTH, ndots: int = 1) -> Path:
    """A resolver whose tenant acme has this search list."""
    made = Path(SEARCHING.format(search=search, ndots=ndots))
    made.upstream.zone = ZONE
    return made


def asked(resolver: Path) -> list[str]:
    """Names that upstream was asked for."""
    return [str(question.q.qname).removesuffix(".") for question in resolver.upstream.asked]


@pytest.mark.parametrize(
    ("name", "qtype", "rcode", "records", "upstream"),
    [
        ("db", "A", 0, ["db. 30 CNAME db.svc.acme.internal.", "db.svc.acme.internal. 50 A 192.0.2.5"], ["db.svc.acme.internal"]),
        ("DB", "A", 0, ["DB. 30 CNAME db.svc.acme.internal.", "db.svc.acme.internal. 50 A 192.0.2.5"], ["DB.svc.acme.internal"]),
        ("web", "A", 0, ["web. 30 CNAME web.acme.internal.", "web.acme.internal. 60 A 10.1.0.1"], ["web.svc.acme.internal"]),
        ("web", "AAAA", 0, ["web. 30 CNAME web.acme.internal."], ["web.svc.acme.internal"]),
        ("only-mx", "A", 0, ["only-mx. 30 CNAME only-mx.svc.acme.internal."], ["only-mx.svc.acme.internal"]),
        ("deep", "A", 0, ["deep. 30 CNAME deep.svc.acme.internal."], ["deep.svc.acme.internal"]),
        ("single", "A", 0, ["single. 50 A 192.0.2.10"], ["single.svc.acme.internal", "single.acme.internal", "single"]),
        ("nowhere", "A", 3, [], ["nowhere.svc.acme.internal", "nowhere.acme.internal", "nowhere"]),
        ("www.com", "A", 0, ["www.com. 50 A 192.0.2.8"], ["www.com"]),
        ("a.b", "A", 3, [], ["a.b"]),
        ("db", "NS", 3, [], ["db"]),
        ("db", "CNAME", 3, [], ["db"]),
    ],
)  # fmt: skip
async def test_names_are_found(name: str, qtype: str, rcode: int, records: list[str], upstream: list[str]) -> None:
    """Names with too few dots are tried with each suffix, then as they are; the first that exists is answered by CNAME."""
    resolver = path()
    answer = await resolver.get(name, qtype)
    assert (answer.header.rcode, texts(answer.rr), asked(resolver)) == (rcode, records, upstream)
    assert (resolver.events[-1].qname, len(resolver.events)) == (name.lower(), 1)


async def test_ndots() -> None:
    """More dots are searched for when ndots says so."""
    resolver = path(ndots=2)
    assert texts((await resolver.get("a.b")).rr) == ["a.b. 30 CNAME a.b.svc.acme.internal.", "a.b.svc.acme.internal. 50 A 192.0.2.13"]
    assert asked(resolver) == ["a.b.svc.acme.internal"]
    assert texts((await resolver.get("single.")).rr) == ["single. 50 A 192.0.2.10"]


async def test_answers_are_remembered() -> None:
    """The second time nothing is asked, whatever was found; what was not found is asked for anew when that has expired."""
    resolver = path()
    for name in ("db", "web", "single", "nowhere"):
        await resolver.get(name)
    count = len(resolver.upstream.asked)
    for name in ("db", "web", "single", "nowhere"):
        await resolver.get(name)
        await resolver.get(name)
    assert len(resolver.upstream.asked) == count
    known = resolver.fastpath.table()["127.0.1.1", ask("web")[2:]]
    assert resolver.now < known.end <= resolver.now + 60  # no longer than web.svc.acme.internal is known not to exist


async def test_a_change_takes_effect_at_once() -> None:
    """The next query after a change of the list goes by the new list, also when the change came while upstream was asked."""
    resolver = path()
    await resolver.get("db")

    def change() -> None:
        resolver.upstream.before_answer = lambda: None
        resolver.apply(SEARCHING.format(search="acme.internal", ndots=1))

    assert texts((await resolver.get("db")).rr)[0] == "db. 30 CNAME db.svc.acme.internal."
    resolver.upstream.before_answer = change
    assert texts((await resolver.get("db", "MX")).rr) == ["db. 30 CNAME db.acme.internal."]
    assert texts((await resolver.get("db")).rr) == ["db. 30 CNAME db.acme.internal.", "db.acme.internal. 50 A 192.0.2.6"]


@pytest.mark.parametrize(
    ("name", "client", "rcode", "rule", "records"),
    [
        ("mail", "127.0.1.1", 3, "rules/no-mail", []),
        ("refused", "127.0.1.1", 5, "rules/refused", []),
        ("hole", "127.0.1.1", 0, "rules/hole", ["hole. 30 A 10.6.6.6"]),
        ("bare", "127.0.1.1", 3, "rules/bare", []),
        ("bare.svc.acme.internal", "127.0.1.1", 3, "rules/bare", []),
        ("away", "127.0.1.1", 0, "rules/away", ["away. 30 CNAME web.acme.internal.", "web.acme.internal. 60 A 10.1.0.1"]),
        ("www.com.svc.acme.internal", "127.0.1.10", 3, "rules/no-com", []),
        ("www.com.acme.internal", "127.0.1.10", 3, "rules/no-com", []),
        ("www.com.svc.acme.internal", "127.0.1.1", 0, "", ["www.com.svc.acme.internal. 50 A 192.0.2.9"]),
        ("www.com.other.internal", "127.0.1.10", 3, "", []),
    ],
)  # fmt: skip
async def test_rules_see_through_suffixes(name: str, client: str, rcode: int, rule: str, records: list[str]) -> None:
    """A rule holds for the name it names, searched for or not, with a suffix of the list behind it or without."""
    resolver = path()
    answer = await resolver.get(name, client=client, edns=True)
    event = resolver.events[-1]
    assert (answer.header.rcode, event.rule, texts(answer.rr)) == (rcode, rule, records)
    assert (event.verdict, event.qname) == ({"": "allow", "rules/away": "redirect"}.get(rule, "deny"), name)
    if rule == "rules/no-com":
        assert ede_of(answer) == (15, "rules/no-com")
        assert "log" in event.tags


async def test_what_is_denied_may_be_found_further_on() -> None:
    """A denial is a name that does not exist: the next suffix is tried."""
    resolver = path("acme.internal, svc.acme.internal")
    resolver.upstream.zone = [*ZONE, "mail.svc.acme.internal. 50 IN A 192.0.2.20"]
    assert texts((await resolver.get("mail")).rr)[1:] == ["mail.svc.acme.internal. 50 A 192.0.2.20"]
    assert asked(resolver) == ["mail.svc.acme.internal"]


async def test_hidden_names_look_missing() -> None:
    """A short name that exists for another tenant only is answered byte for byte like one that exists nowhere."""
    resolver = path()
    hidden, missing = await resolver.get("secret", edns=True), await resolver.get("absent", edns=True)
    assert texts(hidden.auth) == texts(missing.auth)
    assert (hidden.header.rcode, hidden.header.bitmap, len(hidden.pack())) == (3, missing.header.bitmap, len(missing.pack()))


async def test_failure_ends_the_search() -> None:
    """Nobody can say whether a name exists whose servers fail, so nothing further down is taken for it."""
    resolver = path()
    resolver.upstream.rcode = 2
    assert (await resolver.get("db")).header.rcode == 2
    resolver.upstream.broken = True
    assert (await resolver.get("web")).header.rcode == 2
    assert asked(resolver) == ["db.svc.acme.internal", "web.svc.acme.internal"]


async def test_a_long_list_is_not_tried_at_once() -> None:
    """Upstream is asked eight times at most for one query; the client's next try goes on from there."""
    resolver = path(", ".join(f"d{number}.internal" for number in range(10)))
    answer = await resolver.get("web", edns=True)
    assert (answer.header.rcode, ede_of(answer)) == (2, (0, "the search list is too long to be tried at once"))
    assert len(resolver.upstream.asked) == 8
    assert (await resolver.get("web")).header.rcode == 3
    assert asked(resolver)[8:] == ["d8.internal".join(["web.", ""]), "web.d9.internal", "web"]


async def test_without_recursion() -> None:
    """Who asks without recursion gets what is local, and nothing is asked for it."""
    resolver = path("acme.internal")
    assert texts((await resolver.get("web", rd=False)).rr) == ["web. 30 CNAME web.acme.internal.", "web.acme.internal. 60 A 10.1.0.1"]
    assert (await resolver.get("db", rd=False)).header.rcode == 5
    assert asked(resolver) == []


async def test_without_upstreams() -> None:
    """Where nobody could be asked for an expansion it does not exist; the name as asked fails as ever."""
    resolver = Path(POLICY)
    resolver.apply("""
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: island}
spec: {default: allow, clients: [{subnets: [127.0.3.0/24]}], search: [a.internal, b.internal]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: here}
spec: {name: here.b.internal, tenants: [island], records: [{type: A, data: 10.3.0.1}]}
""")
    assert texts((await resolver.get("here", client="127.0.3.1")).rr) == ["here. 30 CNAME here.b.internal.", "here.b.internal. 30 A 10.3.0.1"]
    answer = await resolver.get("there", client="127.0.3.1", edns=True)
    assert (answer.header.rcode, ede_of(answer)) == (2, (0, "no upstream for this name"))


async def test_too_long_a_name_is_not_tried() -> None:
    """An expansion longer than a name can be is left out."""
    suffix = ".".join(["x" * 60] * 4)
    resolver = path(f"{suffix}, acme.internal")
    await resolver.get("web" * 5)
    assert asked(resolver) == ["web" * 5 + ".acme.internal", "web" * 5]


async def test_others_are_not_searched_for() -> None:
    """A tenant without a list gets what it asks for."""
    resolver = path()
    assert (await resolver.get("db", client="127.0.2.1")).header.rcode == 3
    assert asked(resolver) == ["db"]




async def test_explanations_show_each_name_tried() -> None:
    """The story tells every expansion with its verdict and what is known of it, and goes on with the name it comes to."""
    resolver = path()

    def told(name: str) -> tuple[list[tuple[str, str, str, str]], str]:
        story = explained(resolver.store.current, resolver.caches, "127.0.1.1", question(name, "A"), transport="udp", now=resolver.now)
        return [(one["name"], one["verdict"], one["rule"], one["rcode"] or one["answer_source"]) for one in story["search"]], story["rule"]

    assert told("web")[0] == [("web.svc.acme.internal", "allow", "", "upstream")]
    await resolver.get("web")
    assert told("web")[0] == [("web.svc.acme.internal", "allow", "", "NXDOMAIN"), ("web.acme.internal", "allow", "", "NOERROR")]
    await resolver.get("mail")
    tried, rule = told("mail")
    assert [one[:3] for one in tried] == [("mail.svc.acme.internal", "allow", ""), ("mail.acme.internal", "deny", "rules/no-mail"), ("mail", "allow", "")]
    assert rule == "rules/no-mail"
    assert told("www.com") == ([], "")


def test_explanations_see_through_suffixes() -> None:
    """A rule that holds for the name without its suffix is told to match, by that name."""
    resolver = path()
    name = question("www.com.svc.acme.internal", "A")
    story = explained(resolver.store.current, resolver.caches, "127.0.1.10", name, transport="udp", now=resolver.now)
    line = story["rules"][0]
    assert (story["verdict"], line["rule"], line["matched"], line["why"]) == ("deny", "rules/no-com", True, "deny: www.com matches *.com")


LAW = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec: {{default: allow, clients: [{{subnets: [127.0.1.0/24]}}], search: {search}, ndots: {ndots}, upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}]}}
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {{name: law}}
spec: {{tier: tenant, rules: [{{name: some, match: {{qname: {denied}}}, action: deny}}]}}
"""
short = st.sampled_from(["a", "b", "a.b", "b.a", "a.a", "b.b.a"])
suffixes = st.lists(st.sampled_from(["x", "y.x", "a", "b.x"]), max_size=3, unique=True)


def as_a_stub(name: str, search: list[str], ndots: int, exists: set[str], denied: set[str]) -> str:
    """What a stub resolver with this list finds, asking a server on which some names exist and some are denied."""
    tries = [f"{name}.{suffix}" for suffix in search] if name.count(".") < ndots else []
    before = {f"{one}.{suffix}" for one in denied for suffix in search} | denied
    return next((one for one in (*tries, name) if one in exists and one not in before), "")


@given(short, suffixes, st.integers(1, 3), st.sets(short), st.data())
@settings(deadline=None, max_examples=60)
async def test_as_a_stub_resolver_would(name: str, search: list[str], ndots: int, denied: set[str], data: st.DataObject) -> None:
    """For any list, zone and rules: what is found is what a stub resolver with that list finds, and by the same address."""
    possible = [name, *(f"{name}.{suffix}" for suffix in search)]
    exists = data.draw(st.sets(st.sampled_from(possible)))
    resolver = Path(LAW.format(search=json.dumps(search), ndots=ndots if search else 1, denied=json.dumps(sorted(denied) or ["nowhere.test"])))
    addresses = {one: f"192.0.2.{number}" for number, one in enumerate(sorted(exists), 1)}
    resolver.upstream.zone = [f"{one}. 60 IN A {address}" for one, address in addresses.items()]
    found = as_a_stub(name, search, ndots if search else 1, exists, denied)
    for _ in range(2):  # asked for, and remembered
        answer = await resolver.get(name)
        assert answer.header.rcode == (0 if found else 3)
        assert [str(record.rdata) for record in answer.rr if record.rtype == 1] == ([addresses[found]] if found else [])
        assert all(str(record.rname) in {f"{name}.", f"{found}."} for record in answer.rr)


async def test_services_are_found_by_short_names() -> None:
    """A discovered name is found by way of the list like any other, for the client that asks."""
    resolver = path("svc.acme")
    resolver.apply((service("api", labels="{app: api}", endpoints="[{address: 10.9.0.1}]") + discovery("{app}.svc.acme", selector="{app: '${name.app}'}")).removesuffix("---\n"))
    assert texts((await resolver.get("api")).rr) == ["api. 30 CNAME api.svc.acme.", "api.svc.acme. 5 A 10.9.0.1"]
    assert (await resolver.get("apx")).header.rcode == 3
    assert resolver.events[0].answer_source == "discovery"
