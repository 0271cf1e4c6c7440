"""Rules on the answer: what they match, where in the order they stand, and that waiting for an answer is rare."""

from __future__ import annotations

import pytest

from resolver.mnemonics import rcode_number
from resolver.policy.compiler import verify
from resolver.policy.decision import Audit, Decision
from resolver.policy.engine import inspect, inspect_failure
from resolver.policy.on_answer import Answered
from resolver.query import Record
from resolver.tenants import Compiled, identify
from tests.resolver.policy.written import BACKEND, NOW, ask, compiled, objects, rules, tenant

OPEN = "\n  rebinding: {mode: off}\n---"


def policy_of(*lines: str, mode: str = "enforce", default: str = "allow", more: str = "") -> Compiled:
    """A policy of these rules, with platform rules in `more`; the rebinding guard is off."""
    return compiled(tenant(mode=mode, default=default).replace("\n---", OPEN) + rules(*lines) + more)


def answer(*records: tuple[str, str], rcode: str = "NOERROR", until: float = NOW + 300, asked: str = "a.test") -> Answered:
    """An answer of upstream with these (type, data)."""
    listed = tuple(Record("a.test", kind, data, 300) for kind, data in records)
    return Answered(rcode_number(rcode), listed, asked, until)


def decided(policy: Compiled, found: Answered, qname: str = "a.test", now: float = NOW) -> tuple[Decision, Decision]:
    """What was decided without the answer, and with it."""
    asker = identify(policy, BACKEND)
    assert asker is not None
    before = ask(policy, qname, now=now)
    return before, inspect(asker, before, qname, found, now)


CDN = answer(("CNAME", "edge.Tracker.example."), ("CNAME", "n1.cdn.example."), ("A", "192.0.2.1"), ("A", "198.51.100.7"))
MATCHES = [
    ("cname: [.tracker.example]", CDN, True),
    ('cname: ["*.cdn.example"]', CDN, True),
    ("cname: [cdn.example, a.test]", CDN, False),
    ("cname: [.tracker.example]", answer(("A", "192.0.2.1")), False),
    ("addresses: [198.51.100.0/24]", CDN, True),
    ("addresses: [203.0.113.0/24, 192.0.2.1]", CDN, True),
    ("addresses: [203.0.113.0/24]", CDN, False),
    ("addresses: ['2001:db8::/32']", answer(("AAAA", "2001:db8::5")), True),
    ("addresses: [192.0.2.0/24]", answer(("AAAA", "::ffff:192.0.2.5")), True),
    ("addresses: [192.0.2.0/24]", answer(("HTTPS", "1 . ipv4hint=192.0.2.5")), True),
    ("addresses: [192.0.2.0/24]", answer(("TXT", '"192.0.2.5"')), False),
    ("rcode: [NXDOMAIN]", answer(rcode="NXDOMAIN"), True),
    ("rcode: [nxdomain, RCODE9]", answer(rcode="NOTAUTH"), True),
    ("rcode: [SERVFAIL]", answer(), False),
    ("cname: [.cdn.example], addresses: [192.0.2.0/24], rcode: [NOERROR]", CDN, True),
    ("cname: [.cdn.example], addresses: [203.0.113.0/24]", CDN, False),
    ("qname: [.test], cname: [.cdn.example]", CDN, True),
    ("qname: [b.test], cname: [.cdn.example]", CDN, False),
    ("qtype: [AAAA], cname: [.cdn.example]", CDN, False),
]


@pytest.mark.parametrize(("match", "found", "matches"), MATCHES)
def test_what_a_rule_on_the_answer_matches(match: str, found: Answered, matches: bool) -> None:
    """Any CNAME target, any address, the response code; keys given together must all hold, as must those on the query."""
    before, after = decided(policy_of(f"name: d, action: deny, match: {{{match}}}"), found)
    assert before.verdict == "allow"
    assert (after.verdict, after.rule) == (("deny", "p/d") if matches else ("allow", ""))


