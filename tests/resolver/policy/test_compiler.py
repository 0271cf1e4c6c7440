"""What verification finds: every mistake with its object and key path, alone and between objects."""

from __future__ import annotations

import pytest

from resolver.policy.compiler import PolicyError, check_overlay, compile_policy, verify
from tests.resolver.policy.written import NOW, entry, objects, overlay, rules, tenant, virtual

UPSTREAMS = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  default: allow
  {more}
"""


def told(text: str) -> list[str]:
    """Problems of these objects as shown to people."""
    return [str(problem) for problem in verify(objects(text))]


ALONE = [
    ('name: a, action: deny, match: {qname: [ok.com, "b..c"]}', "spec.rules[0].match.qname[1]", "a label is empty"),
    ('name: a, action: deny, match: {not: ["b c"]}', "spec.rules[0].match.not[0]", "which no name may"),
    ("name: a, action: deny, match: {qtype: [A, AAAAA]}", "spec.rules[0].match.qtype[1]", "'AAAAA'"),
    ("name: a, action: deny, match: {qtype: [TYPE65536]}", "spec.rules[0].match.qtype[0]", "'TYPE65536'"),
    ("name: a, action: deny, clients: {subnets: [10.0.0.1/8]}", "spec.rules[0].clients.subnets[0]", "host bits"),
    ("name: a, action: deny, answer: {form: addresses}", "spec.rules[0].answer.addresses", "at least one"),
    ("name: a, action: deny, answer: {form: addresses, addresses: [x]}", "spec.rules[0].answer.addresses[0]", "'x'"),
    ("name: a, action: deny, answer: {addresses: [10.0.0.1]}", "spec.rules[0].answer.addresses", "form: addresses"),
    ("name: a, action: deny, answer: {target: b.com}", "spec.rules[0].answer.target", "only action redirect"),
    ("name: a, action: redirect", "spec.rules[0].answer.target", "the name to redirect to"),
    ('name: a, action: redirect, answer: {target: "*.b"}', "spec.rules[0].answer.target", "no place"),
    ("name: a, action: allow, answer: {ttl: 5}", "spec.rules[0].answer", "only actions deny and redirect"),
    ("name: a, action: pass", "spec.rules[0].action", "tier platform"),
    ("name: a, action: tag", "spec.rules[0].tag", "needs the tag"),
    ("name: a, action: route", "spec.rules[0].route", "needs the name"),
    ("name: a, action: allow, route: main", "spec.rules[0].route", "only action route"),
    ("name: a, action: deny, expires: 2030-01-01T00:00:00", "spec.rules[0].expires", "zone"),
]


@pytest.mark.parametrize(("rule", "path", "why"), ALONE)
def test_a_wrong_rule_is_named_with_its_key_path(rule: str, path: str, why: str) -> None:
    """A mistake in a rule is told once, under DNSPolicy/p and its key path."""
    (problem,) = told(tenant() + rules(rule))
    assert problem.startswith(f"DNSPolicy/p {path}: ")
    assert why in problem


TENANTS = [
    ("clients: [{subnets: [10.0.0.0/33]}]", "spec.clients[0].subnets[0]", "CIDR"),
    ("workloads: [{name: w, subnets: [nope]}]", "spec.workloads[0].subnets[0]", "'nope'"),
    ("workloads: [{name: w, subnets: [10.0.0.1]}, {name: w, subnets: [10.0.0.2]}]", "spec.workloads[1].name", "'w'"),
    (
        "workloads: [{name: w, subnets: [10.0.0.1]}, {name: x, subnets: [10.0.0.1]}]",
        "spec.workloads[1].subnets[0]",
        "workload 'w'",
    ),
    ('upstreams: [{servers: ["quic://127.0.0.1"]}]', "spec.upstreams[0].servers[0]", "udp://"),
    ('upstreams: [{servers: ["udp://dns.example"]}]', "spec.upstreams[0].servers[0]", "udp://"),
    ('upstreams: [{servers: ["udp://127.0.0.1:70000"]}]', "spec.upstreams[0].servers[0]", "udp://"),
    ('upstreams: [{servers: ["udp://127.0.0.1/x"]}]', "spec.upstreams[0].servers[0]", "udp://"),
    ('upstreams: [{servers: ["udp://192.0.2.1"]}]', "spec.upstreams[0].servers[0]", "plaintext: true"),
    ('upstreams: [{servers: ["udp://[2001:db8::1]"]}]', "spec.upstreams[0].servers[0]", "plaintext: true"),
    ('upstreams: [{suffixes: ["a..b"], servers: ["udp://127.0.0.1"]}]', "spec.upstreams[0].suffixes[0]", "empty"),
    (
        'upstreams: [{servers: ["udp://127.0.0.1"]}, {servers: ["udp://127.0.0.2"]}]',
        "spec.upstreams[1]",
        "upstreams[0]",
    ),
    ("feedback: {exempt: [ok, a..b]}", "spec.feedback.exempt[1]", "empty"),
]


@pytest.mark.parametrize(("more", "path", "why"), TENANTS)
def test_a_wrong_tenant_is_named_with_its_key_path(more: str, path: str, why: str) -> None:
    """A mistake in a tenant is told once, under Tenant/acme and its key path."""
    (problem,) = told(UPSTREAMS.format(more=more))
    assert problem.startswith(f"Tenant/acme {path}: ")
    assert why in problem


RECORDS = [
    ("type: A, data: fd00::1", "spec.records[0].data"),
    ("type: AAAA, data: 10.0.0.1", "spec.records[0].data"),
    ("type: A, data: 10.0.0.256", "spec.records[0].data"),
    ("type: MX, data: mail.example.", "spec.records[0].data"),
    ("type: SRV, data: 10 5 host.example.", "spec.records[0].data"),
    ('type: TXT, data: " "', "spec.records[0].data"),
    ('type: CNAME, data: "a\\nb"', "spec.records[0].data"),
]


@pytest.mark.parametrize(("record", "path"), RECORDS)
def test_record_data_must_parse_for_its_type(record: str, path: str) -> None:
    """Record data that is none of its type is named with its key path."""
    (problem,) = told(tenant() + virtual("a.internal", record))
    assert problem.startswith(f"VirtualName/v {path}: ")


RIGHT = [
    "type: A, data: 10.0.0.1",
    "type: AAAA, data: fd00::1",
    "type: CNAME, data: www.example.com",
    "type: MX, data: 10 mail.example.",
    "type: SRV, data: 10 5 443 host.example.",
    "type: PTR, data: host.example.",
    "type: TXT, data: '\"hello world\"'",
    "type: HTTPS, data: 1 . alpn=h2",
    "type: SVCB, data: 1 svc.example. port=8443",
]


@pytest.mark.parametrize("record", RIGHT)
def test_every_type_of_record_is_accepted(record: str) -> None:
    """Right data of each type passes."""
    assert told(tenant() + virtual("a.internal", record)) == []


def test_cname_stands_alone() -> None:
    """Other data beside a CNAME is refused (RFC 1034 section 3.6.2)."""
    (problem,) = told(tenant() + virtual("a.internal", "type: CNAME, data: b.", "type: A, data: 10.0.0.1"))
    assert problem.startswith("VirtualName/v spec.records: ")


def test_a_record_twice() -> None:
    """The same record twice is a mistake."""
    (problem,) = told(tenant() + virtual("a.internal", "type: A, data: 10.0.0.1", "type: A, data: 10.0.0.1"))
    assert problem.startswith("VirtualName/v spec.records[1]: ")


def test_two_tenants_claim_the_same_subnet() -> None:
    """The later of two equal claims is wrong; a longer subnet inside another's is not."""
    (problem,) = told(tenant("acme", 1) + tenant("globex", 1))
    assert (
        problem == "Tenant/globex spec.clients[0].subnets[0]: 10.0.1.0/24 is claimed by tenant 'acme' with equal force"
    )
    assert told(tenant("acme", 1) + tenant("globex", 2)) == []


