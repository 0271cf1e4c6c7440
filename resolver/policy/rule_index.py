"""The rules of a tenant as the engine looks them up: by name through indexes that tenants with the same policies share.

Made off the path, in slices; read by engine.py. This module must not know how a rule is decided or what a tenant is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from resolver.policy.patterns import Pattern, PatternIndex
from resolver.policy.rules import CompiledRule
from resolver.policy.steps import SLICE, Steps

RuleList = tuple[CompiledRule, ...]
RuleLists = tuple[RuleList, ...]
_EVERY_NAME = Pattern("any", (), "", "*")


@dataclass(frozen=True, slots=True, eq=False)
class RuleIndex:
    """Rules by the names they are for: those with patterns, or for all names; and the few that name domain sets."""

    by_pattern: PatternIndex[CompiledRule]
    by_set: tuple[CompiledRule, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """Rules of one tenant: those for all tenants, those naming it, its overlay; each group with its index.

    by_set: those of all groups that name domain sets, which each query asks in turn.
    """

    groups: tuple[RuleLists, ...]
    indexes: tuple[PatternIndex[CompiledRule], ...]
    by_set: tuple[CompiledRule, ...]

    def ordered(self) -> list[CompiledRule]:
        """All rules in the order of evaluation."""
        return sorted((rule for lists in self.groups for rules in lists for rule in rules), key=lambda rule: rule.order)


@dataclass(slots=True, eq=False)
class Indexes:
    """Indexes by the lists they are made of, shared by tenants and kept from one build to the next while used."""

    used: dict[tuple[int, ...], tuple[RuleLists, RuleIndex]] = field(default_factory=dict)
    earlier: dict[tuple[int, ...], tuple[RuleLists, RuleIndex]] = field(default_factory=dict)

    def start(self) -> None:
        """Begin a build: what is not asked for until the next start is forgotten."""
        self.earlier, self.used = self.used, {}

    def of(self, lists: RuleLists) -> Steps[RuleIndex]:
        """The index of these lists. Entries hold their lists, so an id in a key cannot come to mean another list."""
        key = tuple(map(id, lists))
        entry = self.used.get(key) or self.earlier.get(key)
        if entry is None:
            entry = lists, (yield from index_of(lists))
        self.used[key] = entry
        return entry[1]


def index_of(lists: Iterable[RuleList]) -> Steps[RuleIndex]:
    """The index of the rules of these lists."""
    rules = [rule for rules in lists for rule in rules]
    index: PatternIndex[CompiledRule] = PatternIndex()
    for place, rule in enumerate(rules, 1):
        for pattern in _patterns(rule):
            index.add(pattern, rule)
        if not place % SLICE:
            yield
    return RuleIndex(index, tuple(rule for rule in rules if rule.sets))


def _patterns(rule: CompiledRule) -> tuple[Pattern, ...]:
    """A rule that names nothing is for every name."""
    return rule.patterns if rule.patterns or rule.sets else (_EVERY_NAME,)


def rule_set(groups: tuple[RuleLists, ...], indexes: tuple[RuleIndex, ...]) -> RuleSet:
    """Groups of rules with the index of each."""
    by_set = tuple(rule for index in indexes for rule in index.by_set)
    return RuleSet(groups, tuple(index.by_pattern for index in indexes), by_set)