ON_ANSWER = "match: {addresses: [192.0.2.0/24]}"
HIT, MISS = answer(("A", "192.0.2.1")), answer(("A", "198.51.100.1"))
ORDER = [
    # (rules, default, verdict without the answer, rule when it matches, rule when it does not)
    ((f"name: on, action: deny, {ON_ANSWER}", "name: all, action: allow"), "deny", "allow", "p/on", "p/all"),
    (("name: all, action: allow", f"name: on, action: deny, {ON_ANSWER}"), "deny", "allow", "p/all", "p/all"),
    (("name: all, action: deny", f"name: on, action: allow, {ON_ANSWER}"), "allow", "deny", "p/all", "p/all"),
    ((f"name: on, action: allow, {ON_ANSWER}", "name: all, action: deny"), "allow", "allow", "p/on", "p/all"),
    ((f"name: on, action: allow, {ON_ANSWER}",), "deny", "allow", "p/on", ""),
    # with denies alone before it there is nothing to wait for
    ((f"name: on, action: deny, {ON_ANSWER}", "name: all, action: deny"), "allow", "deny", "p/all", "p/all"),
    ((f"name: on, action: deny, {ON_ANSWER}",), "deny", "deny", "", ""),
    ((f"name: on, action: log, {ON_ANSWER}", "name: all, action: deny"), "allow", "deny", "p/all", "p/all"),
    ((f"name: on, action: allow, mode: audit, {ON_ANSWER}", "name: all, action: deny"), "allow", "deny", "p/all", "p/all"),
    ((f"name: on, action: redirect, answer: {{target: b.test}}, {ON_ANSWER}", "name: all, action: deny"),
     "allow", "allow", "p/on", "p/all"),
    ((f"name: on, action: deny, {ON_ANSWER}", "name: all, action: redirect, answer: {target: b.test}"),
     "allow", "allow", "p/on", "p/all"),
    ((f"name: on, action: log, {ON_ANSWER}", "name: all, action: redirect, answer: {target: b.test}"),
     "allow", "redirect", "p/all", "p/all"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "default", "first", "hit", "miss"), ORDER)
def test_the_order_is_one(lines: tuple[str, ...], default: str, first: str, hit: str, miss: str) -> None:
    """Rules on the query and on the answer are in one order; the answer is fetched only if that can turn the verdict."""
    policy = policy_of(*lines, default=default)
    before, with_hit = decided(policy, HIT)
    _, with_miss = decided(policy, MISS)
    assert before.verdict == first
    assert (with_hit.rule, with_miss.rule) == (hit, miss)


def test_pass_on_the_answer_leaves_the_verdict_to_the_tenant() -> None:
    """A platform rule on the answer may pass; what the platform would have denied is then the tenant's to decide."""
    platform = rules(f"name: skip, action: pass, {ON_ANSWER}", "name: shut, action: deny", name="x", tier="platform")
    policy = policy_of("name: mine, action: allow", more=platform)
    before, with_hit = decided(policy, HIT)
    _, with_miss = decided(policy, MISS)
    assert (before.verdict, with_hit.rule, with_miss.rule) == ("allow", "p/mine", "x/shut")


def test_audit_mode_records_what_an_answer_would_have_met() -> None:
    """A rule in audit, and a tenant in audit, let the answer through and record the verdict."""
    before, after = decided(policy_of(f"name: on, action: deny, mode: audit, {ON_ANSWER}"), HIT)
    assert (before.audits, after.verdict, after.audits) == ((), "allow", (Audit("p/on", "deny", "tenant"),))
    _, after = decided(policy_of(f"name: on, action: deny, {ON_ANSWER}", mode="audit"), HIT)
    assert (after.verdict, after.audits) == ("allow", (Audit("p/on", "deny", "tenant"),))


def test_marks_of_query_and_answer_come_in_order() -> None:
    """Tags and the log mark of rules on the answer stand where the rules stand."""
    marking = (
        "name: t1, action: tag, tag: one",
        f"name: t2, action: tag, tag: two, {ON_ANSWER}",
        "name: t3, action: tag, tag: three",
        f"name: l, action: log, {ON_ANSWER}",
    )
    _, hit = decided(policy_of(*marking), HIT)
    _, miss = decided(policy_of(*marking), MISS)
    assert (hit.tags, hit.log) == (("one", "two", "three", "log"), True)
    assert (miss.tags, miss.log) == (("one", "three"), False)


def test_the_group_asked_stays_the_one_routed_to() -> None:
    """The upstream group is chosen before there is an answer, and told with the verdict on it."""
    policy = policy_of("name: r, action: route, route: main", f"name: on, action: deny, {ON_ANSWER}")
    before, after = decided(policy, HIT)
    assert (before.route, after.route, after.verdict) == ("main", "main", "deny")


