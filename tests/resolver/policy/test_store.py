"""What is in force: swaps, last good, refusals, snapshots; and that no tenant ever sees what is another's."""

from __future__ import annotations

from math import inf

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.engine import decide
from resolver.policy.snapshot import SnapshotError
from resolver.policy.store import PolicyStore
from resolver.tenants import identify
from schemas.objects import API_VERSION, DNSPolicy, PolicyObject, VirtualName, key_of
from schemas.signals import Overlay
from tests.resolver.policy.written import BACKEND, NOW, entry, objects, overlay, rules, signal, tenant, virtual


def filled(*texts: str) -> PolicyStore:
    """A store with these objects in force."""
    store = PolicyStore()
    for text in texts:
        put(store, text)
    store.swap(NOW)
    return store


def put(store: PolicyStore, text: str) -> None:
    """Want the objects of a text."""
    for key, obj in objects(text).items():
        store.put(key, obj)


def verdict(store: PolicyStore, qname: str, client: str = BACKEND) -> str:
    """What the store's policy says; empty for an unknown client."""
    asker = identify(store.current, client)
    return decide(asker, qname, "A", "udp", NOW).verdict if asker else ""


def test_an_empty_store_knows_nobody() -> None:
    """Closed by default: without objects every client is unknown."""
    assert verdict(PolicyStore(), "a.test") == ""


def test_a_swap_puts_everything_in_force_at_once() -> None:
    """Nothing changes before the swap; the policy that was read before stays what it was."""
    store = filled(tenant())
    old = store.current
    put(store, rules("name: d, action: deny"))
    assert verdict(store, "a") == "allow"
    assert store.swap(NOW) == []
    assert verdict(store, "a") == "deny"
    asker = identify(old, BACKEND)
    assert asker is not None
    assert decide(asker, "a", "A", "udp", NOW).verdict == "allow"


def test_epoch_rises_with_every_swap_and_version_only_with_content() -> None:
    """The same content has the same version in any store, in whatever order it came."""
    one = filled(tenant(), rules("name: d, action: deny"))
    two = filled(rules("name: d, action: deny"), tenant())
    assert one.version == two.version
    before = (one.epoch, one.version)
    one.swap(NOW)
    assert (one.epoch, one.version) == (before[0] + 1, before[1])
    one.put_overlay("acme", overlay(entry("*")))
    one.swap(NOW)
    assert one.version != before[1]


def test_the_last_good_object_stays() -> None:
    """A wrong object is refused with its key path; the one before it stays, all others change."""
    store = filled(tenant(), rules("name: d, action: deny, match: {qname: [a.test]}"))
    put(store, rules("name: d, action: deny, match: {qname: [b..c]}"))
    put(store, rules("name: d, action: deny, match: {qname: [other.test]}", name="q"))
    (refusal,) = store.swap(NOW)
    assert refusal.key == "DNSPolicy/-/p"
    assert refusal.error.startswith("spec.rules[0].match.qname[0]: ")
    assert (verdict(store, "a.test"), verdict(store, "other.test")) == ("deny", "deny")
    put(store, rules("name: d, action: deny, match: {qname: [c.test]}"))
    assert store.swap(NOW) == []
    assert (verdict(store, "a.test"), verdict(store, "c.test")) == ("allow", "deny")


def test_a_wrong_newcomer_is_left_out() -> None:
    """Without a last good one the object is not in force, and the refusal stays until it is put right or deleted."""
    store = filled(tenant(), rules("name: d, action: pass"))
    assert [refusal.key for refusal in store.refusals] == ["DNSPolicy/-/p"]
    store.swap(NOW)
    assert len(store.refusals) == 1
    store.put("DNSPolicy/-/p", None)
    assert store.swap(NOW) == []


