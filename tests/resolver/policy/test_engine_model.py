"""The engine against a naive evaluator: one loop over all rules in order, written as the reference says it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.compiler import compile_policy
from resolver.policy.decision import Decision
from resolver.policy.engine import decide, inspect
from resolver.policy.explanation import Asked, explain
from resolver.policy.on_answer import Answered
from resolver.policy.signal_book import SignalBook
from resolver.policy.signals import kinds_in_use
from resolver.query import Record
from resolver.tenants import Asker, identify
from schemas.objects import DNSPolicy, DNSPolicySpec, Metadata, PolicyObject, key_of
from tests.resolver.policy.written import FRONTEND, NOW, objects, signal, tenant

SET = "apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {name: own}\nspec: {names: [.test]}\n---\n"
QNAME, HIT = "a.test", Answered(0, (Record("a.test", "A", "192.0.2.1", 300),), "a.test", NOW + 1000)
TIERS = ("platform", "tenant", "baseline")
ENDING = ("allow", "deny", "redirect")

# Conditions as written, from when and until when they hold (seconds from NOW, which is a Friday, 08:00 UTC).
Span = tuple[float, float]
Condition = tuple[dict[str, Any], Span]
ALWAYS, NOT = (-1e9, 1e9), (1e9, 1e9)
NAMES: list[Condition] = [
    ({}, ALWAYS), ({"qname": [".test"]}, ALWAYS), ({"qname": ["b.test"]}, NOT), ({"qname": [".test"], "not": ["a.test"]}, NOT),
    ({"domainSets": ["own"]}, ALWAYS), ({"domainSets": ["none"]}, NOT),
    ({"qname": ["b.test"], "domainSets": ["none", "own"]}, ALWAYS), ({"notDomainSets": ["own"]}, NOT),
    ({"qtype": ["AAAA"]}, NOT), ({"transport": ["udp", "tls"]}, ALWAYS), ({"transport": ["https"]}, NOT),
]  # fmt: skip
SIGNALS: list[Condition] = [
    ({}, ALWAYS), ({}, ALWAYS), ({"signal": [{"kind": "risk"}]}, (-1e9, 200)),
    ({"signal": [{"kind": "risk", "values": ["low"]}, {"kind": "other"}]}, (-1e9, 200)),
    ({"signal": [{"kind": "risk", "values": ["high"]}]}, NOT), ({"newlyObserved": True}, NOT),
]  # fmt: skip
CLIENTS: list[Condition] = [
    ({}, ALWAYS), ({"matchLabels": {"app": "frontend"}}, ALWAYS), ({"subnets": ["192.0.2.0/24"]}, NOT),
]  # fmt: skip
SCHEDULES: list[Condition] = [
    ({}, ALWAYS), ({}, ALWAYS), ({"hours": ["08:00-08:05"]}, (0, 300)), ({"hours": ["08:01-09:00"]}, (60, 3600)),
    ({"hours": ["23:00-08:02"]}, (-9 * 3600, 120)), ({"days": ["sat", "sun"]}, NOT),
    ({"days": ["fri"], "hours": ["00:00-24:00"]}, ALWAYS),
]  # fmt: skip
EXPIRIES = [(None, ALWAYS), (None, ALWAYS), (-5, (-1e9, -5)), (30, (-1e9, 30)), (250, (-1e9, 250))]
# What is demanded of the answer, and whether HIT has it.
ANSWERS: list[tuple[dict[str, Any], bool]] = [
    ({}, True), ({}, True), ({"addresses": ["192.0.2.0/24"]}, True), ({"cname": [".test"]}, False),
]  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One rule as drawn: what stands in the object, and what the naive evaluator needs of it."""

    tier: str
    priority: int
    action: str
    audit: bool
    log: bool
    conditions: tuple[Condition, Condition, Condition]
    schedule: Condition
    expiry: tuple[int | None, Span]
    answer: tuple[dict[str, Any], bool]
    number: int = 0

    @property
    def name(self) -> str:
        """As decisions name it."""
        return f"p{self.number}/r"

    @property
    def on_answer(self) -> bool:
        """Whether it looks at the answer."""
        return bool(self.answer[0]) and self.action != "route"

    def written(self) -> DNSPolicy:
        """An object with this rule alone."""
        (names, _), (signals, _), (clients, _) = self.conditions
        rule: dict[str, Any] = {
            "name": "r",
            "action": self.action,
            "clients": clients,
            "match": names | signals | (self.answer[0] if self.on_answer else {}),
            "tag": f"t{self.number}",
            "mode": "audit" if self.audit else "enforce",
            "log": self.log,
            "answer": {"target": "b.test"} if self.action == "redirect" else {},
            "route": "main" if self.action == "route" else "",
        }
        rule |= {"schedule": {"timeZone": "UTC", **self.schedule[0]}} if self.schedule[0] else {}
        rule |= {"expires": datetime.fromtimestamp(NOW + self.expiry[0], UTC)} if self.expiry[0] is not None else {}
        spec = {"tier": self.tier, "priority": self.priority, "rules": [rule]}
        head = Metadata(name=f"p{self.number}")
        return DNSPolicy(api_version="nameward.io/v1", metadata=head, spec=msgspec.convert(spec, DNSPolicySpec))

    def holds(self, now: float) -> bool:
        """Whether all but the answer is right at a time, in seconds from NOW."""
        spans = [span for _, span in (*self.conditions, self.schedule, self.expiry)]
        return all(since <= now < until for since, until in spans)


