"""What validate warns of: each doubt with its object, key path and sentence; `--strict`; `--json`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from compose.policy_commands import policy
from compose.policy_doubts import doubts
from compose.policy_files import read_files
from compose.policy_validate import found
from tests.compose.test_policy_files import WRONG, written
from tests.resolver.policy.written import objects, rules, tenant

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
HEAD = "apiVersion: nameward.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"


def other(kind: str, name: str, spec: str) -> str:
    """An object of any kind in flow style."""
    return HEAD.format(kind=kind, name=name, spec=spec)


SERVICE = other("Service", "api", "{tenant: acme, labels: {app: api}, endpoints: [{address: 10.0.0.1}]}")
TABLE = [
    (tenant() + rules("name: a, action: deny", "name: b, action: allow"), "warning: DNSPolicy/p spec.rules[1]: never reached: p/a (deny) takes everything it could match before it"),
    (tenant() + rules("name: a, action: deny, match: {qname: [x.com]}, expires: 2027-01-01T00:00:00Z"), "warning: DNSPolicy/p spec.rules[0].expires: expired at 2027-01-01 00:00 UTC: the rule does nothing any more"),
    (other("Tenant", "lone", "{default: deny}"), "warning: Tenant/lone spec.clients: no client belongs to this tenant, expected at least one entry"),
    (other("Tenant", "rest", "{default: deny, unknown: true}"), ""),
    (tenant().replace("[10.0.1.10]", "[10.9.9.9]"), "warning: Tenant/acme spec.workloads[0].subnets[0]: no client of the tenant can be in 10.9.9.9: spec.clients has none of it"),
    (tenant() + other("Tenant", "wide", "{default: deny, clients: [{subnets: [10.0.0.0/16]}]}"), "note: Tenant/acme spec.clients[0].subnets[0]: 10.0.1.0/24 lies in 10.0.0.0/16 of tenant 'wide': its clients belong here, the longer subnet wins"),
    (tenant() + SERVICE, "warning: Service/api spec: no DiscoveryRule of a tenant that may discover this service selects it"),
    (tenant() + SERVICE + other("DiscoveryRule", "d", "{name: api.internal, selector: {app: '!web', env: '!'}, tenants: [acme]}"), ""),
    (tenant() + SERVICE + other("DiscoveryRule", "d", "{name: api.internal, selector: {app: '${client.app}'}}"), ""),
    (tenant() + SERVICE + other("DiscoveryRule", "d", "{name: api.internal, selector: {app: web}, failover: [{app: api}]}"), ""),
    (tenant() + tenant("b", 2) + SERVICE + other("DiscoveryRule", "d", "{name: api.internal, selector: {app: api}, tenants: [b]}"), "warning: Service/api spec: no DiscoveryRule of a tenant that may discover this service selects it"),
    (tenant() + other("DomainSet", "ads", "{names: [ads.example]}"), "warning: DomainSet/ads metadata.name: no rule names this set"),
    (tenant() + other("DomainSet", "ads", "{names: [ads.example]}") + rules("name: a, action: deny, match: {domainSets: [ads]}"), ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), TABLE)
def test_doubts(text: str, told: str) -> None:
    """Each is told once, and nothing else is."""
    assert [f"{doubt.level}: {doubt}" for doubt in doubts(objects(text), NOW)] == ([told] if told else [])


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `nameward policy validate`."""
    result = CliRunner().invoke(policy, ["validate", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_warnings_are_told_and_strict_fails(tmp_path: Path) -> None:
    """A warning names file, document, object and key path, and is a failure only with --strict."""
    (path,) = written(tmp_path, a=tenant() + rules("name: a, action: deny", "name: b, action: allow"))
    code, out, err = run(path)
    assert (code, out) == (0, f"2 objects in {path}: valid, 1 warning\n")
    assert err.startswith(f"nameward: warning: {path}: document 2: DNSPolicy/p spec.rules[1]: never reached: p/a ")
    assert run("--strict", path)[0] == 1


def test_findings_as_json(tmp_path: Path) -> None:
    """Errors of shape, errors of meaning and warnings have the same fields."""
    for text, level, path, message in (
        (tenant() + WRONG, "error", "spec.rules[0].match.qname[1]", "expected a pattern"),
        ("apiVersion: nameward.io/v1\nkind: Nope\n", "error", "kind", "expected one of"),
        (other("Tenant", "lone", "{default: deny}"), "warning", "spec.clients", "no client"),
    ):
        (file,) = written(tmp_path, a=text)
        code, out, err = run("--json", file)
        (finding,) = json.loads(out)["findings"]
        assert (code, err) == (int(level == "error"), "")
        assert (finding["level"], finding["path"], finding["file"]) == (level, path, str(file))
        assert finding["message"].startswith(message)


def test_parts_of_a_policy_are_not_suspected(tmp_path: Path) -> None:
    """Where tenants are elsewhere, what selects a service or names a set may be there too."""
    (path,) = written(tmp_path, a=other("DomainSet", "ads", "{names: [ads.example]}"))
    assert run(path) == (0, f"1 object in {path}: valid\n", "")


def test_what_is_in_force_counts_too(tmp_path: Path) -> None:
    """Together with the broker's objects a rule can be shadowed by one that is there; only the documents are told of."""
    present = objects(tenant() + rules("name: all, action: deny", name="a-first") + other("DomainSet", "old", "{names: [a.com]}"))
    (path,) = written(tmp_path, a=rules("name: late, action: allow"))
    findings = found(read_files([path]), present, NOW)
    assert [str(finding) for finding in findings] == [
        f"{path}: document 1: DNSPolicy/p spec.rules[0]: never reached: a-first/all (deny) takes everything it could match before it"
    ]
    (path,) = written(tmp_path, a=rules("name: late, action: allow", tenants="[nobody]"))
    (finding,) = found(read_files([path]), present, NOW)
    assert (finding.level, finding.path, finding.message) == ("error", "spec.tenants[0]", "there is no tenant 'nobody'")
