"""`nameward policy export --as rpz`: the zone says of every name what the engine says, and BIND loads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compose.policy_commands import policy
from compose.policy_rpz import zone
from tests import peers
from tests.compose.test_policy_files import written
from tests.compose.test_policy_shadows import NAMES
from tests.resolver.policy.written import NOW, ask, compiled, objects, rules, tenant

RULES = rules(
    "name: good, action: allow, match: {qname: [good.ads.example]}",
    "name: ads, action: deny, match: {qname: [.ads.example], not: [.ours.ads.example]}",
    "name: sink, action: deny, match: {qname: ['*.evil.example']}, answer: {form: addresses, addresses: [192.0.2.1, '2001:db8::1'], ttl: 60}",
    "name: empty, action: deny, match: {qname: [a.example]}, answer: {form: nodata}",
    "name: silent, action: deny, match: {qname: [b.example]}, answer: {form: drop}",
    "name: walled, action: redirect, match: {qname: [c.example]}, answer: {target: wall.example}",
    "name: late, action: allow, match: {qname: [x.ads.example]}",
)
NOT_HERE = rules(
    "name: a, action: deny, mode: audit",
    "name: b, action: log",
    "name: c, action: deny, clients: {matchLabels: {app: x}}",
    "name: d, action: deny, match: {qtype: [A]}",
    "name: e, action: deny, match: {qname: ['a*.example']}",
    "name: f, action: deny, match: {qname: [r.example]}, answer: {form: refused}",
    "name: g, action: deny, expires: 2020-01-01T00:00:00Z",
    "name: h, action: deny, match: {qname: [u.example]}, expires: 2099-01-01T00:00:00Z",
    name="q",
)


def lines(text: str) -> list[str]:
    """Records of the zone behind SOA and NS."""
    return [line for line in zone(objects(text), "acme", NOW).splitlines() if line and line[0] not in ";$@"]


def test_every_form_of_answer() -> None:
    """NXDOMAIN, NODATA, drop, pass, local data and another name; what an earlier rule takes is not there."""
    assert lines(tenant() + RULES) == [
        "a.example 30 IN CNAME *.",
        "ads.example 30 IN CNAME .",
        "*.ads.example 30 IN CNAME .",
        "good.ads.example 30 IN CNAME rpz-passthru.",
        "*.good.ads.example 30 IN CNAME .",
        "ours.ads.example 30 IN CNAME rpz-passthru.",
        "*.ours.ads.example 30 IN CNAME rpz-passthru.",
        "b.example 30 IN CNAME rpz-drop.",
        "c.example 30 IN CNAME wall.example.",
        "*.evil.example 60 IN A 192.0.2.1",
        "*.evil.example 60 IN AAAA 2001:db8::1",
    ]


def test_a_tenant_that_denies_by_default() -> None:
    """The rest is a wildcard at the top, and what is allowed passes."""
    assert lines(tenant(default="deny") + rules("name: a, action: allow, match: {qname: [.ok.example]}")) == [
        "* 30 IN CNAME .",
        "example 30 IN CNAME .",
        "*.example 30 IN CNAME .",
        "ok.example 30 IN CNAME rpz-passthru.",
        "*.ok.example 30 IN CNAME rpz-passthru.",
    ]


def test_what_a_zone_cannot_say_stands_in_comments() -> None:
    """Each rule that is left out is named with the reason."""
    comments = [line[2:] for line in zone(objects(tenant() + NOT_HERE), "acme", NOW).splitlines() if line.startswith(";")][1:]
    assert comments == [
        "Not here: q/a: it is in audit mode.",
        "Not here: q/b: action log changes no answer.",
        "Not here: q/c: a zone is for all clients at all times.",
        "Not here: q/d: a zone knows names only.",
        "Not here: q/e: a zone has no * inside a label (a*.example).",
        "Not here: q/f: RPZ has no REFUSED.",
        "Not here: q/g: it has expired.",
        "Only until 2099-01-01 00:00 UTC: q/h.",
    ]


@pytest.mark.parametrize("text", [tenant() + RULES, tenant(default="deny") + RULES + NOT_HERE, tenant()])
def test_bind_loads_the_zone(tmp_path: Path, text: str) -> None:
    """named-checkzone takes it under any name."""
    path = tmp_path / "rpz.zone"
    path.write_text(zone(objects(text), "acme", NOW))
    done = subprocess.run([peers.require("named-checkzone"), "rpz.acme.internal", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "loaded serial 1800000000\nOK" in done.stdout


PATTERNS = ["*", ".com", "*.com", "com", "example.com", ".example.com", "*.example.com", "a.example.com", "*.b.a.example.com"]


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Rules on names that overlap a lot."""
    listed = []
    for number in range(draw(st.integers(1, 5))):
        names = ", ".join(f"'{name}'" for name in draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2, unique=True)))
        excluded = ", ".join(f"'{name}'" for name in draw(st.lists(st.sampled_from(PATTERNS[1:]), max_size=1)) if name not in names)
        action = draw(st.sampled_from(["allow", "deny"]))
        listed.append(f"name: r{number}, action: {action}, match: {{qname: [{names}], not: [{excluded}]}}")
    return tenant(default=draw(st.sampled_from(["allow", "deny"]))) + rules(*listed)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies())
def test_the_zone_says_what_the_engine_says(text: str) -> None:
    """For every name: the closest name of the zone, or the wildcard there, leads to the engine's verdict (RFC 4592)."""
    found, compiled_policy = dict(line.split(" ", 1) for line in lines(text)), compiled(text)
    existing = {owner.removeprefix("*.").split(".", place)[-1] for owner in found for place in range(owner.count(".") + 1)}
    for name in NAMES[1:]:
        said = found.get(name)
        if said is None and name not in existing:
            parts = name.split(".")
            closest = next((".".join(parts[place:]) for place in range(1, len(parts)) if ".".join(parts[place:]) in existing), "")
            said = found.get(f"*.{closest}" if closest else "*")
        denied = ask(compiled_policy, name).verdict == "deny"
        assert (said == "30 IN CNAME .") is denied, (name, found)


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `nameward policy export`."""
    result = CliRunner().invoke(policy, ["export", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command(tmp_path: Path) -> None:
    """One tenant needs no name, several do; what is not there yet says so in one sentence."""
    (path,) = written(tmp_path, a=tenant() + RULES)
    code, out, _ = run("--as", "rpz", path)
    assert code == 0
    assert out.startswith("; Response policy of tenant acme, written by nameward at ")
    (path,) = written(tmp_path, a=tenant() + tenant("globex", 2))
    assert run("--as", "rpz", path)[2] == "nameward: whose policy? give --tenant, one of acme, globex\n"
    assert run("--as", "rpz", "--tenant", "x", path)[2] == "nameward: there is no tenant 'x', there is acme, globex\n"
    assert run("--as", "rpz", "--tenant", "globex", path)[0] == 0
    for form in ("envoy", "networkpolicy"):
        code, out, err = run("--as", form, path)
        assert (code, out) == (1, "")
        assert err == f"nameward: --as {form} is not there yet: it comes with the enforcement of EgressRules; --as rpz is\n"