def test_who_was_there_first_keeps_the_subnet() -> None:
    """Of two tenants claiming the same, the one in force stays, even when it is written again later."""
    store = filled(tenant("acme", 1))
    put(store, tenant("globex", 1))
    (refusal,) = store.swap(NOW)
    assert refusal.key == "Tenant/globex/globex"
    put(store, tenant("acme", 1))
    (refusal,) = store.swap(NOW)
    assert refusal.key == "Tenant/globex/globex"
    put(store, tenant("acme", 3))
    assert store.swap(NOW) == []
    asker = identify(store.current, BACKEND)
    assert asker is not None
    assert asker.tenant.name == "globex"


def test_two_tenants_change_places() -> None:
    """Objects that are right together go in together, though each would collide with the other as it was."""
    store = filled(tenant("acme", 1), tenant("globex", 2))
    put(store, tenant("acme", 2))
    put(store, tenant("globex", 1))
    assert store.swap(NOW) == []
    asker = identify(store.current, BACKEND)
    assert asker is not None
    assert asker.tenant.name == "globex"


def test_falling_back_may_push_out_who_took_the_place() -> None:
    """A wrong tenant keeps its last good claim, so that the newcomer to that claim is refused too."""
    store = filled(tenant("acme", 1))
    put(store, tenant("acme", 3, feedback="{exempt: [a..b]}"))
    put(store, tenant("globex", 1))
    assert {refusal.key for refusal in store.swap(NOW)} == {"Tenant/acme/acme", "Tenant/globex/globex"}
    asker = identify(store.current, BACKEND)
    assert asker is not None
    assert asker.tenant.name == "acme"


def test_a_deleted_tenant_does_not_take_a_shared_policy_with_it() -> None:
    """The policy stays in force for the tenants that are left, and the dangling name is told."""
    store = filled(tenant("acme", 1), tenant("globex", 2), rules("name: d, action: deny", tenants="[acme, globex]"))
    store.put("Tenant/globex/globex", None)
    (refusal,) = store.swap(NOW)
    assert (refusal.key, refusal.error) == ("DNSPolicy/-/p", "spec.tenants[1]: there is no tenant 'globex'")
    assert verdict(store, "a") == "deny"


def test_what_cannot_be_read_leaves_the_last_good() -> None:
    """Bytes that are no object count as a wrong object; the next good one replaces both."""
    store = filled(tenant(), rules("name: d, action: deny"))
    store.put_unreadable("DNSPolicy/-/p", "not JSON")
    store.put_unreadable("DNSPolicy/-/q", "not JSON")
    assert [refusal.key for refusal in store.swap(NOW)] == ["DNSPolicy/-/p", "DNSPolicy/-/q"]
    assert verdict(store, "a") == "deny"
    put(store, rules("name: d, action: allow"))
    store.put("DNSPolicy/-/q", None)
    assert store.swap(NOW) == []
    assert verdict(store, "a") == "allow"


def test_overlays_come_change_and_go() -> None:
    """A wrong overlay leaves the last good one; a tombstone removes it; one for an unknown tenant waits for the tenant."""
    store = filled(tenant())
    store.put_overlay("acme", overlay(entry("a.test")))
    store.put_overlay("globex", overlay(entry("*"), name="globex"))
    assert store.swap(NOW) == []
    store.put_overlay("acme", overlay(entry("a..b")))
    store.put_unreadable_overlay("globex", "not JSON")
    assert {refusal.key for refusal in store.swap(NOW)} == {"Overlay/-/acme", "Overlay/-/globex"}
    assert verdict(store, "a.test") == "deny"
    put(store, tenant("globex", 2))
    store.swap(NOW)
    assert verdict(store, "a.test", "10.0.2.20") == "deny"
    store.put_overlay("acme", None)
    store.swap(NOW)
    assert verdict(store, "a.test") == "allow"