def test_two_tenants_for_unknown_clients() -> None:
    """Only one tenant can take the clients nobody claims."""
    text = "apiVersion: nameward.io/v1\nkind: Tenant\nmetadata: {{name: {0}}}\nspec: {{default: deny, unknown: true}}\n---\n"
    (problem,) = told(text.format("one") + text.format("two"))
    assert problem.startswith("Tenant/two spec.unknown: ")


def test_dangling_references() -> None:
    """Unknown tenants and upstream groups are named with their key paths."""
    text = tenant() + rules("name: r, action: route, route: nope", "name: s, action: route, route: main")
    assert told(text) == ["DNSPolicy/p spec.rules[0].route: no upstream group is named 'nope' in tenant 'acme'"]
    text = tenant() + rules("name: r, action: deny", tenants="[acme, gone]")
    assert told(text) == ["DNSPolicy/p spec.tenants[1]: there is no tenant 'gone'"]
    text = tenant() + rules("name: r, action: route, route: nope", tenants="[]")
    assert told(text) == ["DNSPolicy/p spec.rules[0].route: no tenant has an upstream group named 'nope'"]
    assert told(virtual("a.internal", "type: A, data: 10.0.0.1", tenants="[gone]")) == [
        "VirtualName/v spec.tenants[0]: there is no tenant 'gone'"
    ]


def test_the_same_virtual_name_twice_for_one_tenant() -> None:
    """Two objects for one name and tenant collide, whatever the letter case; for all and for one they do not."""
    one, record = "type: A, data: 10.0.0.1", tenant()
    assert told(record + virtual("a.internal", one, owner="x") + virtual("A.Internal.", one, owner="y")) == [
        "VirtualName/y spec.name: a.internal is given to tenant 'acme' by VirtualName 'x' already"
    ]
    assert (
        told(record + virtual("a.internal", one, owner="x") + virtual("a.internal", one, owner="y", tenants="[]")) == []
    )


def test_all_problems_are_told_together() -> None:
    """One mistake does not hide another, in the same object or in others."""
    text = tenant() + rules("name: a, action: pass", "name: a, action: tag") + virtual("b..c", "type: A, data: x")
    assert [problem.split(":")[0] for problem in told(text)] == [
        "DNSPolicy/p spec.rules[0].action",
        "DNSPolicy/p spec.rules[1].name",
        "DNSPolicy/p spec.rules[1].tag",
        "VirtualName/v spec.name",
        "VirtualName/v spec.records[0].data",
    ]


def test_compile_refuses_what_verify_finds() -> None:
    """Nothing wrong is ever compiled; dangling references alone are no reason to refuse."""
    with pytest.raises(PolicyError, match=r"DNSPolicy/p spec\.rules\[0\]\.action"):
        compile_policy(objects(rules("name: a, action: pass")), {}, now=NOW, version="", epoch=1)
    dangling = objects(rules("name: a, action: deny", tenants="[gone]"))
    assert compile_policy(dangling, {}, now=NOW, version="", epoch=1).tenants == {}


def test_overlays_are_checked() -> None:
    """An overlay entry without a readable pattern is named."""
    (problem,) = check_overlay(overlay(entry(".ok.test"), entry("a..b", name="e2")))
    assert str(problem).startswith("Overlay/acme entries[1].pattern[0]: ")
