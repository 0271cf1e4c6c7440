"""The decision on one query: platform, overlay, tenant, baseline rules, then the tenant's default.

Stands above the caches on the path. `decide` is hot: it looks only at rules whose names match, found through indexes.
What depends on the answer waits for `inspect`, which goes through the same rules once more, in the same order. Pure:
`now` is an argument. Must not know messages or upstreams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from operator import attrgetter

from resolver.policy.conditions import Conditions
from resolver.policy.decision import AnswerForm, Audit, Decision
from resolver.policy.forms import DEFAULT_DENY
from resolver.policy.on_answer import Answered
from resolver.policy.patterns import suffixes
from resolver.policy.rebinding import guarded
from resolver.policy.rpz_rule import ask_zones
from resolver.policy.rules import TERMINAL, CompiledRule
from resolver.policy.signal_match import NEVER, subjects_of
from resolver.tenants import Asker

_DEFAULT_TEXT = "denied by default"
_MARKING = frozenset({"log", "continue"})
_TURNING = {"deny": {"allow", "redirect", "pass"}, "redirect": {"allow", "deny", "redirect", "pass"}}
"""By verdict: actions of rules on the answer that, standing before it, may turn it into another one."""
_NOTHING: frozenset[str] = frozenset()
_order = attrgetter("order")


def decide(asker: Asker, qname: str, qtype_name: str, transport: str, now: float) -> Decision:
    """The verdict on one query, as far as it can be known without an answer.

    Args:
        asker: from tenants.identify.
        qname: lower case, without final dot.
        qtype_name: mnemonic or TYPEn.
        transport: ``udp``, ``tcp``, ``tls`` or ``https``.
        now: Unix seconds.
    """
    names = suffixes(qname)
    rules = [rule for rule in _named(asker, qname, names) if applies(rule, asker, names, qtype_name, transport)]
    if asker.tenant.search.suffixes:
        rules = _seen_through(rules, asker, qname, qtype_name, transport)
    walk = _Walk(asker, names, now, stream=transport != "udp")
    decision = walk.run(rules)
    return walk.waiting(decision, rules) if walk.pending else decision


def _seen_through(
    rules: list[CompiledRule], asker: Asker, qname: str, qtype_name: str, transport: str
) -> list[CompiledRule]:
    """These rules and those for the name without its search suffix: what was asked before one was put behind it."""
    exempt = asker.tenant.exempt.matches(qname)
    for bare in asker.tenant.search.without(qname):
        names = suffixes(bare)
        found = [rule for rule in _named(asker, bare, names) if not (exempt and rule.tier == "overlay")]
        rules += [rule for rule in found if applies(rule, asker, names, qtype_name, transport)]
    return sorted(dict.fromkeys(rules), key=_order)


def _named(asker: Asker, qname: str, names: list[str]) -> list[CompiledRule]:
    """Rules for this name in the order of evaluation."""
    tenant = asker.tenant
    shared, own, overlay = tenant.rules.indexes
    found: list[CompiledRule] = [*shared.walk(names), *own.walk(names)]
    if overlay and not tenant.exempt.matches(qname):
        found += overlay.walk(names)
    if tenant.rules.by_set:
        found += [rule for rule in tenant.rules.by_set if rule.action == "rpz" or in_sets(rule.sets, asker, names)]
    if len(found) > 1:
        found = sorted(dict.fromkeys(found), key=_order)
    return found


def in_sets(sets: tuple[str, ...], asker: Asker, names: list[str]) -> bool:
    """Whether one of these domain sets holds a name, given as its suffixes; a set that does not exist holds none."""
    return any((held := asker.sets.get(name)) is not None and held.holds(names) for name in sets)


def applies(rule: CompiledRule, asker: Asker, names: list[str], qtype_name: str, transport: str) -> bool:
    """Whether a rule for this name is for this query."""
    if rule.qtypes and qtype_name not in rule.qtypes:
        return False
    if rule.transports and transport not in rule.transports:
        return False
    if rule.excluded is not None and rule.excluded.holds(names):
        return False
    if rule.not_sets and in_sets(rule.not_sets, asker, names):
        return False
    return not rule.clients or rule.clients.match(asker)


class _Walk:
    """What has been gathered on the way down the matching rules.

    pending: actions of rules passed by that wait for the answer; those in audit mode count as log.
    """

    __slots__ = (
        "answer", "asker", "audits", "log", "names", "now", "on_answer", "pending", "route", "stream", "tags",
        "valid_until",
    )  # fmt: skip

    def __init__(
        self, asker: Asker, names: list[str], now: float, answer: Answered | None = None, *, stream: bool
    ) -> None:
        self.asker, self.names, self.now, self.answer, self.stream = asker, names, now, answer, stream
        self.audits: list[Audit] = []
        self.tags: list[str] = []
        self.log = False
        self.route = ""
        self.valid_until = inf if answer is None else answer.until
        self.pending: frozenset[str] = _NOTHING
        self.on_answer = False

    def run(self, rules: Sequence[CompiledRule]) -> Decision:
        passed = False
        for rule in rules:
            unwanted = rule.expires <= self.now or (passed and rule.tier == "platform")
            if unwanted or (rule.conditions is not None and not self._hold(rule, rule.conditions)):
                continue
            action, form = (rule.action, rule.form) if rule.action != "rpz" else self._by_zones(rule)
            if not action:
                continue
            self._gather(rule)
            if rule.audit:
                if action not in _MARKING:
                    self.audits.append(Audit(rule.name, action, rule.tier))
            elif action in TERMINAL:
                self.on_answer = rule.looks_at_answer
                return self._end(action, rule.name, rule.tier, form, rule.name)
            elif action == "pass":
                passed = True
            elif action == "route":
                self._routed(rule)
        if self.asker.tenant.default == "allow":
            return self._end("allow", "", "default", None, "")
        return self._end("deny", "", "default", DEFAULT_DENY, _DEFAULT_TEXT)

    def _hold(self, rule: CompiledRule, conditions: Conditions) -> bool:
        """Whether they hold now; what they say is good no longer than schedules and signals."""
        if conditions.schedule is not None:
            holds, until = conditions.schedule.at(self.now)
            self.valid_until = min(self.valid_until, until)
            if not holds:
                return False
        if conditions.signals:
            subjects = subjects_of(self.asker, self.names)
            expires = min(test.until(self.asker, subjects, self.now) for test in conditions.signals)
            if expires == NEVER:
                return False
            self.valid_until = min(self.valid_until, expires)
        if conditions.answer is None:
            return True
        # Whether an answer is waited for hangs on this rule, be it that the answer is not what it looks for.
        self.valid_until = min(self.valid_until, rule.expires)
        if self.answer is None:
            self.pending |= {"log" if rule.audit else rule.action}
            return False
        return conditions.answer.matches(self.answer)

    def _by_zones(self, rule: CompiledRule) -> tuple[str, AnswerForm | None]:
        """Verdict and form of what a rule's zones say; no verdict where they say nothing, or nothing yet."""
        zoned = ask_zones(rule, self.asker, self.names, self.answer, stream=self.stream)
        self.valid_until = min(self.valid_until, rule.expires)  # the zones may wait for the answer, see _hold
        if zoned.waits:
            self.pending |= {"log"} if rule.audit else TERMINAL
        return zoned.verdict, zoned.form

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

    def waiting(self, decision: Decision, rules: list[CompiledRule]) -> Decision:
        """The decision with the rules that the answer is still to be held against, unless they cannot change it."""
        if decision.form is None:
            return replace(decision, waiting=tuple(rules), stream=self.stream)
        if self.pending.isdisjoint(_TURNING[decision.verdict]):
            return decision
        route, until = decision.route, decision.valid_until
        return Decision("allow", route=route, valid_until=until, waiting=tuple(rules), stream=self.stream)

    def again(self, decision: Decision) -> Decision:
        """The decision with the answer known; good no longer than the one to wait for it, and with that one's route."""
        found = self.run(decision.waiting)
        return replace(found, route=decision.route, valid_until=min(found.valid_until, decision.valid_until))


def inspect(asker: Asker, decision: Decision, qname: str, answer: Answered, now: float) -> Decision:
    """The decision after seeing the answer: every CNAME hop and address, wherever it came from.

    Args:
        asker: who asked.
        decision: made of the query; allow.
        qname: what was asked, lower case, without final dot.
        answer: what was found.
        now: Unix seconds.
    """
    if decision.waiting:
        walk = _Walk(asker, suffixes(qname), now, answer, stream=decision.stream)
        decision = walk.again(decision)
    return guarded(asker.tenant, qname, answer, decision) if decision.form is None else decision


def inspect_failure(asker: Asker, decision: Decision, qname: str, answer: Answered, now: float) -> Decision:
    """The decision when no answer could be had: rules on the answer may look at its rcode, no other rule changes it.

    A fault stays one: were a name denied because the rule that would have let it through found no answer to look at,
    clients would take it for a name that does not exist.
    """
    if not decision.waiting:
        return decision
    walk = _Walk(asker, suffixes(qname), now, answer, stream=decision.stream)
    decision = walk.again(decision)
    return decision if walk.on_answer else replace(decision, form=None, ede_text="")
