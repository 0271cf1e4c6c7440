"""Who is asking: longest prefixes, workloads, unknown clients, the bounded memory; and which upstream group takes a name."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.subnets import SubnetIndex
from resolver.tenants import AskerCache, identify
from tests.resolver.policy.written import compiled

TENANTS = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: wide}
spec:
  default: allow
  clients: [{subnets: [10.0.0.0/8, "fd00::/16"]}, {subnets: [192.0.2.1]}]
  workloads:
  - {name: net, subnets: [10.1.0.0/16], labels: {app: net}}
  - {name: host, subnets: [10.1.2.3, "fd00::1"], labels: {app: host}}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: narrow}
spec:
  default: deny
  clients: [{subnets: [10.2.0.0/16]}]
---
"""
REST = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: rest}
spec: {default: deny, unknown: true}
"""
CLIENTS = [
    ("10.9.9.9", "wide", ""),
    ("10.1.9.9", "wide", "net"),
    ("10.1.2.3", "wide", "host"),
    ("10.2.0.1", "narrow", ""),
    ("192.0.2.1", "wide", ""),
    ("fd00::1", "wide", "host"),
    ("fd00:0:0:0:0:0:0:1", "wide", "host"),
    ("fd00::2", "wide", ""),
    ("::ffff:10.1.2.3", "wide", "host"),
]


@pytest.mark.parametrize(("client", "tenant", "workload"), CLIENTS)
def test_the_longest_subnet_wins(client: str, tenant: str, workload: str) -> None:
    """Tenant by the longest claimed subnet, workload by the longest within the tenant; IPv4 in IPv6 counts as IPv4."""
    asker = identify(compiled(TENANTS), client)
    assert asker is not None
    assert (asker.tenant.name, asker.workload, asker.address) == (tenant, workload, client)
    assert asker.labels == ({"app": workload} if workload else {})


def test_unknown_clients() -> None:
    """Nobody, unless a tenant takes them explicitly."""
    assert identify(compiled(TENANTS), "203.0.113.1") is None
    asker = identify(compiled(TENANTS + REST), "203.0.113.1")
    assert asker is not None
    assert asker.tenant.name == "rest"


def test_askers_are_remembered_and_bounded() -> None:
    """The same address gives the same asker; the least recently asked for is forgotten first."""
    policy = compiled(TENANTS)
    assert identify(policy, "10.0.0.1") is identify(policy, "10.0.0.1")
    cache = AskerCache(capacity=2)
    object.__setattr__(policy, "askers", cache)
    for client in ("10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3"):
        identify(policy, client)
    assert list(cache.entries) == ["10.0.0.1", "10.0.0.3"]


def test_a_text_that_is_no_address() -> None:
    """The listener's mistake is told, not swallowed."""
    with pytest.raises(ValueError, match="nope"):
        identify(compiled(TENANTS), "nope")


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=8),
    st.integers(0, 255),
)
def test_prefix_match_agrees_with_a_linear_search(places: list[tuple[int, int]], host: int) -> None:
    """For any networks and any address the index finds the longest network that holds it."""
    networks = [ipaddress.ip_network((f"10.0.0.{number}", length), strict=False) for number, length in places]
    address = ipaddress.ip_address(f"10.0.0.{host}")
    holding = [network for network in networks if address in network]
    expected = max(holding, key=lambda network: network.prefixlen, default=None)
    index = SubnetIndex((network, str(network)) for network in networks)
    assert index.get(4, int(address)) == (str(expected) if expected else None)


UPSTREAMS = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec:
  default: allow
  clients: [{subnets: [10.0.0.0/8]}]
  upstreams:
  - {name: corp, suffixes: [corp.example, .lab.example], servers: ["tcp://127.0.0.1"]}
  - {name: deep, suffixes: [.deep.corp.example], servers: ["udp://[::1]:5353", "udp://127.0.0.2"], timeoutMs: 250}
  - {name: side, suffixes: ["*.below.example"], servers: ["udp://127.0.0.4"]}
  - {name: rest, servers: ["udp://127.0.0.3"]}
  - {name: spare, servers: ["udp://192.0.2.1:53"], plaintext: true}
"""
CHOICES = [
    ("corp.example", "", "corp"),
    ("a.corp.example", "", "corp"),
    ("a.deep.corp.example", "", "deep"),
    ("xcorp.example", "", "rest"),
    ("below.example", "", "rest"),
    ("a.below.example", "", "side"),
    (".", "", "rest"),
    ("a.corp.example", "spare", "spare"),
    ("a.corp.example", "gone", "corp"),
]


@pytest.mark.parametrize(("qname", "route", "group"), CHOICES)
def test_which_upstream_group_takes_a_name(qname: str, route: str, group: str) -> None:
    """A rule's route first, then the longest suffix (a bare domain means all below it too), then the rest."""
    found = compiled(UPSTREAMS).tenants["acme"].upstream_for(qname, route)
    assert found is not None
    assert found.name == group


def test_servers_are_parsed() -> None:
    """Scheme, address and port; port 53 and the URL's canonical form by default; the timeout in seconds."""
    group = compiled(UPSTREAMS).tenants["acme"].groups["deep"]
    assert [(one.scheme, one.address, one.port, one.url) for one in group.servers] == [
        ("udp", "::1", 5353, "udp://[::1]:5353"),
        ("udp", "127.0.0.2", 53, "udp://127.0.0.2:53"),
    ]
    assert group.timeout == 0.25


def test_no_upstream_at_all() -> None:
    """A tenant without upstreams has none for any name."""
    assert compiled(TENANTS).tenants["wide"].upstream_for("a.test") is None


def test_virtual_names_of_a_tenant() -> None:
    """What is said for one tenant goes before what is said for all, and stays with it."""
    text = """
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: {0}}}
spec: {{name: {1}, tenants: {2}, records: [{{type: A, data: {3}}}]}}
---
"""
    policy = compiled(
        TENANTS
        + text.format("all", "portal.internal", "[]", "10.9.0.1")
        + text.format("own", "Portal.Internal.", "[wide]", "10.9.0.2")
        + text.format("shop", "shop.internal", "[wide]", "10.9.0.3")
    )
    wide, narrow = policy.tenants["wide"].virtual, policy.tenants["narrow"].virtual
    assert wide["portal.internal"].records["A"][0].data == "10.9.0.2"
    assert narrow["portal.internal"].records["A"][0].data == "10.9.0.1"
    assert ("shop.internal" in wide, "shop.internal" in narrow) == (True, False)
