"""The topic table: names, keys, partitions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas import domains, objects, topics


def test_policy_topics_have_one_partition_so_that_their_offsets_order_everything() -> None:
    """`apply` waits for an offset; that is only sound with a single partition."""
    assert {t.partitions for t in (topics.OBJECTS, topics.OVERLAYS, topics.STATUS)} == {1}


@given(st.text(max_size=63), st.integers(1, 64))
def test_a_tenant_always_has_the_same_partition(tenant: str, partitions: int) -> None:
    """Every resolver sends a tenant's events to one partition, inside the range."""
    assert 0 <= topics.partition_of(tenant, partitions) < partitions
    assert topics.partition_of(tenant, partitions) == topics.partition_of(tenant, partitions)


def test_keys_tell_kind_tenant_and_name() -> None:
    """A tenant's key names it twice; objects for many tenants have a dash."""
    assert objects.object_key("Tenant", "acme") == "Tenant/acme/acme"
    assert objects.object_key("DNSPolicy", "no-com") == "DNSPolicy/-/no-com"


def test_registered_domain_by_the_public_suffix_list() -> None:
    """Private suffixes count, so customers of a platform are neighbours; a suffix itself has no registered domain."""
    table = {
        "a.b.example.co.uk": "example.co.uk",
        "example.com": "example.com",
        "co.uk": "",
        ".": "",
        "someone.github.io": "someone.github.io",
        "x.someone.github.io": "someone.github.io",
        "shop.acme.internal": "acme.internal",
    }
    assert {name: domains.registered_domain(name) for name in table} == table