@dataclass
class Story:
    """What a naive evaluation came to."""

    verdict: str = ""
    rule: str = ""
    audits: list[tuple[str, str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    log: bool = False
    passed_by: list[str] = field(default_factory=list)

    def summary(self) -> tuple[str, str, list[tuple[str, str]], list[str], bool]:
        """What is compared."""
        return self.verdict, self.rule, self.audits, self.tags, self.log


def evaluate(lines: list[Line], default: str, *, audited: bool, now: float, answer: bool) -> Story:
    """All rules in order, with an answer or without; a rule on the answer does not match without one."""
    story, passed = Story(), False
    for line in sorted(lines, key=lambda line: (TIERS.index(line.tier), line.priority, f"p{line.number}")):
        if not line.holds(now) or (passed and line.tier == "platform"):
            continue
        if line.on_answer and not answer:
            story.passed_by.append("log" if line.audit else line.action)
            continue
        if line.on_answer and not line.answer[1]:
            continue
        story.log = story.log or line.log or line.action == "log"
        story.tags += [] if line.audit else [f"t{line.number}"]
        story.tags += ["log"] if (line.log or line.action == "log") and "log" not in story.tags else []
        if line.audit:
            story.audits += [(line.name, line.action)] if line.action not in {"log", "continue"} else []
        elif line.action in ENDING:
            story.verdict, story.rule = line.action, line.name
            break
        elif line.action == "route":
            story.audits += [(line.name, "route")] if audited else []
        passed = passed or (line.action == "pass" and not line.audit)
    story.verdict = story.verdict or default
    if audited and story.verdict != "allow":
        story.audits.append((story.rule, story.verdict))
        story.verdict, story.rule = "allow", ""
    return story


def expected(lines: list[Line], default: str, *, audited: bool, now: float) -> Story:
    """A denial that no rule before it could turn is made at once; all else with the answer."""
    at_once = evaluate(lines, default, audited=audited, now=now, answer=False)
    turning = {"deny": {"allow", "redirect", "pass"}, "redirect": {"allow", "deny", "redirect", "pass"}}
    if at_once.verdict != "allow" and not turning[at_once.verdict] & set(at_once.passed_by):
        return at_once
    return evaluate(lines, default, audited=audited, now=now, answer=True)


def actual(asker: Asker, now: float) -> Decision:
    """The engine's decision, the answer seen where it waits for that."""
    decision = decide(asker, QNAME, "A", "udp", NOW + now)
    return decision if decision.form is not None else inspect(asker, decision, QNAME, HIT, NOW + now)


def summary(decision: Decision) -> tuple[str, str, list[tuple[str, str]], list[str], bool]:
    """What is compared."""
    audits = [(audit.rule, audit.verdict) for audit in decision.audits]
    return decision.verdict, decision.rule, audits, list(decision.tags), decision.log


@lru_cache
def _tenant(default: str, mode: str) -> dict[str, PolicyObject]:
    return objects(tenant(default=default, mode=mode) + SET)


def asker_of(lines: list[Line], default: str, *, audited: bool = False) -> Asker:
    """The frontend of a tenant with these rules, each in an object of its own."""
    known = _tenant(default, "audit" if audited else "enforce") | {key_of(obj): obj for obj in map(Line.written, lines)}
    book = SignalBook()
    book.use(kinds_in_use(known.values()))
    book.put(signal("risk", FRONTEND, "low", life=200), NOW)
    asker = identify(compile_policy(known, {}, book.boards(NOW), now=NOW, version="v", epoch=1), FRONTEND)
    assert asker is not None
    return asker


conditions = st.tuples(st.sampled_from(NAMES), st.sampled_from(SIGNALS), st.sampled_from(CLIENTS))
drawn = st.builds(
    Line,
    tier=st.sampled_from(TIERS),
    priority=st.integers(1, 3),
    action=st.sampled_from(["allow", "deny", "redirect", "log", "tag", "route", "continue", "deny", "allow"]),
    audit=st.sampled_from([False, False, True]),
    log=st.booleans(),
    conditions=st.one_of(st.just((NAMES[0], SIGNALS[0], CLIENTS[0])), conditions),
    schedule=st.sampled_from(SCHEDULES),
    expiry=st.sampled_from(EXPIRIES),
    answer=st.sampled_from(ANSWERS),
)


@st.composite
def policies(draw: st.DrawFn) -> list[Line]:
    """Up to nine rules; some of the platform pass."""
    lines = draw(st.lists(drawn, max_size=9))
    return [
        replace(line, number=number, action="pass" if (line.tier, line.action) == ("platform", "continue") else line.action)
        for number, line in enumerate(lines)
    ]


@given(policies(), st.sampled_from(["allow", "deny"]), st.booleans(), st.sampled_from([0, 29, 30, 60, 119, 150, 299, 300]))
def test_the_engine_decides_as_the_reference_says(lines: list[Line], default: str, audited: bool, now: float) -> None:
    """Verdict, rule, audits, tags and log are those of one loop over all rules."""
    asker = asker_of(lines, default, audited=audited)
    assert summary(actual(asker, now)) == expected(lines, default, audited=audited, now=now).summary()


@given(policies(), st.sampled_from(["allow", "deny"]), st.integers(0, 400), st.integers(0, 400))
def test_a_decision_is_good_until_it_says(lines: list[Line], default: str, now: int, later: int) -> None:
    """At every moment before `valid_until` the decision would be the same; schedules of rules that did not match count."""
    asker = asker_of(lines, default)
    decision = actual(asker, now)
    assert decision.valid_until > NOW + now
    moment = min(now + later, decision.valid_until - NOW - 0.5)
    assert summary(actual(asker, moment)) == summary(decision)


@given(policies(), st.sampled_from(["allow", "deny"]))
def test_the_explanation_comes_to_the_same_end(lines: list[Line], default: str) -> None:
    """What the explanation calls the verdict is the engine's, and what it calls audit is what was recorded."""
    asker = asker_of(lines, default)
    at_once = decide(asker, QNAME, "A", "udp", NOW).form is not None
    decision = actual(asker, 0)
    story = explain(Asked(asker, QNAME, "A", "udp", NOW, None if at_once else HIT), decision)
    marking = {line.name for line in lines if line.action in {"log", "continue"}}
    assert [line.rule for line in story if line.outcome == "verdict"] == [decision.rule]
    assert [line.rule for line in story if line.outcome == "audit" and line.rule not in marking] == [
        audit.rule for audit in decision.audits
    ]
