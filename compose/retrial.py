"""Decides again what was asked before, under the policy in force and under another, and counts where they differ.

Memory does not grow with history: counts by tenant and by rule, and the names that changed most, which come in order.
Pure; must not know the store or files.
"""

from __future__ import annotations

import heapq
from collections import Counter
from ipaddress import ip_address
from typing import NamedTuple

import msgspec

from compose.history import Question
from resolver.mnemonics import rcode_number
from resolver.policy.decision import Decision
from resolver.policy.engine import decide, inspect
from resolver.policy.on_answer import Answered
from resolver.query import Record
from resolver.tenants import Asker, Compiled, identify

_NAMES = 20
_FROM_UPSTREAM = frozenset({"upstream", "cache", "stale"})
_NOBODY = "refused: no tenant"


class TenantCount(msgspec.Struct):
    """Queries of one tenant: all, and those decided differently; denied and allowed are those newly so."""

    tenant: str
    queries: int = 0
    changed: int = 0
    denied: int = 0
    allowed: int = 0


class RuleCount(msgspec.Struct, frozen=True):
    """Queries whose decision changed, by the rules that gave and give it; the tenant's default has no rule."""

    old: str
    old_rule: str
    new: str
    new_rule: str
    queries: int


class NameCount(msgspec.Struct, frozen=True):
    """Queries for one name of one tenant whose decision changed."""

    tenant: str
    name: str
    queries: int


class AuditCount(msgspec.Struct, frozen=True):
    """Queries about which a rule in audit has something to say that it had not before."""

    rule: str
    verdict: str
    queries: int


class Outcome(NamedTuple):
    """What a client sees of a decision, and the rule that gave it."""

    seen: str
    rule: str
    denied: bool


class Retrial:
    """Both policies, and what came of it so far.

    Args:
        old: in force.
        new: proposed.

    Attributes:
        queries, changed: of all that was decided.
        by_labels: queries of clients that privacy hides: decided by their workload's labels, in no subnet.
        unseen: queries that a rule on answers concerns and that have no answer in the store.
        homeless: queries of tenants that neither policy has.
    """

    def __init__(self, old: Compiled, new: Compiled) -> None:
        self._old, self._new = old, new
        self.queries = self.changed = self.by_labels = self.unseen = self.homeless = 0
        self._tenants: dict[str, TenantCount] = {}
        self._rules: Counter[tuple[str, str, str, str]] = Counter()
        self._audits: Counter[tuple[str, str]] = Counter()
        self._name: tuple[str, str] = ("", "")
        self._of_name = 0
        self._top: list[tuple[int, str, str]] = []

    def take(self, question: Question) -> None:
        """Decide one question twice; they come by tenant and name."""
        number = question.queries
        if self._name != (question.tenant, question.qname):
            self._end_name()
            self._name = (question.tenant, question.qname)
        hidden = self._hidden(question)
        if hidden and question.tenant not in self._old.tenants and question.tenant not in self._new.tenants:
            self.homeless += number
            return
        old, new = (self._decided(policy, question, hidden=hidden) for policy in (self._old, self._new))
        self.by_labels += number if hidden else 0
        self.unseen += number if any(self._waits(decision, question) for decision in (old, new)) else 0
        self._count(question.tenant, number, old, new)

    def _hidden(self, question: Question) -> bool:
        """Whether the client's address is not in its events, or not its own: then its labels stand for it."""
        try:
            ip_address(question.client)
        except ValueError:
            return True
        if not question.tenant:
            return False
        asker = identify(self._old, question.client)
        return asker is None or asker.tenant.name != question.tenant or asker.tenant.privacy != "clear"

    def _decided(self, policy: Compiled, question: Question, *, hidden: bool) -> Decision | None:
        if hidden:
            view = policy.tenants.get(question.tenant)
            if view is None:
                return None
            asker = Asker(view, question.workload, question.labels, question.client, 0, 0, policy.sets)
        else:
            found = identify(policy, question.client)
            if found is None:
                return None
            asker = found
        now = question.last / 1e6
        decision = decide(asker, question.qname, question.qtype, question.transport, now)
        if decision.form is None and question.answered:
            return inspect(asker, decision, question.qname, _answer(question), now)
        return decision

    def _waits(self, decision: Decision | None, question: Question) -> bool:
        return decision is not None and decision.form is None and bool(decision.waiting) and not question.answered

    def _count(self, tenant: str, number: int, old: Decision | None, new: Decision | None) -> None:
        before, after = _outcome(old), _outcome(new)
        of_tenant = self._tenants.setdefault(tenant, TenantCount(tenant))
        self.queries += number
        of_tenant.queries += number
        said = old.audits if old else ()
        for audit in new.audits if new else ():
            if audit not in said:
                self._audits[audit.rule, audit.verdict] += number
        if before.seen == after.seen:
            return
        self.changed += number
        of_tenant.changed += number
        of_tenant.denied += number if after.denied and not before.denied else 0
        of_tenant.allowed += number if before.denied and not after.denied else 0
        self._rules[before.seen, before.rule, after.seen, after.rule] += number
        self._of_name += number

    def _end_name(self) -> None:
        if self._of_name:
            entry = (self._of_name, *self._name)
            (heapq.heappush if len(self._top) < _NAMES else heapq.heappushpop)(self._top, entry)
        self._of_name = 0

    def notes(self) -> list[str]:
        """What could not be decided as it was, in a sentence each."""
        told = (
            (self.by_labels, "of clients that privacy hides were decided by their workload's labels, as in no subnet"),
            (self.unseen, "concern rules on answers and have no answer in the store"),
            (self.homeless, "of tenants that are no more were left out"),
        )
        return [f"{number} queries {what}" for number, what in told if number]

    def tenants(self) -> list[TenantCount]:
        """Tenants that asked, those with most changes first."""
        return sorted(self._tenants.values(), key=lambda count: (-count.changed, -count.queries, count.tenant))

    def rules(self) -> list[RuleCount]:
        """Changes by the rules that gave and give the decision, most frequent first."""
        return [RuleCount(*pair, queries) for pair, queries in self._rules.most_common()]

    def audits(self) -> list[AuditCount]:
        """What rules in audit would newly do, most frequent first."""
        return [AuditCount(*pair, queries) for pair, queries in self._audits.most_common()]

    def names(self) -> list[NameCount]:
        """The names with most changes."""
        self._end_name()
        return [NameCount(tenant, name, queries) for queries, tenant, name in sorted(self._top, reverse=True)]


def _answer(question: Question) -> Answered:
    rcode, source, types, data, ttls = question.answer
    records = tuple(Record(question.qname, kind, text, ttl) for kind, text, ttl in zip(types, data, ttls, strict=True))
    try:
        number = rcode_number(rcode)
    except KeyError:
        number = 0
    return Answered(number, records, question.qname if source in _FROM_UPSTREAM else "")


def _outcome(decision: Decision | None) -> Outcome:
    if decision is None:
        return Outcome(_NOBODY, "", denied=True)
    form = decision.form
    if form is None:
        return Outcome(f"allow by {decision.route}" if decision.route else "allow", decision.rule, denied=False)
    shown = form.target or " ".join(form.addresses) or form.form
    return Outcome(f"{decision.verdict} {shown}", decision.rule, denied=decision.verdict == "deny")
