"""Virtual names with addresses of their own, as clients see them."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address

from resolver.policy.addresses import DEFAULT_RANGES, Ranges
from resolver.policy.store import PolicyStore
from schemas.objects import key_of
from tests.resolver.path import NOW, POLICY, Path, objects, texts

NAMES = """
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: vip}
spec: {name: vip.internal, tenants: [acme], address: {families: [ipv4, ipv6]}, ttl: 12}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: fixed}
spec: {name: fixed.internal, tenants: [acme], address: {fixed: [192.0.2.80], families: [ipv6]}}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: second}
spec: {name: second.internal, tenants: [acme], address: {fixed: [192.0.2.80]}}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: theirs}
spec: {name: theirs.internal, tenants: [globex], address: {fixed: [192.0.2.81]}}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: said}
spec: {name: 82.2.0.192.in-addr.arpa, tenants: [acme], records: [{type: PTR, data: said.internal}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: unsaid}
spec: {name: unsaid.internal, tenants: [acme], address: {fixed: [192.0.2.82]}}
"""
ADDRESSED = """
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: {name}, created: {created}}}
spec: {{name: {name}.internal, address: {{families: [ipv4]}}}}
"""


async def test_addresses_and_the_way_back() -> None:
    """An allocated address lies in its range, is answered with the name's TTL, and its reverse name leads back."""
    path = Path(POLICY + NAMES)
    (four,), (six,) = (await path.get("vip.internal")).rr, (await path.get("vip.internal", "AAAA")).rr
    assert (four.ttl, six.ttl) == (12, 12)
    assert ip_address(str(four.rdata)) in DEFAULT_RANGES.ipv4
    assert ip_address(str(six.rdata)) in DEFAULT_RANGES.ipv6
    for record in (four, six):
        reverse = ip_address(str(record.rdata)).reverse_pointer
        assert texts((await path.get(reverse, "PTR")).rr) == [f"{reverse}. 12 PTR vip.internal."]


async def test_fixed_addresses() -> None:
    """Names may share a fixed address, and then its reverse name; what is written for a reverse name goes before."""
    path = Path(POLICY + NAMES)
    assert texts((await path.get("fixed.internal")).rr) == ["fixed.internal. 30 A 192.0.2.80"]
    assert ip_address(str((await path.get("fixed.internal", "AAAA")).rr[0].rdata)) in DEFAULT_RANGES.ipv6
    assert texts((await path.get("80.2.0.192.in-addr.arpa", "PTR")).rr) == [
        "80.2.0.192.in-addr.arpa. 30 PTR fixed.internal.", "80.2.0.192.in-addr.arpa. 30 PTR second.internal.",
    ]  # fmt: skip
    assert texts((await path.get("82.2.0.192.in-addr.arpa", "PTR")).rr) == ["82.2.0.192.in-addr.arpa. 30 PTR said.internal."]


async def test_reverse_names_of_others_do_not_exist() -> None:
    """Another tenant's address leads nowhere, as any address that nobody has."""
    path = Path(POLICY + NAMES)
    for reverse in ("81.2.0.192.in-addr.arpa", "99.2.0.192.in-addr.arpa"):
        assert (await path.get(reverse, "PTR")).header.rcode == 3
    assert texts((await path.get("81.2.0.192.in-addr.arpa", "PTR", "127.0.2.1")).rr) == ["81.2.0.192.in-addr.arpa. 30 PTR theirs.internal."]


def test_a_range_that_is_used_up() -> None:
    """The youngest object that finds no address left is refused with its key path; older ones and all else stay in force."""
    store = PolicyStore(Ranges(IPv4Network("10.9.0.0/30")))
    made = [objects(ADDRESSED.format(name=name, created=f"2026-01-0{day}T00:00:00Z"))[0] for day, name in enumerate("abc", 1)]
    for obj in reversed(made):
        store.put(key_of(obj), obj)
    (refusal,) = store.swap(NOW)
    assert (refusal.key, refusal.error) == ("VirtualName/-/c", "spec.address.families[0]: no address is left in 10.9.0.0/30, older names have all")
    assert store.objects.keys() == {"VirtualName/-/a", "VirtualName/-/b"}
    store.put("VirtualName/-/a", None)
    assert store.swap(NOW) == []
    assert len(store.objects) == 2


async def test_views_stay_where_addresses_stay() -> None:
    """A change elsewhere makes no new view of a tenant whose names and addresses are the same."""
    path = Path(POLICY + NAMES)
    before = path.store.current.tenants["acme"]
    path.apply("{apiVersion: nameward.io/v1, kind: Tenant, metadata: {name: other}, spec: {default: allow, clients: [{subnets: [127.0.7.0/24]}]}}")
    assert path.store.current.tenants["acme"] is before
