"""One rule in the form the engine reads, and how an operator's DNSPolicy or a stream's overlay entry becomes one.

Everything that can be wrong in a rule on its own is found here, with its key path. What depends on other objects
(tenants, upstream groups) is conflicts.py's. This module must not know how rules are looked up or decided.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from math import inf

from resolver.mnemonics import type_name, type_number
from resolver.policy.clients import EVERY_CLIENT, Clients, compile_clients
from resolver.policy.decision import NO_EDE, AnswerForm
from resolver.policy.patterns import Pattern, PatternError, PatternIndex, canonical_name
from resolver.policy.reading import Report, below, parse_patterns
from schemas.objects import Answer, DNSPolicy, DNSPolicySpec, Feedback, Rule
from schemas.signals import Overlay, OverlayEntry

TIERS = ("platform", "overlay", "tenant", "baseline")
TERMINAL = frozenset({"allow", "deny", "redirect"})
_BLOCKED, _FORGED_ANSWER = 15, 4  # RFC 8914 section 4
_MODES = ("off", "audit", "enforce")
_SEVERITIES = ("info", "low", "medium", "high", "critical")

_NOTHING: PatternIndex[bool] = PatternIndex()

@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule ready to be matched.

    Attributes:
        order: (tier, priority, object, position): the smallest is considered first.
        name: ``object/rule``.
        patterns: names it is for; none is all names. excluded: names it is not for.
        qtypes, transports, clients: empty is no condition.
        audit: recorded, not applied. expires: Unix seconds.
    """

    order: tuple[int, int, str, int]
    name: str
    tier: str
    action: str
    patterns: tuple[Pattern, ...] = ()
    excluded: PatternIndex[bool] = _NOTHING
    qtypes: frozenset[str] = frozenset()
    transports: frozenset[str] = frozenset()
    clients: Clients = EVERY_CLIENT
    form: AnswerForm | None = None
    tag: str = ""
    log: bool = False
    route: str = ""
    audit: bool = False
    expires: float = inf


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
    excluded = parse_patterns(rule.match.not_, ".match.not", report)
    return CompiledRule(
        order=(TIERS.index(spec.tier), spec.priority, owner, place),
        name=f"{owner}/{rule.name}",
        tier=spec.tier,
        action=rule.action,
        patterns=parse_patterns(rule.match.qname, ".match.qname", report),
        excluded=PatternIndex((pattern, True) for pattern in excluded) if excluded else _NOTHING,
        qtypes=_qtypes(rule.match.qtype, report),
        transports=frozenset(rule.match.transport),
        clients=compile_clients(rule.clients, ".clients", report),
        form=_form(rule.action, rule.answer, report),
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
    if rule.action not in {"deny", "redirect"} and rule.answer != Answer():
        report(".answer", f"only actions deny and redirect take an answer, this rule's action is {rule.action}")


def _form(action: str, answer: Answer, report: Report) -> AnswerForm | None:
    if action == "redirect":
        return AnswerForm("cname", (), _target(answer, report), answer.ttl, answer.ede or _FORGED_ANSWER)
    if action != "deny":
        return None
    if answer.target:
        report(".answer.target", "only action redirect takes a target")
    if answer.form == "addresses":
        return AnswerForm("addresses", _addresses(answer, report), "", answer.ttl, answer.ede or _FORGED_ANSWER)
    if answer.addresses:
        report(".answer.addresses", f"addresses need form: addresses, the form is {answer.form}")
    ede = NO_EDE if answer.form == "drop" else answer.ede or _BLOCKED
    return AnswerForm(answer.form, (), "", answer.ttl, ede)


def _target(answer: Answer, report: Report) -> str:
    if answer.form != "nxdomain" or answer.addresses:
        report(".answer", "action redirect takes a target only (form and addresses belong to action deny)")
    if not answer.target:
        report(".answer.target", "action redirect needs the name to redirect to")
        return ""
    try:
        return canonical_name(answer.target)
    except PatternError as error:
        report(".answer.target", f"expected a domain name, got {answer.target!r}: {error}")
        return ""


def _addresses(answer: Answer, report: Report) -> tuple[str, ...]:
    if not answer.addresses:
        report(".answer.addresses", "form addresses needs at least one address")
    addresses = []
    for place, text in enumerate(answer.addresses):
        try:
            addresses.append(str(ipaddress.ip_address(text)))
        except ValueError:
            report(f".answer.addresses[{place}]", f"expected an IPv4 or IPv6 address, got {text!r}")
    return tuple(addresses)


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


def compile_overlay(overlay: Overlay, feedback: Feedback) -> tuple[CompiledRule, ...]:
    """An overlay's entries as far as the tenant's feedback settings let them: the severest and newest first.

    An entry without a pattern that can be read is left out: it must not come to mean every name. The streams that wrote
    them keep to the same settings; a tenant that has just tightened them need not wait.
    """
    ranked = sorted(overlay.entries, key=lambda entry: (-_SEVERITIES.index(entry.severity), -entry.created.timestamp()))
    rules = [rule for entry in ranked if (rule := _entry_rule(entry, feedback)) is not None]
    return tuple(rules[: feedback.max_entries])


def _entry_rule(entry: OverlayEntry, feedback: Feedback) -> CompiledRule | None:
    allowed = feedback.detectors.get(entry.detector, feedback.mode)
    mode = min(allowed, entry.mode, key=_MODES.index)
    if mode == "off" or _SEVERITIES.index(entry.severity) < _SEVERITIES.index(feedback.min_severity):
        return None
    patterns = parse_patterns([entry.pattern], "", lambda *_: None)
    if not patterns:
        return None
    return CompiledRule(
        order=(TIERS.index("overlay"), 0, entry.id, 0),
        name=f"overlay/{entry.id}",
        tier="overlay",
        action=entry.action,
        patterns=patterns,
        form=AnswerForm("nxdomain", ede=_BLOCKED) if entry.action == "deny" else None,
        tag=entry.detector if entry.action == "tag" else "",
        audit=mode == "audit",
        expires=min(entry.expires.timestamp(), entry.created.timestamp() + feedback.max_duration_s),
    )