def test_next_expiry() -> None:
    """The first expiry of an entry that has not expired yet; never, when there is none."""
    store = filled(tenant())
    assert store.next_expiry(NOW) == inf
    store.put_overlay("acme", overlay(entry("a", life=30), entry("b", name="e2", life=10)))
    assert store.next_expiry(NOW) == NOW + 10
    assert store.next_expiry(NOW + 10) == NOW + 30
    assert store.next_expiry(NOW + 30) == inf


def test_snapshot_and_restore() -> None:
    """Another store put up from the snapshot has the same in force, and only what was in force."""
    store = filled(
        tenant(), rules("name: d, action: deny, match: {qname: [a.test]}"), rules("name: x, action: pass", name="w")
    )
    store.put_overlay("acme", overlay(entry("b.test")))
    store.objects_offset, store.overlays_offset = 7, 3
    store.swap(NOW)
    other = PolicyStore()
    assert other.restore(store.snapshot(), NOW) == []
    assert (other.version, other.objects_offset, other.overlays_offset) == (store.version, 7, 3)
    assert [verdict(other, name) for name in ("a.test", "b.test", "c.test")] == ["deny", "deny", "allow"]
    assert sorted(other.objects) == ["DNSPolicy/-/p", "Tenant/acme/acme"]


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b"\xff", b'{"objects":[["k",{"kind":"Nope"}]]}'])
def test_a_snapshot_that_is_none_changes_nothing(value: bytes) -> None:
    """The error is told, the policy in force stays."""
    store = filled(tenant(default="deny"))
    with pytest.raises(SnapshotError, match="not a policy snapshot"):
        store.restore(value, NOW)
    assert verdict(store, "a") == "deny"


def test_a_topic_read_anew_replaces_everything() -> None:
    """What is not heard again after forgetting is gone with the next swap, and not before."""
    store = filled(tenant(), rules("name: d, action: deny"))
    store.put_overlay("acme", overlay(entry("*")))
    store.forget_objects()
    store.forget_overlays()
    assert verdict(store, "a") == "deny"
    put(store, tenant())
    store.swap(NOW)
    assert verdict(store, "a") == "allow"


TENANTS = ("t1", "t2", "t3")
NAMES = ("a.test", "b.test", "x.a.test")
SOME = st.lists(st.sampled_from(TENANTS), unique=True, max_size=2)
PATTERN = st.sampled_from(["a.test", ".a.test", "*", "b.test", "*.test", "bad..pattern"])


def policy_object(name: str, tenants: list[str], pattern: str, action: str, tier: str) -> PolicyObject:
    """A DNSPolicy of one rule."""
    spec = {"tier": tier, "tenants": tenants, "rules": [{"name": "r", "action": action, "match": {"qname": [pattern]}}]}
    return written("DNSPolicy", name, spec)


def virtual_object(name: str, tenants: list[str], qname: str, address: str) -> PolicyObject:
    """A VirtualName of one address."""
    return written(
        "VirtualName", name, {"name": qname, "tenants": tenants, "records": [{"type": "A", "data": address}]}
    )


def written(kind: str, name: str, spec: dict[str, object]) -> PolicyObject:
    """An object of plain values."""
    value = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return msgspec.convert(value, PolicyObject)


def tenant_object(name: str, number: int) -> PolicyObject:
    """A tenant that claims 10.0.number.0/24."""
    spec = {"default": "allow", "clients": [{"subnets": [f"10.0.{number}.0/24"]}], "feedback": {"mode": "enforce"}}
    return written("Tenant", name, spec)


