"""Rules that can never decide: what is claimed is certain, and what is plain is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compose.policy_shadows import covers, shadowed
from resolver.policy.compiler import compile_policy
from resolver.policy.decision import Decision
from resolver.policy.engine import decide, inspect
from resolver.policy.on_answer import Answered
from resolver.policy.patterns import parse_pattern
from resolver.query import Record
from resolver.tenants import identify
from tests.resolver.policy.written import NOW, objects, rules, tenant

PATTERNS = ["*", "com", ".com", "*.com", "example.com", ".example.com", "*.example.com", "a.example.com", "a*.example.com", "*.a.example.com", "a*"]
NAMES = [".", "com", "example.com", "a.example.com", "ab.example.com", "b.a.example.com", "b.example.com", "a", "x.org"]
TABLE = [
    ("name: a, action: deny, match: {qname: [.com]}", "name: b, action: allow, match: {qname: [x.com, '*.y.com']}", True),
    ("name: a, action: deny", "name: b, action: allow, match: {qname: ['*']}", True),
    ("name: a, action: deny, match: {qname: ['*.com']}", "name: b, action: allow, match: {qname: [com]}", False),
    ("name: a, action: log", "name: b, action: deny", False),
    ("name: a, action: deny, mode: audit", "name: b, action: deny", False),
    ("name: a, action: deny, match: {qtype: [A, HTTPS]}", "name: b, action: allow, match: {qtype: [type65]}", True),
    ("name: a, action: deny, match: {qtype: [A]}", "name: b, action: allow", False),
    ("name: a, action: deny, clients: {matchLabels: {app: x}}", "name: b, action: allow, clients: {matchLabels: {app: x, env: y}}", True),
    ("name: a, action: deny, clients: {matchLabels: {app: x, env: y}}", "name: b, action: allow, clients: {matchLabels: {app: x}}", False),
    ("name: a, action: deny, clients: {subnets: [10.0.0.0/8]}", "name: b, action: allow, clients: {subnets: [10.1.0.0/16]}", True),
    ("name: a, action: deny, clients: {subnets: [10.1.0.0/16]}", "name: b, action: allow, clients: {subnets: [10.0.0.0/8]}", False),
    ("name: a, action: deny, match: {not: [x.com]}", "name: b, action: allow", False),
    ("name: a, action: deny, expires: 2099-01-01T00:00:00Z", "name: b, action: allow", False),
    ("name: a, action: deny, schedule: {timeZone: UTC}", "name: b, action: allow", False),
    ("name: a, action: deny, match: {qname: [.com]}", "name: b, action: allow, match: {qname: [x.com], domainSets: [s]}", False),
    ("name: a, action: deny", "name: b, action: allow, match: {domainSets: [s]}", True),
    ("name: a, action: allow", "name: b, action: deny, match: {addresses: [10.0.0.0/8]}", False),
    ("name: a, action: allow, match: {transport: [udp, tcp]}", "name: b, action: deny, match: {transport: [tcp]}", True),
]  # fmt: skip


@pytest.mark.parametrize(("first", "later", "claimed"), TABLE)
def test_two_rules(first: str, later: str, *, claimed: bool) -> None:
    """The later rule is shadowed only if the earlier one certainly takes everything it could match."""
    found = [(late.name, early.name) for late, early in shadowed(objects(rules(first, later)))]
    assert found == ([("p/b", "p/a")] if claimed else [])


def test_objects_tiers_and_tenants() -> None:
    """A rule for all tenants in the platform tier shadows one tenant's, unless `pass` may go around it; not the reverse."""
    everyone = rules("name: a, action: deny", name="all", tier="platform", tenants="[]")
    one = rules("name: b, action: allow", name="one")
    assert [late.name for late, _ in shadowed(objects(one + everyone))] == ["one/b"]
    passing = rules("name: p, action: pass, match: {qname: [x.com]}", name="aaa", tier="platform", tenants="[]")
    assert not list(shadowed(objects(one + everyone + passing)))
    assert not list(shadowed(objects(rules("name: a, action: deny", name="a", tenants="[acme]") + rules("name: b, action: deny", name="b", tenants="[]"))))


@given(st.sampled_from(PATTERNS), st.sampled_from(PATTERNS), st.sampled_from(NAMES))
def test_covers_never_claims_too_much(wide: str, narrow: str, name: str) -> None:
    """Whatever the covered pattern matches, the covering one matches."""
    first, second = parse_pattern(wide), parse_pattern(narrow)
    if covers(first, second) and second.matches(name):
        assert first.matches(name)


