"""The decision on one query: platform, overlay, tenant, baseline rules, then the tenant's default.

Stands above the caches on the path. `decide` is hot: it looks only at rules whose names match, found through indexes.
`explain` tells the same story slowly, rule by rule. Pure: `now` is an argument. Must not know messages or upstreams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from operator import attrgetter

from resolver.policy.decision import AnswerForm, Audit, Considered, Decision
from resolver.policy.patterns import suffixes
from resolver.policy.rules import TERMINAL, CompiledRule
from resolver.query import Record
from resolver.tenants import Asker

_BLOCKED = 15  # RFC 8914 section 4.16
_DEFAULT_DENY = AnswerForm("nxdomain", ede=_BLOCKED)
_DEFAULT_TEXT = "denied by default"
_MARKING = frozenset({"log", "continue"})
_order = attrgetter("order")


def decide(asker: Asker, qname: str, qtype_name: str, transport: str, now: float) -> Decision:
    """The verdict on one query.

    Args:
        asker: from tenants.identify.
        qname: lower case, without final dot.
        qtype_name: mnemonic or TYPEn.
        transport: ``udp`` or ``tcp``.
        now: Unix seconds.
    """
    rules = [rule for rule in _named(asker, qname) if _applies(rule, asker, qtype_name, transport)]
    if asker.tenant.search:
        rules = _seen_through(rules, asker, qname, qtype_name, transport)
    return _Walk(asker, now).run(rules)


def _seen_through(
    rules: list[CompiledRule], asker: Asker, qname: str, qtype_name: str, transport: str
) -> list[CompiledRule]:
    """These rules and those for the name without its search suffix: what was asked before one was put behind it."""
    exempt = asker.tenant.exempt.matches(qname)
    for bare in asker.tenant.search.without(qname):
        found = [rule for rule in _named(asker, bare) if not (exempt and rule.tier == "overlay")]
        rules += [rule for rule in found if _applies(rule, asker, qtype_name, transport)]
    return sorted(dict.fromkeys(rules), key=_order)


def _named(asker: Asker, qname: str) -> list[CompiledRule]:
    """Rules for this name in the order of evaluation."""
    tenant = asker.tenant
    names = suffixes(qname)
    shared, own, overlay = tenant.rules.indexes
    found: list[CompiledRule] = [*shared.walk(names), *own.walk(names)]
    if overlay and not tenant.exempt.matches(qname):
        found += overlay.walk(names)
    if len(found) > 1:
        found = sorted(dict.fromkeys(found), key=_order)
    return [rule for rule in found if not (rule.excluded and rule.excluded.matches(qname))]


def _applies(rule: CompiledRule, asker: Asker, qtype_name: str, transport: str) -> bool:
    if rule.qtypes and qtype_name not in rule.qtypes:
        return False
    if rule.transports and transport not in rule.transports:
        return False
    return not rule.clients or rule.clients.match(asker)


class _Walk:
    """What has been gathered on the way down the matching rules."""

    __slots__ = ("asker", "audits", "log", "now", "route", "tags", "valid_until")

    def __init__(self, asker: Asker, now: float) -> None:
        self.asker = asker
        self.now = now
        self.audits: list[Audit] = []
        self.tags: list[str] = []
        self.log = False
        self.route = ""
        self.valid_until = inf

    def run(self, rules: list[CompiledRule]) -> Decision:
        passed = False
        for rule in rules:
            if rule.expires <= self.now or (passed and rule.tier == "platform"):
                continue
            self._gather(rule)
            if rule.audit:
                if rule.action not in _MARKING:
                    self.audits.append(Audit(rule.name, rule.action, rule.tier))
            elif rule.action in TERMINAL:
                return self._end(rule.action, rule.name, rule.tier, rule.form, rule.name)
            elif rule.action == "pass":
                passed = True
            elif rule.action == "route":
                self._routed(rule)
        if self.asker.tenant.default == "allow":
            return self._end("allow", "", "default", None, "")
        return self._end("deny", "", "default", _DEFAULT_DENY, _DEFAULT_TEXT)

    def _gather(self, rule: CompiledRule) -> None:
        """Marks. To log is what audit mode is for, so `log` holds there too."""
        self.valid_until = min(self.valid_until, rule.expires)
        self.log = self.log or rule.log
        for tag in ("" if rule.audit else rule.tag, "log" if rule.log else ""):
            if tag and tag not in self.tags:
                self.tags.append(tag)

    def _routed(self, rule: CompiledRule) -> None:
        if self.asker.tenant.mode == "audit":
            self.audits.append(Audit(rule.name, "route", rule.tier))
        elif not self.route and rule.route in self.asker.tenant.groups:
            self.route = rule.route

    def _end(self, verdict: str, rule: str, tier: str, form: AnswerForm | None, text: str) -> Decision:
        if verdict != "allow" and self.asker.tenant.mode == "audit":
            self.audits.append(Audit(rule, verdict, tier))
            verdict, rule, tier, form = "allow", "", "default", None
        audits, tags = tuple(self.audits), tuple(self.tags)
        text = text if form else ""
        return Decision(verdict, rule, tier, form, audits, tags, self.log, self.route, text, self.valid_until)


def inspect(asker: Asker, decision: Decision, records: Sequence[Record], now: float) -> Decision:  # noqa: ARG001 - no rule looks at answers yet; the path already passes here
    """The decision after seeing the answer: every CNAME hop and address. Without rules on answers it stands."""
    return decision


def explain(asker: Asker, qname: str, qtype_name: str, transport: str, now: float) -> list[Considered]:
    """Every rule of the tenant in order, and the default: did it match, why (not), and what came of it."""
    story: list[Considered] = []
    decided = passed = ""
    for rule in asker.tenant.rules.ordered():
        why_not = f"not reached: {decided} had decided" if decided else ""
        if passed and rule.tier == "platform":
            why_not = why_not or f"not reached: {passed} passed on to the tenant"
        why_not = why_not or next(_obstacles(rule, asker, (qname, qtype_name, transport), now), "")
        outcome = "skip" if why_not else _outcome(rule, asker)
        story.append(Considered(rule.name, rule.tier, not why_not, why_not or _why(rule, qname), outcome))
        if outcome == "pass":
            passed = rule.name
        if not why_not and not rule.audit and rule.action in TERMINAL:
            decided = rule.name
    tenant = asker.tenant
    outcome = "skip" if decided else "audit" if tenant.default == "deny" and tenant.mode == "audit" else "verdict"
    why = f"not reached: {decided} had decided" if decided else f"the tenant's default is {tenant.default}"
    return [*story, Considered("", "default", not decided, why, outcome)]


def _outcome(rule: CompiledRule, asker: Asker) -> str:
    if rule.audit:
        return "audit"
    if rule.action in TERMINAL:
        return "audit" if asker.tenant.mode == "audit" and rule.action != "allow" else "verdict"
    return "pass" if rule.action == "pass" else "continue"


def _why(rule: CompiledRule, qname: str) -> str:
    matching = [pattern.text for pattern in rule.patterns if pattern.matches(qname)]
    return f"{rule.action}: {qname} matches {matching[0]}" if matching else f"{rule.action}: any name"


def _obstacles(rule: CompiledRule, asker: Asker, asked: tuple[str, str, str], now: float) -> Iterator[str]:
    """Why the rule does not match, each reason there is."""
    qname, qtype_name, transport = asked
    if rule.expires <= now:
        yield "it has expired"
    if rule.tier == "overlay" and asker.tenant.exempt.matches(qname):
        yield f"{qname} is exempt from feedback"
    if rule.patterns and not any(pattern.matches(qname) for pattern in rule.patterns):
        yield f"{qname} matches none of {', '.join(pattern.text for pattern in rule.patterns)}"
    if rule.excluded and rule.excluded.matches(qname):
        yield f"{qname} is excluded by 'not'"
    if rule.qtypes and qtype_name not in rule.qtypes:
        yield f"type {qtype_name} is none of {', '.join(sorted(rule.qtypes))}"
    if rule.transports and transport not in rule.transports:
        yield f"transport {transport} is none of {', '.join(sorted(rule.transports))}"
    yield from rule.clients.obstacles(asker)
