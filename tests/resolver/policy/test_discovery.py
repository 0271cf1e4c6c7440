"""Discovery rules and services on their own: what is wrong in them, which rule a name meets, what selectors mean."""

from __future__ import annotations

import pytest

from resolver.policy.catalog import Catalog
from resolver.policy.compiler import verify
from resolver.policy.discovery import Reading, compile_discovery, readings
from resolver.policy.selectors import UnknownReferenceError, compile_selector
from tests.resolver.policy.written import discovery, objects, service, tenant

LONG = "x" * 250


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (service(endpoints="[{address: nowhere}]"), "spec.endpoints[0].address: expected an IPv4 or IPv6 address, got 'nowhere'"),
        (service(endpoints='[{address: "fe80::1%eth0"}]'), "spec.endpoints[0].address: an address with a zone index means nothing to others, got 'fe80::1%eth0'"),
        (service(endpoints='[{address: "fd00::1"}, {address: "fd00:0::1"}]'), "spec.endpoints[1]: [fd00::1]:443 is endpoints[0] too"),
        (service(labels='{env: "!prod"}'), "spec.labels.env: a value cannot begin with '!', which excludes in selectors; got '!prod'"),
        (service(labels='{"a=b": c}'), "spec.labels: expected labels with a name without '=', got 'a=b'"),
        (service(labels=f"{{notes: {LONG}}}"), "spec.labels.notes: name and value are longer than the 254 octets of a TXT record"),
        (service(tenant="nobody"), "spec.tenant: there is no tenant 'nobody'"),
        (service(exports="[globex, nobody]"), "spec.exports[1]: there is no tenant 'nobody'"),
        (discovery("a..b"), "spec.name: expected a domain name or a template such as {app}.svc.example, got 'a..b': a label is empty (two dots in a row)"),
        (discovery("x{app}.svc"), "spec.name: expected a domain name or a template such as {app}.svc.example, got 'x{app}.svc': a placeholder is a whole label"),
        (discovery("{app.svc"), "spec.name: expected a domain name or a template such as {app}.svc.example, got '{app.svc': a placeholder is a whole label"),
        (discovery("{a}.{b}"), "spec.name: expected a domain name or a template such as {app}.svc.example, got '{a}.{b}': a template needs a label that is no placeholder"),
        (discovery("{a}.{a}.svc"), "spec.name: {a} stands twice in '{a}.{a}.svc'"),
        (discovery("{A!}.svc"), "spec.name: expected placeholders of small letters, digits and hyphens, got {A!}"),
        (discovery("a.svc", selector="{app: '${name.app}'}"), "spec.selector.app: ${name.app} refers to a placeholder that is not in the name, which has no placeholder"),
        (discovery("{x}.svc", selector="{app: '${name.app}'}"), "spec.selector.app: ${name.app} refers to a placeholder that is not in the name, which has {x}"),
        (discovery("a.svc", selector="{app: '${env}'}"), "spec.selector.app: expected ${client.LABEL} or ${name.KEY}, got ${env}"),
        (discovery("a.svc", selector="{app: '${client.}'}"), "spec.selector.app: expected ${client.LABEL} or ${name.KEY}, got ${client.}"),
        (discovery("a.svc", selector="{app: '${client.env'}"), "spec.selector.app: '${' without '}' in '${client.env'"),
        (discovery("a.svc", selector='{"": x}'), "spec.selector: expected labels with a name, got ''"),
        (discovery("a.svc", more="failover: [{app: x}, {}]"), "spec.failover[1]: expected at least one label: a selector without any would mean every service"),
        (discovery("a.svc", more="order: [zone, weight, zone]"), "spec.order[2]: 'zone' stands above already"),
        (discovery("a.svc", more="clients: {subnets: [10.0.0.1/8]}"), "spec.clients.subnets[0]: expected an address or a CIDR block such as 10.1.0.0/16, got '10.0.0.1/8': 10.0.0.1/8 has host bits set"),
        (discovery("a.svc", tenants="[nobody]"), "spec.tenants[0]: there is no tenant 'nobody'"),
        (tenant("initech", 9, more="visible: [nobody/*]"), "spec.visible[0]: there is no tenant 'nobody'"),
    ],
)  # fmt: skip
def test_every_mistake_has_its_key_path(written: str, problem: str) -> None:
    """Each on its own, with what was expected."""
    found = verify(objects(tenant() + tenant("globex", 2) + written))
    assert [f"{one.path}: {one.message}" for one in found] == [problem]


