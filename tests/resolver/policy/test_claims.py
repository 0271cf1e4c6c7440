"""Which tenant claims a client: every key of an entry holds, the most specific entry wins, equal force is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.claims import Claims
from resolver.policy.compiler import verify
from resolver.tenants import Arrival, identify
from schemas.documents import read_documents
from tests.resolver.policy.written import compiled, objects

SPIFFE = "spiffe://corp.example/ns/web/sa/api"


def tenants(**clients: str) -> str:
    """One tenant per keyword with these `clients` in flow style."""
    head = "apiVersion: nameward.io/v1\nkind: Tenant\nmetadata: {name: "
    return "".join(f"{head}{name}}}\nspec: {{default: allow, {text}}}\n---\n" for name, text in clients.items())


ALL = tenants(
    subnet="clients: [{subnets: [10.0.0.0/8]}]",
    longer="clients: [{subnets: [10.1.0.0/16]}]",
    door="clients: [{listeners: [edge, side]}]",
    narrow="clients: [{listeners: [edge], subnets: [10.2.0.0/16, 10.2.3.0/24]}]",
    path="clients: [{paths: [/acme]}]",
    domain="clients: [{serverNames: [.dns.example]}]",
    name="clients: [{serverNames: [a.dns.example]}]",
    globs="clients: [{serverNames: ['b*.dns.example']}]",
    papers=f"clients: [{{certificates: ['{SPIFFE}', host.corp.example]}}]",
    both=f"clients: [{{certificates: ['{SPIFFE}'], listeners: [edge]}}]",
    team="clients: [{namespaces: {team: a}}]",
    prod="clients: [{namespaces: {team: a, env: prod}}]",
)
IDENTITIES = [
    (Arrival(), "10.9.9.9", "subnet"),
    (Arrival(), "10.1.9.9", "longer"),
    (Arrival(), "192.0.2.1", ""),
    (Arrival("other"), "10.1.9.9", "longer"),
    (Arrival("edge"), "10.1.9.9", "door"),
    (Arrival("side"), "10.2.3.4", "door"),
    (Arrival("edge"), "10.2.3.4", "narrow"),
    (Arrival("edge"), "fd00::1", "door"),
    (Arrival("edge", path="/acme"), "10.2.3.4", "path"),
    (Arrival("edge", path="/acme/more"), "10.2.3.4", "narrow"),
    (Arrival("edge", "x.dns.example", "/acme"), "10.2.3.4", "domain"),
    (Arrival(server_name="dns.example"), "10.2.3.4", "domain"),
    (Arrival(server_name="a.dns.example"), "10.2.3.4", "name"),
    (Arrival(server_name="bb.dns.example"), "10.2.3.4", "globs"),
    (Arrival(server_name="dns.example.net"), "192.0.2.1", ""),
    (Arrival(server_name="a.dns.example", certificates=("host.corp.example",)), "10.2.3.4", "papers"),
    (Arrival("edge", "a.dns.example", certificates=("nobody", SPIFFE)), "10.2.3.4", "both"),
    (Arrival(certificates=(SPIFFE,), namespaces=(("team", "a"),)), "10.2.3.4", "team"),
    (Arrival(certificates=(SPIFFE,), namespaces=(("env", "prod"), ("team", "a"))), "10.2.3.4", "prod"),
    (Arrival(namespaces=(("env", "prod"), ("team", "b"))), "10.2.3.4", "subnet"),
]


@pytest.mark.parametrize(("arrival", "address", "tenant"), IDENTITIES)
def test_the_most_specific_claim_wins(arrival: Arrival, address: str, tenant: str) -> None:
    """Namespace labels before a certificate, before a server name, before a path, before a listener, before a subnet."""
    asker = identify(compiled(ALL), address, arrival)
    assert (asker.tenant.name if asker else "") == tenant


def test_one_address_through_two_doors_is_two_clients() -> None:
    """What is remembered of a client is remembered with how it came in."""
    policy = compiled(ALL)
    seen = [identify(policy, "10.1.0.1", arrival) for arrival in (Arrival(), Arrival("edge"), Arrival(), Arrival("edge"))]
    assert [asker.tenant.name for asker in seen if asker] == ["longer", "door", "longer", "door"]
    assert seen[0] is seen[2]


def test_subnets_alone_stay_one_lookup() -> None:
    """Where no tenant asks for more, nothing else is looked at, and askers are remembered by their address."""
    policy = compiled(tenants(a="clients: [{subnets: [10.0.0.0/8]}]"))
    assert policy.claims is None
    identify(policy, "10.0.0.1", Arrival("edge"))
    assert list(policy.askers.entries) == ["10.0.0.1"]


AMBIGUOUS = tenants(
    a="clients: [{certificates: [one]}]",
    b="clients: [{certificates: [two]}]",
    rest="unknown: true, clients: [{subnets: [10.0.0.0/8]}]",
)


def test_two_identities_of_two_tenants_are_refused() -> None:
    """A client that shows papers of two tenants belongs to neither, nor to those who take what is left."""
    policy = compiled(AMBIGUOUS)
    assert identify(policy, "10.0.0.1", Arrival(certificates=("one", "two"))) is None
    found = [identify(policy, "10.0.0.1", Arrival(certificates=names)) for names in (("one",), ("two", "x"), ("x",))]
    assert [asker.tenant.name for asker in found if asker] == ["a", "b", "rest"]


EQUAL = [
    (
        ("{listeners: [edge]}", "{listeners: [side, edge]}"),
        "Tenant/b spec.clients[0]: listener edge is claimed by tenant 'a' with equal force",
    ),
    (
        ("{listeners: [edge], subnets: [10.0.0.0/8]}", "{listeners: [edge], subnets: [10.0.0.0/8]}"),
        "Tenant/b spec.clients[0]: listener edge with 10.0.0.0/8 is claimed by tenant 'a' with equal force",
    ),
    (
        ("{subnets: [10.0.0.0/8]}", "{subnets: [10.1.0.0/16, 10.0.0.0/8]}"),
        "Tenant/b spec.clients[0].subnets[1]: 10.0.0.0/8 is claimed by tenant 'a' with equal force",
    ),
    (
        ("{serverNames: [DNS.example.]}", "{serverNames: [dns.example]}"),
        "Tenant/b spec.clients[0]: server name dns.example is claimed by tenant 'a' with equal force",
    ),
    (
        ("{certificates: [x], paths: [/p]}", "{certificates: [x], paths: [/p]}"),
        "Tenant/b spec.clients[0]: certificate x with path /p is claimed by tenant 'a' with equal force",
    ),
    (
        ("{namespaces: {team: a, env: prod}}", "{namespaces: {env: prod, team: a}}"),
        "Tenant/b spec.clients[0]: namespace labels env=prod, team=a is claimed by tenant 'a' with equal force",
    ),
    (
        ("{namespaces: {team: a}}", "{namespaces: {env: prod}}"),
        "Tenant/b spec.clients[0]: namespace labels env=prod may be a client that tenant 'a' claims with equal force by "
        "namespace labels team=a",
    ),
]


@pytest.mark.parametrize(("pair", "message"), EQUAL)
def test_equal_force(pair: tuple[str, str], message: str) -> None:
    """Two tenants that claim the same client in the same way: the later one is told whose client it is."""
    found = verify(objects(tenants(a=f"clients: [{pair[0]}]", b=f"clients: [{pair[1]}]")))
    assert list(map(str, found)) == [message]


PEACE = [
    ("{listeners: [edge]}", "{subnets: [10.0.0.0/8]}"),
    ("{listeners: [edge]}", "{listeners: [edge], subnets: [10.0.0.0/8]}"),
    ("{listeners: [edge], subnets: [10.0.0.0/8]}", "{listeners: [side], subnets: [10.0.0.0/8]}"),
    ("{namespaces: {team: a}}", "{namespaces: {team: b}}"),
    ("{namespaces: {team: a}}", "{namespaces: {team: a, env: prod}}"),
    ("{serverNames: [.dns.example]}", "{serverNames: ['*.dns.example']}"),
    ("{certificates: [x]}", "{certificates: [y]}"),
]


@pytest.mark.parametrize("pair", PEACE)
def test_no_conflict(pair: tuple[str, str]) -> None:
    """One is more specific than the other, or no client can be both."""
    assert verify(objects(tenants(a=f"clients: [{pair[0]}]", b=f"clients: [{pair[1]}]"))) == []


WRONG = [
    (
        "clients: [{}]",
        "spec.clients[0]: expected subnets, listeners, serverNames, paths, certificates or namespaces: an entry without "
        "any would claim every client",
    ),
    (
        "clients: [{subnets: []}, {subnets: [10.0.0.0/8]}]",
        "spec.clients[0]: expected subnets, listeners, serverNames, paths, certificates or namespaces: an entry without "
        "any would claim every client",
    ),
    (
        "clients: [{listeners: [edge], subnets: [10.0.0.1/8]}]",
        "spec.clients[0].subnets[0]: expected an address or a CIDR block such as 10.1.0.0/16, got '10.0.0.1/8': "
        "10.0.0.1/8 has host bits set",
    ),
    (
        "clients: [{serverNames: [a..b]}]",
        "spec.clients[0].serverNames[0]: expected a pattern such as *.example.com, got 'a..b': a label is empty (two dots "
        "in a row)",
    ),
    (
        f"clients: [{{certificates: {[f'c{n}' for n in range(101)]}, paths: {[f'/{n}' for n in range(100)]}}}]",
        "spec.clients[0]: expected at most 10000 combinations of its keys, got 10100: write several entries",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_malformed_entries(text: str, message: str) -> None:
    """Each mistake is named with its key path and what was expected."""
    assert [f"{problem.path}: {problem.message}" for problem in verify(objects(tenants(a=text)))] == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{paths: [dns-query]}", "spec.clients[0].paths[0]: expected a path that begins with /, got 'dns-query'"),
        ("{certificates: ['']}", "spec.clients[0].certificates[0]: expected text of length >= 1, got ''"),
        (
            "{listener: [edge]}",
            "spec.clients[0].listener: unknown key, expected one of subnets, listeners, serverNames, paths, "
            "certificates, namespaces",
        ),
    ],
)
def test_wrong_shapes(text: str, message: str) -> None:
    """What the schema forbids is told by the reader of documents."""
    _, errors = read_documents(tenants(a=f"clients: [{text}]"), "test")
    assert [str(error).partition("document 1: ")[2] for error in errors] == [message]


_clients = st.fixed_dictionaries(
    {},
    optional={
        "listeners": st.lists(st.sampled_from(["edge", "side"]), min_size=1, max_size=2, unique=True),
        "certificates": st.just(["x"]),
        "paths": st.just(["/p"]),
        "subnets": st.lists(st.sampled_from(["10.0.0.0/8", "10.1.0.0/16"]), min_size=1, max_size=2, unique=True),
        "namespaces": st.dictionaries(st.sampled_from(["team", "env"]), st.sampled_from(["a", "b"]), min_size=1),
    },
).filter(bool)
_arrivals = st.builds(
    Arrival,
    listener=st.sampled_from(["", "edge", "side"]),
    path=st.sampled_from(["", "/p"]),
    certificates=st.sampled_from([(), ("x",)]),
    namespaces=st.sampled_from([(), (("team", "a"),), (("env", "b"), ("team", "a"))]),
)


@given(st.lists(_clients, min_size=1, max_size=4), _arrivals, st.sampled_from(["10.1.0.1", "10.9.0.1", "192.0.2.1"]))
def test_verified_tenants_never_meet(entries: list[dict[str, object]], arrival: Arrival, address: str) -> None:
    """Where no conflict is reported no client is claimed by two with equal force, in whatever order they are written."""
    texts = {f"t{number}": f"clients: [{entry}]" for number, entry in enumerate(entries)}
    if verify(objects(tenants(**texts))):
        return
    found = []
    for order in (texts, dict(reversed(texts.items()))):
        policy = compiled(tenants(**order))
        if policy.claims is not None:
            assert policy.claims.tenant_of(arrival, 4, 10 << 24 | 1 << 16 | 1) is not None
        found.append(identify(policy, address, arrival))
    assert len({asker.tenant.name if asker else "" for asker in found}) == 1


@pytest.mark.parametrize("entry", ["serverNames: [dns.example], paths: [/{0}]", "namespaces: {{app: web, team: t{0}}}"])
def test_a_client_is_held_against_few_claims(entry: str) -> None:
    """Tenants that share a condition are told apart by the one they do not share, not one after the other."""
    policy = compiled(tenants(**{f"t{n}": f"clients: [{{{entry.format(n)}}}]" for n in range(100)}))
    arrival = Arrival("", "dns.example", "/42", (), (("app", "web"), ("team", "t42")))
    asker = identify(policy, "10.0.0.1", arrival)
    assert asker is not None
    assert asker.tenant.name == "t42"
    assert isinstance(policy.claims, Claims)
    assert len(list(policy.claims._near(arrival))) == 1
