"""EgressRule: what can be wrong in one, each with its key path and what was expected."""

from __future__ import annotations

import pytest

from resolver.policy.compiler import verify
from resolver.tenants import identify
from tests.resolver.policy.written import FRONTEND, compiled, objects, tenant

RULE = """
apiVersion: nameward.io/v1
kind: EgressRule
metadata: {{name: {name}}}
spec: {{action: {action}, tenants: [acme]{more}}}
---
"""


def rule(more: str = "", name: str = "web", action: str = "allow") -> str:
    """An EgressRule with these keys."""
    return RULE.format(name=name, action=action, more=f", {more}" if more else "")


WRONG = [
    ("names: [a..b]", "spec.names[0]: expected a pattern such as *.example.com, got 'a..b': a label is empty (two dots in a row)"),
    ("ports: [{port: 443, endPort: 80}]", "spec.ports[0].endPort: expected a port from 443 on, got 80"),
    ("ports: [{port: 80}, {port: 80}]", "spec.ports[1]: the same ports stand in ports[0] already"),
    ("ports: [{port: 53, protocol: udp}], http: [{methods: [GET]}]", "spec.http: HTTP needs a TCP port, the ports of this rule are none"),
    ("http: [{}]", "spec.http[0]: expected hosts, methods or paths; a rule without http allows all of it"),
    ("http: [{hosts: ['a b']}]", "spec.http[0].hosts[0]: expected a pattern such as *.example.com, got 'a b': label 'a b' holds ' ', which no name may"),
    ("clients: {subnets: [10.0.0.1/8]}", "spec.clients.subnets[0]: expected an address or a CIDR block such as 10.1.0.0/16, got '10.0.0.1/8': 10.0.0.1/8 has host bits set"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "message"), WRONG)
def test_wrong(more: str, message: str) -> None:
    """Every mistake names the key path and what was expected."""
    assert [str(problem) for problem in verify(objects(tenant() + rule(more)))] == [f"EgressRule/web {message}"]


def test_unknown_tenant_is_told() -> None:
    """A tenant that does not exist is reported; the rest of the rule stays."""
    (problem,) = verify(objects(rule()))
    assert str(problem) == "EgressRule/web spec.tenants[0]: there is no tenant 'acme'"
    assert problem.dangling


def test_names_and_sets() -> None:
    """A rule is for its names and those of its domain sets; for every name without either."""
    sets = "apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {name: feeds}\nspec: {names: [.feed.example]}\n---\n"
    text = tenant() + sets + rule("names: [a.example], domainSets: [feeds, none]") + rule(name="z")
    policy = compiled(text)
    asker = identify(policy, FRONTEND)
    assert asker is not None
    some, every = policy.tenants["acme"].egress
    names = ("a.example", "b.feed.example", "b.example")
    assert [some.covers(asker, name) for name in names] == [True, True, False]
    assert all(every.covers(asker, name) for name in names)


def test_order_and_tenants() -> None:
    """A tenant's rules come by priority, then name; those of others are not among them."""
    text = tenant() + tenant("globex", 2) + rule(name="b") + rule(name="a") + rule("priority: 1", name="z", action="deny")
    policy = compiled(text)
    assert [opening.name for opening in policy.tenants["acme"].egress] == ["z", "a", "b"]
    assert policy.tenants["globex"].egress == ()