def test_what_rests_on_an_answer_lasts_no_longer_than_it() -> None:
    """A verdict found by looking at an answer is good until that answer may be another one."""
    policy = policy_of(f"name: on, action: deny, {ON_ANSWER}")
    assert decided(policy, HIT)[1].valid_until == decided(policy, MISS)[1].valid_until == NOW + 300


def test_a_rule_that_makes_the_answer_be_waited_for_bounds_the_decision() -> None:
    """When it ends nothing is waited for any more, so that other rules on the answer have nothing to look at."""
    lines = (f"name: ok, action: allow, expires: 2027-01-15T08:00:30Z, {ON_ANSWER}", f"name: seen, action: log, {ON_ANSWER}")
    policy = policy_of(*lines, default="deny")
    assert decided(policy, MISS)[1].valid_until == NOW + 30
    assert decided(policy, HIT, now=NOW + 30)[1].tags == ()


def test_without_rules_on_answers_nothing_waits() -> None:
    """A decision that no answer can change is the same object after looking at one."""
    before, after = decided(policy_of("name: d, action: deny, match: {qname: [b.test]}"), HIT)
    assert before.waiting == ()
    assert after is before


FAILED = [
    ("name: on, action: deny, match: {rcode: [SERVFAIL]}", "allow", "deny", "p/on", True),
    ("name: on, action: tag, tag: down, match: {rcode: [SERVFAIL]}", "allow", "allow", "", False),
    (f"name: on, action: allow, {ON_ANSWER}", "deny", "deny", "", False),
]


@pytest.mark.parametrize(("line", "default", "verdict", "rule", "formed"), FAILED)
def test_a_failure_stays_one_unless_a_rule_is_on_its_rcode(
    line: str, default: str, verdict: str, rule: str, formed: bool
) -> None:
    """Without an answer only rules on the rcode give one; a denial for lack of an answer is told as the fault it is."""
    policy = policy_of(line, default=default)
    asker = identify(policy, BACKEND)
    assert asker is not None
    after = inspect_failure(asker, ask(policy, "a.test"), "a.test", Answered(rcode_number("SERVFAIL")), NOW)
    assert (after.verdict, after.rule, after.form is not None) == (verdict, rule, formed)
    assert after.tags == (("down",) if "tag" in line else ())


WRONG = [
    ("name: a, action: deny, match: {cname: [ok.test, b..c]}",
     "spec.rules[0].match.cname[1]: expected a pattern such as *.example.com, got 'b..c': a label is empty (two dots in a row)"),
    ("name: a, action: deny, match: {addresses: [10.0.0.0/8, 10.0.0.1/8]}",
     "spec.rules[0].match.addresses[1]: expected an address or a CIDR block such as 10.1.0.0/16, got '10.0.0.1/8':"
     " 10.0.0.1/8 has host bits set"),
    ("name: a, action: deny, match: {rcode: [NXDOMAIN, NODOMAIN]}",
     "spec.rules[0].match.rcode[1]: expected a response code such as NXDOMAIN, got 'NODOMAIN'"),
    ("name: a, action: deny, match: {rcode: [NXDOMAIN], addresses: [10.0.0.0/8]}",
     "spec.rules[0].match.addresses: an answer with rcode NXDOMAIN holds no addresses, expected NOERROR among them"),
    ("name: a, action: deny, match: {qtype: [MX, TXT], addresses: [10.0.0.0/8]}",
     "spec.rules[0].match.addresses: no answer to type MX, TXT holds an address in 10.0.0.0/8"),
    ("name: a, action: deny, match: {qtype: [A], addresses: ['fd00::/8']}",
     "spec.rules[0].match.addresses: no answer to type A holds an address in fd00::/8"),
    ("name: a, action: route, route: main, match: {cname: [a.test]}",
     "spec.rules[0].action: 'route' chooses who is asked, it cannot wait for the answer (match.cname, addresses, rcode)"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_wrong_condition_on_the_answer_is_named_with_its_key_path(line: str, message: str) -> None:
    """Mistakes and contradictions are told once, with their key path."""
    assert [str(problem) for problem in verify(objects(tenant() + rules(line)))] == [f"DNSPolicy/p {message}"]
