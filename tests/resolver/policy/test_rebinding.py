"""The rebinding guard: which answers to public names it denies, and what is exempt from it."""

from __future__ import annotations

import pytest

from resolver.policy.compiler import verify
from resolver.policy.decision import AnswerForm, Audit, Decision
from resolver.policy.engine import inspect
from resolver.policy.on_answer import Answered
from resolver.query import Record
from resolver.tenants import identify
from tests.resolver.policy.written import BACKEND, NOW, ask, compiled, objects, rules, tenant

CORP = '{name: corp, suffixes: [.corp.example], servers: ["udp://127.0.0.1:5302"]}'


def guarded(
    qname: str, *records: tuple[str, str], rebinding: str = "{}", asked: str | None = None, mode: str = "enforce", more: str = ""
) -> Decision:
    """The decision on an answer with these (type, data), from upstream unless `asked` is empty."""
    written = tenant(mode=mode).replace("\n---", f"\n  rebinding: {rebinding}\n---").replace("upstreams: [", f"upstreams: [{CORP}, ")
    policy = compiled(written + more)
    asker = identify(policy, BACKEND)
    assert asker is not None
    found = Answered(0, tuple(Record(qname, *record, 60) for record in records), qname if asked is None else asked, NOW + 60)
    return inspect(asker, ask(policy, qname), qname, found, NOW)


INSIDE = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.9.9.9", "169.254.169.254",
          "100.64.0.1", "100.127.255.255", "0.0.0.0", "::1", "::", "fe80::1", "fd00::1", "fc00::1", "::ffff:192.168.1.1",
          "64:ff9b::10.0.0.1"]  # fmt: skip
OUTSIDE = ["8.8.8.8", "172.15.255.255", "172.32.0.1", "192.169.0.1", "100.63.255.255", "100.128.0.1", "169.253.1.1", "192.0.2.1",
           "240.240.0.1", "2001:db8::1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_a_public_name_may_not_answer_with_an_address_of_private_networks(address: str) -> None:
    """Such an answer is a name error with EDE 15 that names the guard, until the answer may be another one."""
    decision = guarded("www.evil.example", ("AAAA" if ":" in address else "A", address))
    assert (decision.verdict, decision.rule, decision.tier) == ("deny", "rebinding-guard", "platform")
    assert decision.form == AnswerForm("nxdomain", ede=15)
    assert (decision.ede_text, decision.valid_until) == ("rebinding-guard", NOW + 60)


@pytest.mark.parametrize("address", OUTSIDE)
def test_other_addresses_pass(address: str) -> None:
    """Addresses of the public network, and of none of these blocks, are answered."""
    assert guarded("www.good.example", ("AAAA" if ":" in address else "A", address)).verdict == "allow"


ANSWERS = [
    ((("A", "192.0.2.1"), ("A", "10.0.0.1")), "deny"),
    ((("CNAME", "a.example."), ("CNAME", "b.example."), ("A", "10.0.0.1")), "deny"),
    ((("CNAME", "intranet.corp.example."), ("A", "10.0.0.1")), "deny"),
    ((("HTTPS", "1 . ipv4hint=10.0.0.1"),), "deny"),
    ((("CNAME", "a.example."),), "allow"),
    ((("TXT", '"10.0.0.1"'),), "allow"),
    ((), "allow"),
]


@pytest.mark.parametrize(("records", "verdict"), ANSWERS)
def test_every_record_of_the_answer_counts(records: tuple[tuple[str, str], ...], verdict: str) -> None:
    """One private address among others is enough, at the end of whatever chain, hints included."""
    assert guarded("www.evil.example", *records).verdict == verdict


EXEMPT = [
    ("nas.localhost", "{}", None),
    ("printer.local", "{}", None),
    ("nas.home.arpa", "{}", None),
    ("db.internal", "{}", None),
    ("site.test", "{}", None),
    ("router.lan", "{}", None),
    ("intranet.corp.example", "{}", None),
    ("www.plex.direct", "{exempt: [.plex.direct]}", None),
    ("portal.example", "{}", ""),
    ("portal.example", "{}", "portal.corp.example"),
    ("portal.example", "{exempt: [portal.example]}", "cloud.example.net"),
    ("portal.example", "{exempt: [.example.net]}", "cloud.example.net"),
    ("www.evil.example", "{mode: off}", None),
]


@pytest.mark.parametrize(("qname", "rebinding", "asked"), EXEMPT)
def test_what_is_not_guarded(qname: str, rebinding: str, asked: str | None) -> None:
    """Zones of special use, names the tenant's own servers resolve, answers made here, exempt names, a guard that is off."""
    assert guarded(qname, ("A", "10.0.0.1"), rebinding=rebinding, asked=asked).verdict == "allow"


def test_a_name_behind_a_virtual_one_is_as_public_as_if_it_were_asked_for() -> None:
    """A virtual name that leads to a public one does not lead around the guard."""
    assert guarded("portal.example", ("A", "10.0.0.1"), asked="cloud.example.net").verdict == "deny"


def test_a_name_that_a_rule_sends_to_the_tenants_own_servers_is_not_public() -> None:
    """What counts is who was asked."""
    routed = rules("name: r, action: route, route: corp, match: {qname: [.example.net]}")
    assert guarded("a.example.net", ("A", "10.0.0.1"), more=routed).verdict == "allow"


def test_no_rule_switches_it_off() -> None:
    """A rule that allows the name, or the address, does not: the tenant's exemptions do."""
    allowing = rules("name: a, action: allow, log: true, match: {addresses: [10.0.0.0/8]}", tier="platform")
    decision = guarded("www.evil.example", ("A", "10.0.0.1"), more=allowing)
    assert (decision.rule, decision.log, decision.tags) == ("rebinding-guard", True, ("log",))


@pytest.mark.parametrize(("rebinding", "mode"), [("{mode: audit}", "enforce"), ("{}", "audit")])
def test_audit_mode_records(rebinding: str, mode: str) -> None:
    """In audit, the guard's or the tenant's, the answer passes and the event tells."""
    decision = guarded("www.evil.example", ("A", "10.0.0.1"), rebinding=rebinding, mode=mode)
    assert (decision.verdict, decision.audits) == ("allow", (Audit("rebinding-guard", "deny", "platform"),))


def test_a_wrong_exemption_is_named_with_its_key_path() -> None:
    """A pattern that cannot be read is told, with the guard off too."""
    written = tenant().replace("\n---", "\n  rebinding: {mode: off, exempt: [ok.test, b..c]}\n---")
    assert [str(problem) for problem in verify(objects(written))] == [
        "Tenant/acme spec.rebinding.exempt[1]: expected a pattern such as *.example.com, got 'b..c':"
        " a label is empty (two dots in a row)"
    ]