def written_rule(draw: st.DrawFn, number: int) -> str:
    """A rule of few words, so that rules often overlap."""
    some = lambda values: draw(st.lists(st.sampled_from(values), max_size=2, unique=True))
    quoted = [f"'{pattern}'" for pattern in some(PATTERNS)]
    excluded = [f"'{pattern}'" for pattern in draw(st.sampled_from([[], [], ["*.com"]]))]
    labels = draw(st.sampled_from(["{}", "{app: frontend}"]))
    subnets = draw(st.sampled_from(["[]", "[10.0.1.0/24]", "[10.0.1.10]", "[10.0.2.0/24]"]))
    action = draw(st.sampled_from(["allow", "deny", "deny", "log", "continue", "{}"]))
    action = "tag, tag: t" if action == "{}" else action
    mode = draw(st.sampled_from(["enforce", "enforce", "audit"]))
    on_answer = draw(st.sampled_from(["", "", "", ", addresses: [10.0.0.0/8]"]))
    excluded = [pattern for pattern in excluded if pattern not in quoted]
    match = f"{{qname: [{', '.join(quoted)}], not: [{', '.join(excluded)}], qtype: {some(['A', 'AAAA'])}, transport: {some(['udp', 'tcp'])}{on_answer}}}"
    return f"name: r{number}, action: {action}, mode: {mode}, clients: {{matchLabels: {labels}, subnets: {subnets}}}, match: {match}"


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Tenants and a few policies in all tiers."""
    text = tenant() + tenant("globex", 2, mode="audit", default="deny")
    for number in range(draw(st.integers(1, 3))):
        lines = [written_rule(draw, place) for place in range(draw(st.integers(1, 4)))]
        tier = draw(st.sampled_from(["platform", "tenant", "tenant", "baseline"]))
        if tier == "platform" and draw(st.booleans()):
            lines.insert(0, "name: pass, action: pass, match: {qname: ['.example.com']}")
        tenants = draw(st.sampled_from(["[]", "[acme]", "[acme, globex]"]))
        text += rules(*lines, name=f"p{number}", tier=tier, tenants=tenants, more=f"  priority: {draw(st.integers(0, 2))}\n")
    return text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies())
def test_a_shadowed_rule_decides_nothing(text: str) -> None:
    """A rule that is called shadowed gives no verdict and leaves no audit, tag or route on any query or its answer."""
    found = objects(text)
    claimed = {late.name for late, _ in shadowed(found)}
    if not claimed:
        return
    policy = compile_policy(found, {}, now=NOW, version="v", epoch=1)
    without = compile_policy(objects(_without(text, claimed)), {}, now=NOW, version="v", epoch=1)
    for client in ("10.0.1.10", "10.0.1.20", "10.0.2.10", "10.0.2.20"):
        asker, other = identify(policy, client), identify(without, client)
        assert asker is not None
        assert other is not None
        for name in NAMES:
            for qtype in ("A", "AAAA"):
                for transport in ("udp", "tcp"):
                    decision, expected = (decide(one, name, qtype, transport, NOW) for one in (asker, other))
                    assert _plain(decision) == _plain(expected)
                    for address in ("10.1.1.1", "192.0.2.1"):
                        answer = Answered(0, (Record(name, "A", address, 60),))
                        if decision.form is None:
                            seen = inspect(asker, decision, name, answer, NOW), inspect(other, expected, name, answer, NOW)
                            assert _plain(seen[0]) == _plain(seen[1])


def _plain(decision: Decision) -> Decision:
    """Without the rules that wait for the answer: they are other objects in another policy."""
    return replace(decision, waiting=())


def _without(text: str, names: set[str]) -> str:
    """The same policies, the rules of these names replaced by ones that nobody can match."""
    kept, owner = [], ""
    for line in text.splitlines():
        if line.startswith("metadata: {name: "):
            owner = line.removeprefix("metadata: {name: ").rstrip("}")
        rule = line.strip().removeprefix("- {name: ").split(",")[0]
        gone = line.startswith("  - {name: ") and f"{owner}/{rule}" in names
        kept.append(f"  - {{name: {rule}, action: continue, clients: {{matchLabels: {{nobody: here}}}}}}" if gone else line)
    return "\n".join(kept)
