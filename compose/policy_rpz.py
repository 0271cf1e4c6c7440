"""A tenant's rules as a response policy zone (RPZ), for resolvers that know nothing but these.

A zone has no order: the most specific name wins. So the engine itself is asked what it says of every name that a rule
mentions and of what lies below it, and that is written down; what a zone cannot say is told in comments. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec import structs

from compose.policy_shadows import says_only
from resolver.policy.compiler import compile_policy
from resolver.policy.decision import Decision
from resolver.policy.engine import decide
from resolver.policy.patterns import Pattern, parse_pattern
from resolver.posed import asker_of
from resolver.tenants import Asker
from schemas.objects import ClientSelector, DNSPolicy, PolicyObject, Rule, Tenant

_MARKS = frozenset({"log", "tag", "continue", "route"})
_FIXED = {"nxdomain": "CNAME .", "nodata": "CNAME *.", "drop": "CNAME rpz-drop."}
_PASS = ("30 IN CNAME rpz-passthru.",)
_PROBE = "any-name-below"
_LONGEST = 190
"""Octets of a name that leave room for the name of the zone in 255."""
Records = tuple[str, ...]
"""What stands at one name of the zone, TTL to data; empty for nothing."""


@dataclass(slots=True)
class _Node:
    """A name that rules mention, or one above it, as a tree from the root."""

    name: str
    children: dict[str, _Node] = field(default_factory=dict)


def zone(objects: Mapping[str, PolicyObject], tenant: str, now: float) -> str:
    """The zone, in master file format with relative names: load it under any name.

    Args:
        objects: by key; verified.
        tenant: whose rules; it must be among the objects.
        now: Unix seconds, also the serial number of the zone.
    """
    kept, comments = _expressible(objects, tenant, now)
    asker = asker_of(compile_policy(kept, {}, now=now, version="", epoch=0), "", tenant)
    assert asker is not None  # noqa: S101 - asker_of knows the tenant
    root = _tree(pattern for obj in kept.values() if isinstance(obj, DNSPolicy) for pattern in _mentioned(obj))
    lines = list(_walk(root, asker, now))
    made = datetime.fromtimestamp(now, UTC)
    return "\n".join(
        [
            f"; Response policy of tenant {tenant}, written by nameward at {made:%Y-%m-%d %H:%M} UTC.",
            *(f"; {comment}" for comment in comments),
            "$TTL 30",
            f"@ IN SOA localhost. hostmaster.localhost. {int(now)} 3600 600 86400 30",
            "@ IN NS localhost.",
            *lines,
            "",
        ]
    )


def _expressible(
    objects: Mapping[str, PolicyObject], tenant: str, now: float
) -> tuple[dict[str, PolicyObject], list[str]]:
    """The tenant and its policies with those rules that a zone can say; and a comment for each of the others."""
    kept: dict[str, PolicyObject] = {}
    comments: list[str] = []
    for key, obj in objects.items():
        if isinstance(obj, Tenant) and obj.metadata.name == tenant:
            kept[key] = structs.replace(obj, spec=structs.replace(obj.spec, upstreams=[]))
            if obj.spec.mode == "audit":
                comments.append("The tenant is in audit mode: nothing is denied.")
        elif isinstance(obj, DNSPolicy) and (not obj.spec.tenants or tenant in obj.spec.tenants):
            rules = [rule for rule in (_exported(obj, rule, comments, now) for rule in obj.spec.rules) if rule]
            if rules:
                kept[key] = structs.replace(obj, spec=structs.replace(obj.spec, rules=rules, tenants=[tenant]))
    return kept, comments


def _exported(policy: DNSPolicy, rule: Rule, comments: list[str], now: float) -> Rule | None:
    """The rule as far as a zone can say it, None for nothing; what is left out is added to the comments."""
    name = f"{policy.metadata.name}/{rule.name}"
    why = _obstacle(policy, rule, now)
    if why:
        comments.append(f"Not here: {name}: {why}.")
        return None
    globs = [text for text in rule.match.qname if parse_pattern(text).globs]
    if globs:
        comments.append(f"Not here: {name}: a zone has no * inside a label ({', '.join(globs)}).")
    plain = [text for text in rule.match.qname if text not in globs]
    if globs and not plain:
        return None
    if rule.expires:
        comments.append(f"Only until {rule.expires:%Y-%m-%d %H:%M %Z}: {name}.")
    return structs.replace(rule, match=structs.replace(rule.match, qname=plain))


def _obstacle(policy: DNSPolicy, rule: Rule, now: float) -> str:
    """Why a zone cannot say this rule at all; empty if it can."""
    match, inside = rule.match, any(parse_pattern(text).globs for text in rule.match.not_)
    reasons = (
        ("audit" in {rule.mode, policy.spec.mode}, "it is in audit mode"),
        (rule.action in _MARKS, f"action {rule.action} changes no answer"),
        (rule.action == "rpz", "it does what its own zones say: export these"),
        (rule.expires is not None and rule.expires.timestamp() <= now, "it has expired"),
        (rule.clients != ClientSelector() or rule.schedule is not None, "a zone is for all clients at all times"),
        (not says_only(match, {"qname", "not_"}), "a zone knows names only"),
        (inside, "a zone has no * inside a label"),
        (rule.action == "deny" and rule.answer.form == "refused", "RPZ has no REFUSED"),
    )
    return next((why for holds, why in reasons if holds), "")


def _mentioned(policy: DNSPolicy) -> Iterator[Pattern]:
    for rule in policy.spec.rules:
        yield from map(parse_pattern, [*rule.match.qname, *rule.match.not_])


def _tree(patterns: Iterable[Pattern]) -> _Node:
    root = _Node("")
    for pattern in patterns:
        node = root
        for label in reversed(pattern.suffix.split(".")) if pattern.suffix.strip(".") else ():
            below = f"{label}.{node.name}" if node.name else label
            node = node.children.setdefault(label, _Node(below))
    return root


def _walk(root: _Node, asker: Asker, now: float) -> Iterator[str]:
    everything = _records(decide(asker, _PROBE, "A", "udp", now))
    yield from (f"* {record}" for record in everything)
    for label in sorted(root.children):
        yield from _lines(root.children[label], everything, asker, now)


def _lines(node: _Node, above: Records, asker: Asker, now: float) -> list[str]:
    """Lines of a name and all below it; none where the wildcard above says it all.

    Where anything stands at or below a name, the wildcard above it no longer counts there (RFC 4592 section 2.2.1), so
    the name and what is below it are both said.
    """
    if len(node.name) > _LONGEST:
        return [f"; Not here: {node.name}: too long for a name in a zone."]
    here = _records(decide(asker, node.name, "A", "udp", now))
    below = _records(decide(asker, f"{_PROBE}.{node.name}", "A", "udp", now))
    inner = [line for label in sorted(node.children) for line in _lines(node.children[label], below, asker, now)]
    if not inner and here == above == below:
        return []
    rest = _PASS if above else ()
    own = [f"{node.name} {record}" for record in here or rest]
    return [*own, *(f"*.{node.name} {record}" for record in below or rest), *inner]


def _records(decision: Decision) -> Records:
    """What stands for a decision; nothing for what is allowed without a rule."""
    form = decision.form
    if form is None:
        return _PASS if decision.rule and decision.verdict == "allow" else ()
    if form.form == "cname":
        return (f"{form.ttl} IN CNAME {form.target}.",)
    if form.form == "addresses":
        return tuple(f"{form.ttl} IN {'AAAA' if ':' in address else 'A'} {address}" for address in form.addresses)
    return (f"{form.ttl} IN {_FIXED[form.form]}",)