def compiled_names(*names: str) -> Catalog:
    """A catalog of rules named as their names."""
    rules = [compile_discovery(obj, pytest.fail) for name in names for obj in objects(discovery(name, owner=f"o{len(name)}", selector="{app: x}")).values()]  # type: ignore[arg-type]
    return Catalog(rules)


@pytest.mark.parametrize(
    ("qname", "found"),
    [
        ("api.svc.acme", [("api.svc.acme", {}), ("api.{team}.acme", {"team": "svc"}), ("{app}.svc.acme", {"app": "api"}), ("{app}.{team}.acme", {"app": "api", "team": "svc"})]),
        ("web.svc.acme", [("{app}.svc.acme", {"app": "web"}), ("{app}.{team}.acme", {"app": "web", "team": "svc"})]),
        ("_http._tcp.acme", []),
        ("a.web.svc.acme", []),
        ("acme", []),
    ],
)  # fmt: skip
def test_exact_names_go_before_templates_and_literal_ones_before_others(qname: str, found: list[tuple[str, dict[str, str]]]) -> None:
    """A placeholder is one label, never one of a service or protocol."""
    catalog = compiled_names("{app}.{team}.acme", "{app}.svc.acme", "Api.svc.acme.", "api.{team}.acme")
    shown = [
        (".".join(literal or f"{{{key}}}" for literal, key in zip(rule.template.labels, rule.template.keys, strict=True)), dict(values))
        for rule, values in catalog.rules_for(qname)
    ]
    assert shown == found


@pytest.mark.parametrize(
    ("qname", "others"),
    [
        ("api.svc", []),
        ("_http._tcp.api.svc", [Reading("api.svc", port="_http._tcp")]),
        ("_http.api.svc", []),
        ("_http._tcp", []),
        ("10-0-0-1.api.svc", [Reading("api.svc", label="10-0-0-1")]),
        ("fd00-0000-0000-0000-0000-0000-0000-0001.api", [Reading("api", label="fd00-0000-0000-0000-0000-0000-0000-0001")]),
        ("10-0-0-1", []),
        ("10-0-0.api.svc", []),
    ],
)
def test_readings(qname: str, others: list[Reading]) -> None:
    """A name is first of all itself."""
    assert list(readings(qname)) == [Reading(qname), *others]


@pytest.mark.parametrize(
    ("selector", "matching"),
    [
        ({"env": "prod"}, "a"),
        ({"env": "!prod"}, "bc"),
        ({"env": "!"}, "c"),
        ({"env": "dev", "tier": "!gold"}, ""),
        ({"env": "${client.env}"}, "a"),
        ({"env": "!${client.env}"}, "bc"),
        ({"tier": "${name.app}-${client.env}"}, "c"),
    ],
)
def test_what_selectors_match(selector: dict[str, str], matching: str) -> None:
    """All labels must match; ! excludes a value, alone it wants the label absent; references are filled in."""
    services = {"a": {"env": "prod"}, "b": {"env": "dev", "tier": "gold"}, "c": {"tier": "web-prod"}}
    compiled = compile_selector(selector, frozenset({"app"}), "", pytest.fail)
    wanted = compiled.filled({"env": "prod"}, {"app": "web"})
    assert "".join(name for name, labels in services.items() if all(want.holds(labels) for want in wanted)) == matching


def test_a_label_that_the_client_lacks_matches_nothing() -> None:
    """Not even what is excluded by it: the reference is named."""
    compiled = compile_selector({"env": "!${client.env}"}, frozenset(), "", pytest.fail)
    with pytest.raises(UnknownReferenceError, match=r"^\$\{client.env\}$"):
        compiled.filled({}, {})


def test_a_client_cannot_write_an_exclusion() -> None:
    """A label of a client that begins with ! is a value like any other."""
    (want,) = compile_selector({"env": "${client.env}"}, frozenset(), "", pytest.fail).filled({"env": "!prod"}, {})
    assert not want.holds({"env": "dev"})
