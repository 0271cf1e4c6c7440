"""Rules with action rpz: what clients get of a zone's actions, what is recorded, and what explain says."""

from __future__ import annotations

import pytest
from dnslib import RCODE, DNSRecord

from resolver.policy.compiler import verify
from resolver.policy.explanation import Asked, explain
from resolver.policy.on_answer import Answered
from resolver.query import Record
from resolver.tenants import identify
from tests.resolver.path import Path, ask, ede_of, texts
from tests.resolver.policy import written
from tests.resolver.policy.written import BACKEND, NOW, compiled, objects, rules, tenant

ZONE = """
nx.test            CNAME .
nodata.test        CNAME *.
drop.test          CNAME rpz-drop.
tcp.test           CNAME rpz-tcp-only.
www.example.org    CNAME rpz-passthru.
local.test     60  A 192.0.2.80
               60  TXT "moved"
walled.test    60  CNAME www.example.org.
*.star.test    60  CNAME *.garden.test.
x.star.test.garden.test 60 A 192.0.2.99
32.66.1.0.127.rpz-client-ip CNAME .
24.0.100.51.198.rpz-ip CNAME .
"""
SECOND = "late.test CNAME .\nbad.example.org CNAME *.\n"


def zone(name: str, text: str) -> str:
    """A DomainSet with the text of a zone."""
    indented = "".join(f"    {line}\n" for line in text.strip().splitlines())
    return f"apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {{name: {name}}}\nspec:\n  zone: |\n{indented}---\n"


RULE = "name: zones, action: rpz, log: true, match: {domainSets: [first, second]}"
SETS = zone("first", ZONE) + zone("second", SECOND)


def path(*more: str) -> Path:
    """A resolver whose tenant acme does what two zones say; www.example.org and bad.example.org are real names."""
    found = Path()
    found.apply((SETS + rules(RULE, *more, name="feed")).rstrip("-\n"))
    found.upstream.zone += ["late.test. 300 IN A 198.51.100.7", "bad.example.org. 300 IN A 198.51.100.7", "fine.test. 300 IN A 192.0.2.5"]
    return found


ANSWERS = [
    ("nx.test", "A", "NXDOMAIN", [], (15, "feed/zones")),
    ("nodata.test", "A", "NOERROR", [], (15, "feed/zones")),
    ("local.test", "A", "NOERROR", ["local.test. 60 A 192.0.2.80"], (4, "feed/zones")),
    ("local.test", "TXT", "NOERROR", ['local.test. 60 TXT "moved"'], (4, "feed/zones")),
    ("local.test", "AAAA", "NOERROR", [], (4, "feed/zones")),
    ("walled.test", "A", "NOERROR", ["walled.test. 60 CNAME www.example.org.", "www.example.org. 300 A 192.0.2.1"], (4, "feed/zones")),
    ("walled.test", "CNAME", "NOERROR", ["walled.test. 60 CNAME www.example.org."], (4, "feed/zones")),
    ("www.example.org", "A", "NOERROR", ["www.example.org. 300 A 192.0.2.1"], None),
    ("fine.test", "A", "NOERROR", ["fine.test. 300 A 192.0.2.5"], None),
    ("late.test", "A", "NXDOMAIN", [], (15, "feed/zones")),
    ("bad.example.org", "A", "NXDOMAIN", [], (15, "feed/zones")),
]


@pytest.mark.parametrize(("name", "qtype", "rcode", "records", "ede"), ANSWERS)
async def test_a_client_gets_what_the_zone_says(
    name: str, qtype: str, rcode: str, records: list[str], ede: tuple[int, str] | None
) -> None:
    """Each action has its form; an address that the first zone denies goes before a name of the second."""
    asked = path()
    answer = await asked.get(name, qtype, edns=True)
    assert RCODE[answer.header.rcode] == rcode
    assert texts(answer.rr) == records
    assert ede_of(answer) == ede
    event = asked.events[-1]
    assert event.rule == ("feed/zones" if ede or name == "www.example.org" else "")


async def test_a_wildcard_alias_leads_to_the_name_asked_in_the_garden() -> None:
    """``*.garden.test`` becomes the name asked with garden.test behind it, and that is looked up."""
    asked = path()
    asked.upstream.zone.append("a.star.test.garden.test. 30 IN A 192.0.2.77")
    answer = await asked.get("a.star.test")
    assert texts(answer.rr) == ["a.star.test. 60 CNAME a.star.test.garden.test.", "a.star.test.garden.test. 30 A 192.0.2.77"]


async def test_a_name_behind_an_alias_is_a_name_asked() -> None:
    """Whoever hides a denied name behind a CNAME of their own is denied all the same."""
    asked = path()
    asked.upstream.zone += ["front.test. 300 IN CNAME nx.test.", "nx.test. 300 IN A 192.0.2.8"]
    assert RCODE[(await asked.get("front.test")).header.rcode] == "NXDOMAIN"


async def test_a_dropped_query_gets_no_answer() -> None:
    """rpz-drop is silence, with its event."""
    asked = path()
    assert await asked.raw(ask("drop.test")) is None
    assert asked.events[-1].rule == "feed/zones"