PUT = st.one_of(
    st.builds(tenant_object, st.sampled_from(TENANTS), st.integers(1, 4)),
    st.builds(
        policy_object,
        st.sampled_from(["p1", "p2", "p3"]),
        SOME,
        PATTERN,
        st.sampled_from(["allow", "deny"]),
        st.sampled_from(["platform", "tenant", "baseline"]),
    ),
    st.builds(
        virtual_object,
        st.sampled_from(["v1", "v2", "v3"]),
        SOME,
        st.sampled_from(NAMES),
        st.sampled_from(["10.9.9.1", "10.9.9.2", "wrong"]),
    ),
)
DELETE = st.sampled_from(["Tenant/t1/t1", "Tenant/t2/t2", "DNSPolicy/-/p1", "VirtualName/-/v1", "VirtualName/-/v2"])
OVERLAY = st.builds(
    lambda name, pattern, mode: overlay(entry(pattern, name=f"{name}-entry", mode=mode), name=name),
    st.sampled_from(TENANTS),
    PATTERN,
    st.sampled_from(["audit", "enforce"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.one_of(PUT, DELETE, OVERLAY), max_size=5), max_size=6))
def test_isolation(batches: list[list[PolicyObject | str | Overlay]]) -> None:
    """Whatever is put, deleted and swapped: every rule and virtual name a tenant meets is meant for it and in force now."""
    store = PolicyStore()
    for tick, batch in enumerate(batches):
        for change in batch:
            if isinstance(change, str):
                store.put(change, None)
            elif isinstance(change, Overlay):
                store.put_overlay(change.tenant, change)
            else:
                store.put(key_of(change), change)
        before = store.current
        store.swap(NOW + tick)
        assert store.current.epoch == before.epoch + 1
        check_isolation(store, NOW + tick)


def check_isolation(store: PolicyStore, now: float) -> None:
    """Ask as every client for every name."""
    for client in (f"10.0.{number}.7" for number in range(1, 6)):
        asker = identify(store.current, client)
        if asker is None:
            continue
        me = asker.tenant.name
        claims = msgspec.to_builtins(store.objects[f"Tenant/{me}/{me}"].spec)["clients"]
        assert claims == [{"subnets": [f"{client[:-1]}0/24"]}]
        assert asker.tenant is store.current.tenants[me]
        for qname in NAMES:
            decision = decide(asker, qname, "A", "udp", now)
            for rule in [decision.rule, *(audit.rule for audit in decision.audits)]:
                owner, _, part = rule.partition("/")
                if owner == "overlay":
                    assert part == f"{me}-entry"
                elif owner:
                    obj = store.objects[f"DNSPolicy/-/{owner}"]
                    assert isinstance(obj, DNSPolicy)
                    assert not obj.spec.tenants or me in obj.spec.tenants
        for qname, found in asker.tenant.virtual.items():
            obj = store.objects[f"VirtualName/-/{found.owner}"]
            assert isinstance(obj, VirtualName)
            assert not obj.spec.tenants or me in obj.spec.tenants
            assert (obj.spec.name, list(found.records["A"])) == (qname, obj.spec.records)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.one_of(PUT, DELETE, OVERLAY), max_size=5), min_size=2, max_size=6))
def test_a_long_lived_store_decides_as_a_new_one(batches: list[list[PolicyObject | str | Overlay]]) -> None:
    """What was taken over from earlier swaps changes nothing: a store put up from the snapshot decides everything alike."""
    store = PolicyStore()
    for batch in batches:
        for change in batch:
            if isinstance(change, str):
                store.put(change, None)
            elif isinstance(change, Overlay):
                store.put_overlay(change.tenant, change)
            else:
                store.put(key_of(change), change)
        store.swap(NOW)
        fresh = PolicyStore()
        fresh.restore(store.snapshot(), NOW)
        assert fresh.version == store.version
        for client in (f"10.0.{number}.7" for number in range(1, 6)):
            one, two = identify(store.current, client), identify(fresh.current, client)
            assert (one and one.tenant.name) == (two and two.tenant.name)
            if one and two:
                assert [decide(one, name, "A", "udp", NOW) for name in NAMES] == [
                    decide(two, name, "A", "udp", NOW) for name in NAMES
                ]
                assert {name: dict(found.records) for name, found in one.tenant.virtual.items()} == {
                    name: dict(found.records) for name, found in two.tenant.virtual.items()
                }


