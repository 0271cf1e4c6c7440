"""One rule in the form the engine reads, and how the rules of an operator's DNSPolicy become such.

Everything that can be wrong in a rule on its own is found here, with its key path. What depends on other objects
(tenants, upstream groups) is conflicts.py's. This module must not know how rules are looked up or decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import inf

from resolver.mnemonics import type_name, type_number
from resolver.policy.clients import EVERY_CLIENT, Clients, compile_clients
from resolver.policy.conditions import Conditions, compile_conditions
from resolver.policy.decision import AnswerForm
from resolver.policy.forms import compile_form
from resolver.policy.patterns import Pattern, PatternIndex
from resolver.policy.reading import Report, below, parse_patterns
from schemas.objects import DNSPolicy, DNSPolicySpec, Rule
from schemas.policy_spec import RuleMatch

TIERS = ("platform", "overlay", "tenant", "baseline")
TERMINAL = frozenset({"allow", "deny", "redirect"})


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule ready to be matched.

    Attributes:
        order: (tier, priority, object, position): the smallest is considered first.
        name: ``object/rule``.
        patterns, sets: names it is for, by pattern and by the names of domain sets; neither is all names.
        excluded, not_sets: names it is not for.
        qtypes, transports, clients: empty is no condition. conditions: what else must hold.
        audit: recorded, not applied. expires: Unix seconds.
    """

    order: tuple[int, int, str, int]
    name: str
    tier: str
    action: str
    patterns: tuple[Pattern, ...] = ()
    sets: tuple[str, ...] = ()
    excluded: PatternIndex[bool] | None = None
    not_sets: tuple[str, ...] = ()
    qtypes: frozenset[str] = frozenset()
    transports: frozenset[str] = frozenset()
    clients: Clients = EVERY_CLIENT
    conditions: Conditions | None = None
    form: AnswerForm | None = None
    tag: str = ""
    log: bool = False
    route: str = ""
    audit: bool = False
    expires: float = inf

    @property
    def looks_at_answer(self) -> bool:
        """Whether it may have waited for the answer; its verdict stands then even if no answer could be had."""
        return self.action == "rpz" or (self.conditions is not None and self.conditions.answer is not None)


def compile_policy_rules(policy: DNSPolicy, report: Report) -> tuple[CompiledRule, ...]:
    """Rules of one DNSPolicy, in order."""
    names: dict[str, int] = {}
    rules = []
    for place, rule in enumerate(policy.spec.rules):
        path = f"spec.rules[{place}]"
        first = names.setdefault(rule.name, place)
        if first != place:
            report(f"{path}.name", f"{rule.name!r} is the name of rules[{first}] too, expected a name of its own")
        rules.append(_compile(policy.metadata.name, policy.spec, rule, place, below(path, report)))
    return tuple(rules)


def _compile(owner: str, spec: DNSPolicySpec, rule: Rule, place: int, report: Report) -> CompiledRule:
    _check_action(rule, spec.tier, report)
    _check_names(rule.match, report)
    excluded = parse_patterns(rule.match.not_, ".match.not", report)
    qtypes = _qtypes(rule.match.qtype, report)
    return CompiledRule(
        order=(TIERS.index(spec.tier), spec.priority, owner, place),
        name=f"{owner}/{rule.name}",
        tier=spec.tier,
        action=rule.action,
        patterns=parse_patterns(rule.match.qname, ".match.qname", report),
        sets=tuple(rule.match.domain_sets),
        excluded=PatternIndex((pattern, True) for pattern in excluded) if excluded else None,
        not_sets=tuple(rule.match.not_domain_sets),
        qtypes=qtypes,
        transports=frozenset(rule.match.transport),
        clients=compile_clients(rule.clients, ".clients", report),
        conditions=compile_conditions(rule, qtypes, report),
        form=compile_form(rule.action, rule.answer, report),
        tag=rule.tag,
        log=rule.log or rule.action == "log",
        route=rule.route,
        audit="audit" in {rule.mode, spec.mode},
        expires=_expiry(rule.expires, report),
    )


def _check_action(rule: Rule, tier: str, report: Report) -> None:
    if rule.action == "pass" and tier != "platform":
        report(".action", f"'pass' leaves the verdict to the tenant, so it belongs in tier platform, not {tier}")
    if rule.action == "tag" and not rule.tag:
        report(".tag", "action tag needs the tag to give")
    if rule.action == "route" and not rule.route:
        report(".route", "action route needs the name of an upstream group")
    if rule.route and rule.action != "route":
        report(".route", f"only action route takes an upstream group, this rule's action is {rule.action}")
    if rule.action == "rpz" and not rule.match.domain_sets:
        report(".match.domainSets", "action rpz does what zones say, expected the domain sets that hold them")
    if rule.action == "rpz" and rule.match.qname:
        report(".match.qname", "action rpz takes names from its zones, expected domainSets alone")


def _check_names(match: RuleMatch, report: Report) -> None:
    """What is both meant and taken out is a contradiction."""
    for taking, out, meant, by in (
        ("not", match.not_, "qname", match.qname),
        ("notDomainSets", match.not_domain_sets, "domainSets", match.domain_sets),
    ):
        for place, text in enumerate(out):
            if text in by:
                report(f".match.{taking}[{place}]", f"takes out {text!r}, which {meant}[{by.index(text)}] names")


def _qtypes(texts: list[str], report: Report) -> frozenset[str]:
    found = set()
    for place, text in enumerate(texts):
        try:
            found.add(type_name(type_number(text.upper())))
        except KeyError:
            report(f".match.qtype[{place}]", f"expected a query type such as AAAA, HTTPS or TYPE65, got {text!r}")
    return frozenset(found)


def _expiry(moment: datetime | None, report: Report) -> float:
    if moment is None:
        return inf
    if moment.tzinfo is None:
        report(".expires", f"expected a time with a zone, such as {moment.isoformat()}Z")
    return moment.timestamp()
