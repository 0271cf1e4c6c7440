"""The guard against DNS rebinding: a public name must not answer with an address of the client's own networks.

Stands behind the rules: what they let through it may still deny, and no rule switches it off, only the tenant's
`rebinding` does. A name is public when upstream was asked for it, no zone of special use holds it, and it is not one
that the tenant's own servers (a group with suffixes) resolve. This module must not know rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from resolver.policy.decision import AnswerForm, Audit, Decision
from resolver.policy.on_answer import Answered
from resolver.policy.patterns import PatternIndex, parse_pattern
from resolver.policy.reading import Report, parse_network, parse_patterns
from resolver.policy.record_addresses import KINDS, Address, addresses_in
from resolver.subnets import SubnetIndex
from resolver.tenant_view import NameIndex, TenantView
from schemas.tenant_spec import Rebinding

RULE = "rebinding-guard"
TIER = "platform"
_FORM = AnswerForm("nxdomain", ede=15)
_BLOCKS = (
    "0.0.0.0/8",  # RFC 1122 section 3.2.1.3: this host
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # RFC 1918
    "100.64.0.0/10",  # RFC 6598: shared
    "127.0.0.0/8",  # RFC 1122 section 3.2.1.3: loopback
    "169.254.0.0/16",  # RFC 3927: link-local
    "::/128", "::1/128",  # RFC 4291 section 2.5: unspecified, loopback
    "fc00::/7",  # RFC 4193: unique local
    "fe80::/10",  # RFC 4291 section 2.5.6: link-local
)  # fmt: skip
_INSIDE: SubnetIndex[bool] = SubnetIndex((parse_network(block), True) for block in _BLOCKS)
_SPECIAL_ZONES = (
    ".localhost", ".test", ".invalid",  # RFC 6761
    ".local",  # RFC 6762
    ".intranet", ".private", ".corp", ".home", ".lan",  # RFC 6762 appendix G: used at home and at work
    ".home.arpa",  # RFC 8375
    ".alt",  # RFC 9476
    ".onion",  # RFC 7686
    ".internal",  # reserved by ICANN for private use
)  # fmt: skip
_SPECIAL: PatternIndex[bool] = PatternIndex((parse_pattern(zone), True) for zone in _SPECIAL_ZONES)


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A tenant's guard. exempt: names that may answer with any address."""

    exempt: NameIndex[bool]
    audit: bool = False

    def obstacle(self, tenant: TenantView, names: tuple[str, str], route: str) -> str:
        """Why it has nothing to say about a name, as a clause for an explanation; empty when it has.

        Args:
            tenant: whose guard it is.
            names: the name the client asked, and the one upstream was asked for (empty: the answer was made here).
            route: upstream group that a rule routed to.
        """
        asked = names[1]
        if not asked:
            return "the answer was made here"
        if any(map(self.exempt.matches, names)):
            return f"{' or '.join(dict.fromkeys(names))} is exempt from it"
        if _SPECIAL.matches(asked):
            return f"{asked} is in a zone of special use, not in public DNS"
        group = tenant.upstream_for(asked, route)
        if group is not None and group.suffixes:
            return f"{asked} is resolved by the tenant's own servers ({', '.join(group.suffixes)})"
        return ""


def guarded(tenant: TenantView, qname: str, answer: Answered, decision: Decision) -> Decision:
    """What becomes of the decision to let this answer through.

    Args:
        tenant: whose guard is asked; a tenant without one has nothing to pay here.
        qname: what the client asked.
        answer: what it would get.
        decision: allow, by rules.
    """
    guard: Guard | None = tenant.guard
    if guard is None or not answer.asked or inside(answer) is None:
        return decision
    if guard.obstacle(tenant, (qname, answer.asked), decision.route):
        return decision
    until = min(decision.valid_until, answer.until)
    if guard.audit or tenant.mode == "audit":
        audits = (*decision.audits, Audit(RULE, "deny", TIER))
        return replace(decision, audits=audits, valid_until=until)
    return replace(decision, verdict="deny", rule=RULE, tier=TIER, form=_FORM, ede_text=RULE, valid_until=until)


def inside(answer: Answered) -> Address | None:
    """The first address of the answer that no public name should have."""
    for record in answer.records:
        if record.type in KINDS and (found := _inside(record.type, record.data)) is not None:
            return found
    return None


@lru_cache(maxsize=16384)
def _inside(kind: str, data: str) -> Address | None:
    return next((found for found in addresses_in(kind, data) if _INSIDE.get(found.version, int(found))), None)


def compile_rebinding(written: Rebinding, path: str, report: Report) -> Guard | None:
    """The guard of a tenant, None if it is off; exempt patterns that are wrong are reported and left out."""
    exempt = parse_patterns(written.exempt, f"{path}.exempt", report)
    if written.mode == "off":
        return None
    return Guard(PatternIndex((pattern, True) for pattern in exempt), audit=written.mode == "audit")
