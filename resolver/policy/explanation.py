"""The decision on one query told slowly: every rule of the tenant in order, did it match, why (not), what came of it.

Tells the same story as engine.py, which tests hold against it. For people who ask, never on the path. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from resolver.policy.decision import Considered, Decision
from resolver.policy.engine import in_sets
from resolver.policy.on_answer import Answered
from resolver.policy.patterns import suffixes
from resolver.policy.rebinding import RULE, TIER, Guard, inside
from resolver.policy.rpz_rule import ask_zones
from resolver.policy.rules import TERMINAL, CompiledRule
from resolver.policy.signal_match import NEVER, subjects_of
from resolver.tenants import Asker

_NO_ANSWER = "looks at the answer, but there is none: the query is decided without"


@dataclass(frozen=True, slots=True)
class Asked:
    """A query to explain, as engine.decide takes it. answer: what was found; None as long as nothing is known of it."""

    asker: Asker
    qname: str
    qtype: str
    transport: str
    now: float
    answer: Answered | None = None


def explain(asked: Asked, decision: Decision) -> list[Considered]:
    """Every rule of the tenant in order, its default, and the rebinding guard.

    Args:
        asked: the query and what is known of its answer.
        decision: what the engine made of that.
    """
    story: list[Considered] = []
    decided = passed = ""
    for rule in asked.asker.tenant.rules.ordered():
        line = _considered(rule, asked, decided, passed)
        story.append(line)
        if line.outcome == "pass":
            passed = rule.name
        if line.matched and not rule.audit and (rule.action in TERMINAL or rule.action == "rpz"):
            decided = rule.name
    story += [_default(asked.asker, decided), *_guard(asked, decision)]
    if decision.form is not None and asked.answer is None:
        return [_line(line.rule, line.tier, _NO_ANSWER, "skip") if line.outcome == "waits" else line for line in story]
    return story


def _line(rule: str, tier: str, why: str, outcome: str) -> Considered:
    return Considered(rule, tier, outcome not in {"skip", "waits"}, why, outcome)


def _considered(rule: CompiledRule, asked: Asked, decided: str, passed: str) -> Considered:
    if decided:
        return _line(rule.name, rule.tier, f"not reached: {decided} had decided", "skip")
    if passed and rule.tier == "platform":
        return _line(rule.name, rule.tier, f"not reached: {passed} passed on to the tenant", "skip")
    asked = _seen_through(rule, asked)
    obstacles = [*_obstacles(rule, asked), *_unmet(rule, asked)]
    if obstacles:
        return _line(rule.name, rule.tier, "; ".join(obstacles), "skip")
    test = rule.conditions.answer if rule.conditions else None
    if test is not None and asked.answer is None:
        return _line(rule.name, rule.tier, f"waits for the answer: {test.told()}", "waits")
    if rule.action == "rpz":
        return _by_zones(rule, asked)
    return _line(rule.name, rule.tier, "; ".join(_reasons(rule, asked)), _outcome(rule, rule.action, asked.asker))


def _by_zones(rule: CompiledRule, asked: Asked) -> Considered:
    """A rule that does what zones say."""
    names, stream = suffixes(asked.qname), asked.transport != "udp"
    zoned = ask_zones(rule, asked.asker, names, asked.answer, stream=stream)
    if zoned.waits:
        return _line(rule.name, rule.tier, f"waits for the answer: {zoned.why}", "waits")
    outcome = _outcome(rule, zoned.verdict, asked.asker) if zoned.verdict else "skip"
    return _line(rule.name, rule.tier, f"{zoned.verdict}: {zoned.why}" if zoned.verdict else zoned.why, outcome)


def _seen_through(rule: CompiledRule, asked: Asked) -> Asked:
    """The query, or the one that it was before a search suffix was put behind its name, if the rule is for that one."""
    tenant = asked.asker.tenant
    if not tenant.search or (rule.tier == "overlay" and tenant.exempt.matches(asked.qname)):
        return asked
    forms = [asked, *(replace(asked, qname=bare) for bare in tenant.search.without(asked.qname))]
    return next((form for form in forms if not any(_obstacles(rule, form))), asked)


def _outcome(rule: CompiledRule, action: str, asker: Asker) -> str:
    if rule.audit:
        return "audit"
    if action in TERMINAL:
        return "audit" if asker.tenant.mode == "audit" and action != "allow" else "verdict"
    return "pass" if action == "pass" else "continue"


def _default(asker: Asker, decided: str) -> Considered:
    tenant = asker.tenant
    if decided:
        return _line("", "default", f"not reached: {decided} had decided", "skip")
    outcome = "audit" if tenant.default == "deny" and tenant.mode == "audit" else "verdict"
    return _line("", "default", f"the tenant's default is {tenant.default}", outcome)


def _reasons(rule: CompiledRule, asked: Asked) -> Iterator[str]:
    """What made the rule match."""
    names, qname = suffixes(asked.qname), asked.qname
    matching = [f"matches {pattern.text}" for pattern in rule.patterns if pattern.matches(qname)]
    matching += [f"is in domain set {name}" for name in rule.sets if in_sets((name,), asked.asker, names)]
    yield f"{rule.action}: {qname} {matching[0]}" if matching else f"{rule.action}: any name"
    conditions = rule.conditions
    if conditions is None:
        return
    if conditions.schedule is not None:
        yield conditions.schedule.told(asked.now)
    yield from (test.told(asked.asker, subjects_of(asked.asker, names)) for test in conditions.signals)
    if conditions.answer is not None:
        yield f"the answer has {conditions.answer.told()}"


def _obstacles(rule: CompiledRule, asked: Asked) -> Iterator[str]:
    """Why the rule is not for this query, each reason there is."""
    asker, qname, names = asked.asker, asked.qname, suffixes(asked.qname)
    if rule.tier == "overlay" and asker.tenant.exempt.matches(qname):
        yield f"{qname} is exempt from feedback"
    if (rule.patterns or rule.sets) and rule.action != "rpz":
        yield from _name_obstacles(rule, asker, names)
    if rule.excluded is not None and rule.excluded.holds(names):
        yield f"{qname} is excluded by 'not'"
    for name in rule.not_sets:
        if in_sets((name,), asker, names):
            yield f"{qname} is excluded by domain set {name}"
    if rule.qtypes and asked.qtype not in rule.qtypes:
        yield f"type {asked.qtype} is none of {', '.join(sorted(rule.qtypes))}"
    if rule.transports and asked.transport not in rule.transports:
        yield f"transport {asked.transport} is none of {', '.join(sorted(rule.transports))}"
    yield from rule.clients.obstacles(asker)


def _name_obstacles(rule: CompiledRule, asker: Asker, names: list[str]) -> Iterator[str]:
    if any(pattern.matches(names[0]) for pattern in rule.patterns) or in_sets(rule.sets, asker, names):
        return
    if rule.patterns:
        yield f"{names[0]} matches none of {', '.join(pattern.text for pattern in rule.patterns)}"
    if rule.sets:
        yield f"{names[0]} is in no domain set of {', '.join(rule.sets)}"


def _unmet(rule: CompiledRule, asked: Asked) -> Iterator[str]:
    """Which of the other conditions do not hold: time, signals, the answer."""
    if rule.expires <= asked.now:
        yield "it has expired"
    conditions = rule.conditions
    if conditions is None:
        return
    if conditions.schedule is not None and not conditions.schedule.at(asked.now)[0]:
        yield conditions.schedule.told(asked.now)
    subjects = subjects_of(asked.asker, suffixes(asked.qname))
    for test in conditions.signals:
        if test.until(asked.asker, subjects, asked.now) == NEVER:
            yield test.obstacle(asked.asker, subjects)
    if conditions.answer is not None and asked.answer is not None:
        yield from conditions.answer.obstacles(asked.answer)


def _guard(asked: Asked, decision: Decision) -> list[Considered]:
    """The rebinding guard, if the tenant has one: it has the last word on what rules let through."""
    tenant = asked.asker.tenant
    guard: Guard | None = tenant.guard
    if guard is None:
        return []
    if decision.form is not None and decision.rule != RULE:
        return [_line(RULE, TIER, f"not reached: {decision.rule or 'the default'} had decided", "skip")]
    if asked.answer is None:
        return [_line(RULE, TIER, "waits for the answer: an address no public name should have", "waits")]
    why_not = guard.obstacle(tenant, (asked.qname, asked.answer.asked), decision.route)
    address = inside(asked.answer)
    if why_not or address is None:
        return [_line(RULE, TIER, why_not or "the answer has no address of private networks", "skip")]
    outcome = "audit" if guard.audit or tenant.mode == "audit" else "verdict"
    return [_line(RULE, TIER, f"deny: {asked.qname} is public and answers with {address}", outcome)]
