"""Explanations: every rule in order with all its conditions, and the same verdict as the engine's."""

from __future__ import annotations

from resolver.policy.compiler import compile_policy
from resolver.policy.decision import Considered
from resolver.policy.engine import decide, inspect
from resolver.policy.explanation import Asked, explain
from resolver.policy.on_answer import Answered
from resolver.policy.signal_book import SignalBook
from resolver.policy.signals import kinds_in_use
from resolver.query import Record
from resolver.tenants import Compiled, identify
from schemas.signals import ContextSignal
from tests.resolver.policy.written import BACKEND, FRONTEND, NOW, ask, compiled, objects, rules, signal, tenant

OFFICE = 'schedule: {timeZone: Europe/Berlin, days: [mon, tue, wed, thu, fri], hours: ["08:00-16:00"]}'
SET = "apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {name: ads}\nspec: {names: [.ads.test]}\n---\n"
SUNDAY_NOON = 1_795_345_200.0  # 2026-11-22 12:00 in Berlin


def story_of(
    policy: Compiled, qname: str, *, client: str = BACKEND, now: float = NOW, answer: Answered | None = None
) -> list[Considered]:
    """The explanation of a query of type A over UDP, and of its answer if there is one."""
    asker = identify(policy, client)
    assert asker is not None
    decision = decide(asker, qname, "A", "udp", now)
    if answer is not None:
        decision = inspect(asker, decision, qname, answer, now)
    return explain(Asked(asker, qname, "A", "udp", now, answer), decision)


def why(policy: Compiled, rule: str, qname: str, **options: object) -> tuple[str, str]:
    """Outcome and reason of one rule."""
    (line,) = (line for line in story_of(policy, qname, **options) if line.rule == f"p/{rule}")  # type: ignore[arg-type]
    return line.outcome, line.why


def signalled(text: str, *signals: ContextSignal) -> Compiled:
    """Policy with these context signals."""
    book, known = SignalBook(), objects(text)
    book.use(kinds_in_use(known.values()))
    for each in signals:
        book.put(each, NOW)
    return compile_policy(known, {}, book.boards(NOW), now=NOW, version="v", epoch=1)


def test_explanation_tells_every_rule_and_agrees_with_the_decision() -> None:
    """Every rule stands there in order, with the reason; the verdict is the one decide gives."""
    text = tenant(feedback="{mode: enforce, exempt: [ok]}") + rules(
        "name: old, action: deny, expires: 2020-01-01T00:00:00Z",
        "name: other, action: deny, match: {qname: [b.test]}",
        "name: spared, action: deny, match: {not: [.a.test]}",
        "name: typed, action: deny, match: {qtype: [MX]}",
        "name: streamed, action: deny, match: {transport: [tcp]}",
        "name: labelled, action: deny, clients: {matchLabels: {app: frontend}}",
        "name: placed, action: deny, clients: {subnets: [192.0.2.0/24]}",
        "name: watched, action: deny, mode: audit",
        "name: last, action: deny, match: {qname: [.test]}",
        "name: never, action: allow",
    )
    policy = compiled(text + rules("name: skip, action: pass", "name: shut, action: deny", name="x", tier="platform"))
    story = story_of(policy, "x.a.test")
    assert [(line.rule, line.matched, line.outcome) for line in story] == [
        ("x/skip", True, "pass"),
        ("x/shut", False, "skip"),
        *(
            (f"p/{name}", False, "skip")
            for name in ("old", "other", "spared", "typed", "streamed", "labelled", "placed")
        ),
        ("p/watched", True, "audit"),
        ("p/last", True, "verdict"),
        ("p/never", False, "skip"),
        ("", False, "skip"),
        ("rebinding-guard", False, "skip"),
    ]
    reasons = [line.why for line in story]
    parts = (
        "any name",
        "passed on",
        "expired",
        "b.test",
        "'not'",
        "MX",
        "tcp",
        "no label app",
        "is in none of",
        "any name",
        ".test",
        "p/last",
    )
    assert all(part in reason for part, reason in zip(parts, reasons, strict=False))
    assert ask(policy, "x.a.test").rule == "p/last"


def test_schedules_tell_what_time_it_is_there() -> None:
    """A rule that does not hold now says when it does; one that does says so too."""
    policy = compiled(tenant() + rules(f"name: office, action: deny, {OFFICE}"))
    told = "holds Mon-Fri 08:00-16:00 Europe/Berlin, now Sun 12:00"
    assert why(policy, "office", "a.test", now=SUNDAY_NOON) == ("skip", told)
    outcome, reason = why(policy, "office", "a.test", now=SUNDAY_NOON + 86400)
    assert (outcome, reason) == ("verdict", f"deny: any name; {told.replace('Sun', 'Mon')}")


