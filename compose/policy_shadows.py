"""Rules that never decide anything because an earlier rule takes all they could match.

Only what is certain is claimed: one earlier rule that always holds (no schedule, no end, no condition on answers,
signals or sets), is terminal and enforced, and is for all tenants, clients, types, transports and names of the later
one. That several earlier rules together shadow a later one is not looked for. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from resolver.mnemonics import type_name, type_number
from resolver.policy.patterns import Pattern, PatternError, PatternIndex, parse_pattern, suffixes
from resolver.policy.rules import TIERS
from schemas.objects import ClientSelector, DNSPolicy, DNSPolicySpec, PolicyObject, Rule, RuleMatch

_ENDS = frozenset({"allow", "deny", "redirect"})
_CERTAIN = frozenset({"qname", "qtype", "transport"})
_ON_QUERIES = frozenset(RuleMatch.__struct_fields__) - {"cname", "addresses", "rcode"}
_EVERYBODY = ""
_EVERY_NAME = Pattern("any", (), "", "*")


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A rule and its place in the order of evaluation."""

    order: tuple[int, int, str, int]
    key: str
    policy: DNSPolicySpec
    rule: Rule
    patterns: tuple[Pattern, ...]

    @property
    def path(self) -> str:
        """Key path of the rule in its object."""
        return f"spec.rules[{self.order[3]}]"

    @property
    def name(self) -> str:
        """``object/rule``."""
        return f"{self.order[2]}/{self.rule.name}"


def shadowed(objects: Mapping[str, PolicyObject]) -> Iterator[tuple[Placed, Placed]]:
    """Each rule that can never decide, and the earlier rule that takes all it could match.

    Args:
        objects: by key; verified.
    """
    rules = sorted(_placed(objects), key=lambda placed: placed.order)
    passes = next((placed.order for placed in rules if placed.rule.action == "pass"), None)
    taking: dict[str, PatternIndex[Placed]] = {_EVERYBODY: PatternIndex()}
    for placed in rules:
        earlier = next((other for other in _candidates(taking, placed) if _takes_all(other, placed, passes)), None)
        if earlier is not None:
            yield placed, earlier
        elif _always_ends(placed):
            for tenant in placed.policy.tenants or (_EVERYBODY,):
                for pattern in placed.patterns or (_EVERY_NAME,):
                    taking.setdefault(tenant, PatternIndex()).add(pattern, placed)


def _placed(objects: Mapping[str, PolicyObject]) -> Iterator[Placed]:
    for key, obj in objects.items():
        if not isinstance(obj, DNSPolicy):
            continue
        for place, rule in enumerate(obj.spec.rules):
            try:
                patterns = tuple(map(parse_pattern, rule.match.qname))
            except PatternError:  # verify says so
                continue
            order = (TIERS.index(obj.spec.tier), obj.spec.priority, obj.metadata.name, place)
            yield Placed(order, key, obj.spec, rule, patterns)


def _always_ends(placed: Placed) -> bool:
    rule = placed.rule
    return (
        rule.action in _ENDS
        and "audit" not in {rule.mode, placed.policy.mode}
        and rule.schedule is None
        and rule.expires is None
        and says_only(rule.match, _CERTAIN)
        and says_only(rule.clients, {"match_labels", "subnets"})
    )


def says_only(part: Struct, fields: frozenset[str] | set[str]) -> bool:
    """Whether nothing but these fields differs from what is the default."""
    default = type(part)()
    return all(name in fields or getattr(part, name) == getattr(default, name) for name in part.__struct_fields__)


def _candidates(taking: Mapping[str, PatternIndex[Placed]], placed: Placed) -> Iterator[Placed]:
    """Earlier rules for a name of the rule: those for all tenants, and those for the first of its own."""
    pattern = next(iter(placed.patterns), _EVERY_NAME)
    if placed.rule.match.domain_sets:
        pattern = _EVERY_NAME
    labels = ["x" for _ in pattern.globs]
    if pattern.kind != "exact" and not labels:
        labels = ["x"]
    name = ".".join([*labels, pattern.suffix] if pattern.suffix else labels)
    names = suffixes(name)
    for tenant in dict.fromkeys([_EVERYBODY, *placed.policy.tenants[:1]]):
        if tenant in taking:
            yield from taking[tenant].walk(names)


def _takes_all(first: Placed, later: Placed, passes: tuple[int, int, str, int] | None) -> bool:
    if passes and passes < first.order and first.policy.tier == "platform" and later.policy.tier != "platform":
        return False  # `pass` may skip the earlier rule and leave the verdict to the later one
    if not says_only(later.rule.match, _ON_QUERIES):
        return False  # the later one is asked again when there is an answer
    return (
        _among(later.policy.tenants, first.policy.tenants)
        and _clients_within(later.rule.clients, first.rule.clients)
        and _among(_types(later.rule), _types(first.rule))
        and _among(later.rule.match.transport, first.rule.match.transport)
        and _names_within(later, first)
    )


def _among(narrow: Sequence[str], wide: Sequence[str]) -> bool:
    """Whether all of one list are in the other; an empty list means all there are."""
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


def _types(rule: Rule) -> list[str]:
    found = []
    for text in rule.match.qtype:
        try:
            found.append(type_name(type_number(text.upper())))
        except KeyError:  # verify says so
            found.append(text)
    return found


def _clients_within(narrow: ClientSelector, wide: ClientSelector) -> bool:
    if not wide.match_labels.items() <= narrow.match_labels.items():
        return False
    if not wide.subnets:
        return True
    return bool(narrow.subnets) and all(any(_lies_in(one, other) for other in wide.subnets) for one in narrow.subnets)


def _lies_in(one: str, other: str) -> bool:
    try:
        inner, outer = ipaddress.ip_network(one), ipaddress.ip_network(other)
    except ValueError:  # verify says so
        return False
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type] # the same version


def _names_within(narrow: Placed, wide: Placed) -> bool:
    if not wide.patterns:
        return True
    if not narrow.patterns or narrow.rule.match.domain_sets:
        return any(pattern.kind == "any" for pattern in wide.patterns)
    return all(any(covers(pattern, other) for pattern in wide.patterns) for other in narrow.patterns)


def covers(wide: Pattern, narrow: Pattern) -> bool:
    """Whether one pattern certainly matches every name that the other matches."""
    if wide.kind == "any" or wide == narrow:
        return True
    if narrow.kind == "any" or wide.globs or wide.kind == "exact":
        return False
    if narrow.suffix.endswith(f".{wide.suffix}"):
        return True
    if narrow.suffix != wide.suffix:
        return False
    return bool(narrow.globs) or wide.kind == "within" or narrow.kind == "below"