async def test_tcp_only_truncates_over_udp_and_lets_streams_through() -> None:
    """rpz-tcp-only answers TC=1 over UDP, however often, and over TCP what there is."""
    asked = path()
    asked.upstream.zone.append("tcp.test. 300 IN A 192.0.2.6")
    for _ in range(3):
        answer = await asked.get("tcp.test")
        assert (answer.header.tc, answer.rr, RCODE[answer.header.rcode]) == (1, [], "NOERROR")
    whole = await asked.raw(ask("tcp.test"), transport="tcp")
    assert whole is not None
    assert texts(DNSRecord.parse(whole).rr) == ["tcp.test. 300 A 192.0.2.6"]


async def test_a_client_trigger_is_for_whatever_the_client_asks() -> None:
    """CLIENT-IP goes before QNAME, also before a passthru."""
    asked = path()
    assert RCODE[(await asked.get("www.example.org", client="127.0.1.66")).header.rcode] == "NXDOMAIN"
    assert RCODE[(await asked.get("www.example.org", client="127.0.1.67")).header.rcode] == "NOERROR"


async def test_a_name_denied_by_a_zone_stays_denied_when_upstream_fails() -> None:
    """The name's own trigger needs no answer; that an earlier zone waited for one changes nothing."""
    asked = path()
    asked.upstream.broken = True
    assert RCODE[(await asked.get("late.test")).header.rcode] == "NXDOMAIN"
    assert RCODE[(await asked.get("other.test")).header.rcode] == "SERVFAIL"


async def test_passthru_ends_the_rules() -> None:
    """A rule behind the zones never sees what a zone lets through, and sees what no trigger is for."""
    asked = path("name: rest, action: deny")
    assert RCODE[(await asked.get("www.example.org")).header.rcode] == "NOERROR"
    assert RCODE[(await asked.get("fine.test")).header.rcode] == "NXDOMAIN"
    assert asked.events[-1].rule == "feed/rest"


def test_audit_records_what_a_zone_would_have_done() -> None:
    """In audit mode a trigger is noted with its verdict, and the next rule is asked."""
    policy = compiled(tenant() + SETS + rules(f"{RULE}, mode: audit"))
    decision = written.ask(policy, "walled.test")
    asker = identify(policy, BACKEND)
    assert asker is not None
    assert decision.verdict == "allow"
    assert [(audit.rule, audit.verdict) for audit in decision.audits] == [("p/zones", "redirect")]


STORIES = [
    ("nx.test", None, "deny: QNAME trigger of first: nxdomain", "verdict"),
    ("www.example.org", None, "allow: QNAME trigger of first: passthru", "verdict"),
    ("fine.test", None, "waits for the answer: a CNAME target or an address that a zone has a trigger for", "waits"),
    ("fine.test", "192.0.2.5", "no trigger of first, second is for it", "skip"),
    ("fine.test", "198.51.100.9", "deny: IP trigger of first: nxdomain", "verdict"),
    ("late.test", "192.0.2.5", "deny: QNAME trigger of second: nxdomain", "verdict"),
]


@pytest.mark.parametrize(("name", "address", "why", "outcome"), STORIES)
def test_explain_tells_the_trigger(name: str, address: str | None, why: str, outcome: str) -> None:
    """The story names zone, kind of trigger and action, or what is waited for."""
    policy = compiled(tenant() + SETS + rules(RULE))
    asker = identify(policy, BACKEND)
    assert asker is not None
    answer = Answered(0, (Record(name, "A", address, 30),), name) if address else None
    line = explain(Asked(asker, name, "A", "udp", NOW, answer), written.ask(policy, name))[0]
    assert (line.why, line.outcome) == (why, outcome)


WRONG = [
    ("name: a, action: rpz", "DNSPolicy/p spec.rules[0].match.domainSets: action rpz does what zones say, expected the domain sets that hold them"),
    ("name: a, action: rpz, match: {domainSets: [first], qname: [a.com]}",
     "DNSPolicy/p spec.rules[0].match.qname: action rpz takes names from its zones, expected domainSets alone"),
    ("name: a, action: rpz, match: {domainSets: [first, plain]}",
     "DNSPolicy/p spec.rules[0].match.domainSets[1]: DomainSet 'plain' is no response policy zone, action rpz passes it over"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "message"), WRONG)
def test_a_wrong_rule_is_told(rule: str, message: str) -> None:
    """A rule without zones is refused, one with a set that is none is reported."""
    plain = "apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {name: plain}\nspec: {names: [a.com]}\n---\n"
    assert [str(problem) for problem in verify(objects(tenant() + SETS + plain + rules(rule)))] == [message]


def test_a_wrong_record_of_an_inline_zone_refuses_the_set() -> None:
    """What is written in the object is checked like the rest of it."""
    problems = [str(problem) for problem in verify(objects(zone("first", "a.test CNAME rpz-drop\nb.test CNAME .")))]
    why = "rpz-drop without its final dot is a name in this zone, expected rpz-drop."
    assert problems == [f"DomainSet/first spec.zone: zone:1: {why}"]