def test_signals_tell_what_is_known() -> None:
    """A rule on signals names what holds, or what it looked for and what there was instead."""
    risky = rules("name: risk, action: deny, match: {qname: [.test], signal: [{kind: client_risk, values: [high, critical]}]}")
    low = signalled(tenant() + risky, signal("client_risk", FRONTEND, "low"))
    assert why(low, "risk", "a.test", client=FRONTEND) == (
        "skip",
        "no signal client_risk (critical, high) holds for a.test, test, 10.0.1.10, frontend (10.0.1.10 is 'low')",
    )
    high = signalled(tenant() + risky, signal("client_risk", "frontend", "high", reason="12 alerts"))
    assert why(high, "risk", "a.test", client=FRONTEND) == ("verdict", "deny: a.test matches .test; test says 'high': 12 alerts")
    assert why(high, "risk", "a.test")[0] == "skip"


def test_domain_sets_are_named() -> None:
    """A rule on domain sets names the set that holds the name, or all it looked in."""
    written = tenant() + SET + rules(
        "name: spared, action: deny, match: {notDomainSets: [ads]}", "name: ads, action: deny, match: {domainSets: [none, ads]}"
    )  # fmt: skip
    policy = compiled(written)
    assert why(policy, "spared", "x.ads.test") == ("skip", "x.ads.test is excluded by domain set ads")
    assert why(policy, "ads", "x.ads.test") == ("verdict", "deny: x.ads.test is in domain set ads")
    other = compiled(tenant() + SET + rules("name: ads, action: deny, match: {qname: [b.test], domainSets: [ads]}"))
    assert why(other, "ads", "a.test") == ("skip", "a.test matches none of b.test; a.test is in no domain set of ads")


def test_rules_on_the_answer_wait_and_then_tell() -> None:
    """Without an answer a rule waits for it and says what for; with one it says what it made of it."""
    policy = compiled(tenant() + rules(
        "name: net, action: deny, match: {addresses: [192.0.2.0/24], rcode: [NOERROR]}",
        "name: hop, action: deny, match: {cname: [.tracker.example]}",
    ))  # fmt: skip
    found = Answered(0, (Record("a.test", "A", "198.51.100.1", 5),), "a.test")
    assert why(policy, "net", "a.test") == ("waits", "waits for the answer: rcode NOERROR; address in 192.0.2.0/24")
    assert why(policy, "net", "a.test", answer=found) == ("skip", "no address of the answer (198.51.100.1) is in 192.0.2.0/24")
    assert why(policy, "hop", "a.test", answer=found) == (
        "skip",
        "no CNAME target of the answer (of which there is none) matches .tracker.example",
    )
    hit = Answered(0, (Record("a.test", "A", "192.0.2.1", 5),), "a.test")
    assert why(policy, "net", "a.test", answer=hit) == (
        "verdict",
        "deny: any name; the answer has rcode NOERROR; address in 192.0.2.0/24",
    )
    failed = Answered(2)
    assert why(policy, "net", "a.test", answer=failed)[1].startswith("the answer's rcode SERVFAIL is none of NOERROR; ")


def test_what_is_denied_at_once_waits_for_nothing() -> None:
    """A rule on the answer before a deny that needs none is told to have had nothing to look at."""
    policy = compiled(tenant() + rules(
        "name: net, action: deny, match: {addresses: [192.0.2.0/24]}", "name: all, action: deny"
    ))  # fmt: skip
    assert why(policy, "net", "a.test") == ("skip", "looks at the answer, but there is none: the query is decided without")


def test_the_rebinding_guard_tells_its_part() -> None:
    """The guard stands behind the rules: it waits, has nothing to say, or denies."""
    policy = compiled(tenant() + rules("name: d, action: deny, match: {qname: [d.example]}"))

    def guard(qname: str, answer: Answered | None = None) -> tuple[str, str]:
        line = story_of(policy, qname, answer=answer)[-1]
        return line.outcome, line.why

    inside = (Record("a.example", "A", "10.0.0.1", 5),)
    assert guard("a.example") == ("waits", "waits for the answer: an address no public name should have")
    assert guard("d.example") == ("skip", "not reached: p/d had decided")
    assert guard("a.example", Answered(0, inside)) == ("skip", "the answer was made here")
    assert guard("a.example", Answered(0, (), "a.example")) == ("skip", "the answer has no address of private networks")
    assert guard("a.local", Answered(0, inside, "a.local"))[1].startswith("a.local is in a zone of special use")
    assert guard("a.example", Answered(0, inside, "a.example")) == (
        "verdict",
        "deny: a.example is public and answers with 10.0.0.1",
    )
