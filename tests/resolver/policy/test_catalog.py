"""Catalogs between swaps: what did not change is the same object, what changed for one tenant is so for it alone."""

from __future__ import annotations

import pytest

from resolver.policy.store import PolicyStore
from schemas.objects import Tenant, key_of
from tests.resolver.policy.written import NOW, discovery, objects, rules, service, signal, tenant

TEXT = (
    tenant(more="visible: [globex/*]")
    + tenant("globex", 2)
    + tenant("initech", 3)
    + service("own")
    + service("shared", tenant="globex", exports="[acme]")
    + discovery("api.svc", tenants="[acme, globex]")
)


@pytest.fixture
def store() -> PolicyStore:
    """A store with three tenants, of which two discover."""
    made = PolicyStore()
    put(made, TEXT)
    return made


def put(store: PolicyStore, text: str) -> None:
    """Put objects in force."""
    for obj in objects(text).values():
        store.put(key_of(obj), obj)
    assert store.swap(NOW) == []


def visible(store: PolicyStore, name: str = "acme") -> list[str]:
    """Services a tenant may discover."""
    return [one.name for one in store.current.tenants[name].discovery.visible.services]


def test_who_has_no_rules_has_no_catalog(store: PolicyStore) -> None:
    """And pays for none."""
    assert [bool(store.current.tenants[name].discovery) for name in ("acme", "globex", "initech")] == [True, True, False]
    assert (visible(store), visible(store, "globex"), visible(store, "initech")) == (["own", "shared"], ["shared"], [])


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (rules("name: a, action: deny", tenants="[initech]"), {"initech"}),
        (service("own", endpoints="[{address: 10.9.9.9}]"), {"acme"}),
        (service("shared", tenant="globex", exports="[]"), {"acme", "globex"}),
        (service("new", tenant="initech"), set()),
        (discovery("more.svc", owner="m", tenants="[globex]"), {"globex"}),
    ],
)
def test_only_views_of_those_concerned_are_made_anew(store: PolicyStore, change: str, changed: set[str]) -> None:
    """A service is the business of its owner and of those who see it."""
    before = dict(store.current.tenants)
    put(store, change)
    after = store.current.tenants
    assert {name for name in before if after[name] is not before[name]} == changed


def test_a_signal_leaves_catalogs_as_they_are(store: PolicyStore) -> None:
    """It makes a view of the tenant it is for, with the same catalog."""
    before = dict(store.current.tenants)
    store.put_signal(signal("health", "10.9.0.1:443", "down"), NOW)
    store.swap(NOW)
    after = store.current.tenants
    assert (after["acme"] is before["acme"], after["acme"].discovery is before["acme"].discovery) == (False, True)
    assert after["globex"] is before["globex"]


def test_services_of_a_tenant_that_is_gone_are_gone(store: PolicyStore) -> None:
    """Deleting the owner opens nothing and leaves nothing behind; the others learn what is amiss."""
    (gone,) = [obj for obj in objects(TEXT).values() if isinstance(obj, Tenant) and obj.metadata.name == "globex"]
    store.put(key_of(gone), None)
    refused = {(one.key, one.error) for one in store.swap(NOW)}
    assert ("Service/-/shared", "spec.tenant: there is no tenant 'globex'") in refused
    assert visible(store) == ["own"]