def test_unchanged_views_are_taken_over() -> None:
    """An overlay for one tenant makes one new view; writing the same object again makes none."""
    store = filled(
        tenant("acme", 1),
        tenant("globex", 2),
        rules("name: d, action: deny", tenants="[]"),
        virtual("v.test", "type: A, data: 10.0.0.1"),
    )
    before = store.current.tenants
    store.put_overlay("acme", overlay(entry("*")))
    store.swap(NOW)
    after = store.current.tenants
    assert after["globex"] is before["globex"]
    assert after["acme"] is not before["acme"]
    put(store, tenant("globex", 2) + rules("name: d, action: deny", tenants="[]"))
    store.swap(NOW)
    assert dict(store.current.tenants) == dict(after)
    put(store, rules("name: d, action: allow", tenants="[]"))
    store.swap(NOW)
    assert store.current.tenants["globex"] is not after["globex"]


def test_expired_entries_leave_with_the_swap() -> None:
    """A swap after an expiry drops the entry; the other entries of the overlay stay."""
    store = filled(tenant())
    store.put_overlay("acme", overlay(entry("a.test", life=10), entry("b.test", name="e2", life=60)))
    store.swap(NOW)
    assert len(store.current.tenants["acme"].rules.ordered()) == 2
    store.swap(NOW + 10)
    assert [rule.name for rule in store.current.tenants["acme"].rules.ordered()] == ["overlay/e2"]


def test_signals_reach_the_views_of_those_concerned() -> None:
    """A swap shows a used signal to its tenant alone; the view of others stays; expiry is another swap's."""
    store = filled(tenant(), tenant("globex", 2), rules("name: r, action: deny, match: {signal: [{kind: risk}]}", tenants="[]"))
    before = dict(store.current.tenants)
    store.put_signal(signal("risk", "a.test", "high", life=10), NOW)
    assert (store.signals.due, bool(store.current.tenants["acme"].signals)) == (True, False)
    version = store.version
    store.swap(NOW)
    held = store.current.tenants["acme"].signals.value("risk", "a.test")
    assert held is not None
    assert (held.value, held.expires, store.signals.due, store.next_expiry(NOW)) == ("high", NOW + 10, False, NOW + 10)
    assert (store.version, store.current.tenants["globex"]) == (version, before["globex"])
    store.swap(NOW + 10)
    assert (bool(store.current.tenants["acme"].signals), store.next_expiry(NOW + 10)) == (False, inf)


def test_what_is_in_force_changes_in_the_last_slice_only() -> None:
    """A swap in slices never shows half of a policy; what is put meanwhile waits for the next one."""
    store = PolicyStore()
    for number in range(1, 200):
        for key, obj in objects(tenant(f"t{number}", number) + rules("name: a, action: deny", name=f"p{number}", tenants=f"[t{number}]")).items():
            store.put(key, obj)
    before, slices = store.current, 0
    for _ in store.swapping(NOW):
        assert store.current is before
        assert store.refusals == []
        if not slices:
            for key, obj in objects(tenant("late", 200)).items():
                store.put(key, obj)
        slices += 1
    assert slices > 100
    assert len(store.current.tenants) == 199
    store.swap(NOW)
    assert len(store.current.tenants) == 200


def test_a_swap_that_is_broken_off_is_done_the_next_time() -> None:
    """Whatever slice it stopped in, nothing of it is in force and nothing of it is lost."""
    for stop in range(40):
        store = PolicyStore()
        for key, obj in objects(tenant() + rules("name: a, action: deny")).items():
            store.put(key, obj)
        steps = store.swapping(NOW)
        reached = [number for number, _ in zip(range(stop + 1), steps, strict=False)]
        steps.close()
        done = len(reached) <= stop
        assert bool(store.current.tenants) == done
        store.swap(NOW)
        assert list(store.current.tenants) == ["acme"]
        if done:
            return
