"""Which endpoints a client is told: visibility, zone, health, latency, weight, failover; the same for the same inputs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.selection import Selection, chosen, latency_class, select
from resolver.policy.store import PolicyStore
from resolver.tenants import Asker, identify
from schemas.signals import ContextSignal
from tests.resolver.policy.written import NOW, discovery, objects, service, signal, tenant

ZONES = "[{address: 10.9.0.1, zone: eu}, {address: 10.9.0.2, zone: us}, {address: 10.9.0.3, zone: us}]"


def store(*texts: str, signals: tuple[ContextSignal, ...] = ()) -> PolicyStore:
    """A store with tenants acme and globex, these objects and these signals in force."""
    made = PolicyStore()
    for key, obj in objects("".join([tenant(more="visible: [globex/*]"), tenant("globex", 2), *texts])).items():
        made.put(key, obj)
    for one in signals:
        made.put_signal(one, NOW)
    assert made.swap(NOW) == []
    return made


def asker(made: PolicyStore, client: str = "10.0.1.20", **labels: str) -> Asker:
    """A client with these labels."""
    found = identify(made.current, client)
    assert found is not None
    return Asker(found.tenant, found.workload, labels, found.address, found.version, found.number)


def selection(who: Asker, name: str = "api.svc") -> Selection | None:
    """What a name means for a client."""
    rule = chosen(who, name)
    return rule and select(who, *rule)


def told(made: PolicyStore, client: str = "10.0.1.20", name: str = "api.svc", **labels: str) -> list[str]:
    """Addresses told to a client with these labels, in order."""
    found = selection(asker(made, client, **labels), name)
    return [one.endpoint.address for one in found.told()] if found else []


def down(*numbers: int, value: str = "down", life: float = 600) -> tuple[ContextSignal, ...]:
    """Health signals of the endpoints 10.9.0.N:443."""
    return tuple(signal("health", f"10.9.0.{number}:443", value, life=life) for number in numbers)


def slow(**milliseconds: str) -> tuple[ContextSignal, ...]:
    """Latency signals: e1="12" is 10.9.0.1:443."""
    return tuple(signal("latency", f"10.9.0.{key[1:]}:443", value) for key, value in milliseconds.items())


@pytest.mark.parametrize(
    ("owner", "exports", "seen"),
    [
        ("acme", "[]", True),
        ("globex", "[]", False),
        ("globex", "[acme]", True),
        ("globex", '["*"]', True),
        ("globex", "[globex]", False),
    ],
)
def test_what_is_visible(owner: str, exports: str, seen: bool) -> None:
    """Its own services, and those of others that they export to it and it wants to see."""
    made = store(service(tenant=owner, exports=exports), discovery("api.svc"))
    assert told(made) == (["10.9.0.1"] if seen else [])


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("globex/*", True), ("globex/a*", True), ("globex/api", True), ("*/api", True), ("*/*", True), ("globex/b*", False), ("initech/*", False)],
)
def test_visible_globs(visible: str, seen: bool) -> None:
    """Exported is not enough: the tenant's own `visible` must match owner and service."""
    made = PolicyStore()
    text = tenant(more=f'visible: ["{visible}"]') + tenant("globex", 2) + tenant("initech", 3)
    for key, obj in objects(text + service(tenant="globex", exports='["*"]') + discovery("api.svc")).items():
        made.put(key, obj)
    made.swap(NOW)
    assert bool(told(made)) is seen


def test_the_asking_workload_chooses() -> None:
    """The same name means another service for each environment; a client without the label finds nothing."""
    made = store(
        service("prod", labels="{app: api, env: prod}"),
        service("dev", labels="{app: api, env: dev}", endpoints="[{address: 10.9.0.2}]"),
        discovery("{app}.svc", selector="{app: '${name.app}', env: '${client.env}'}"),
    )
    assert (told(made, env="prod"), told(made, env="dev")) == (["10.9.0.1"], ["10.9.0.2"])
    assert (told(made), told(made, env="test"), told(made, env="prod", name="web.svc")) == ([], [], [])


def test_clients_and_priority_choose_the_rule() -> None:
    """Of several rules for one name the first that is for the client: small priority, then object name."""
    made = store(
        service("gold", labels="{tier: gold}"),
        service("rest", labels="{tier: rest}", endpoints="[{address: 10.9.0.2}]"),
        discovery("api.svc", owner="b", selector="{tier: rest}"),
        discovery("api.svc", owner="c", selector="{tier: missing}"),
        discovery("api.svc", owner="z", selector="{tier: gold}", more="clients: {matchLabels: {tier: gold}}\n  priority: 10"),
    )
    assert (told(made, tier="gold"), told(made)) == (["10.9.0.1"], ["10.9.0.2"])


def test_the_clients_zone_goes_first() -> None:
    """Only the endpoints of its zone are told as long as one there is up; without a zone all are alike."""
    made = store(service(endpoints=ZONES), discovery("api.svc"))
    assert (told(made, zone="eu"), sorted(told(made, zone="us")), len(told(made)), len(told(made, zone="asia"))) == (
        ["10.9.0.1"], ["10.9.0.2", "10.9.0.3"], 3, 3,
    )  # fmt: skip
    made = store(service(endpoints=ZONES), discovery("api.svc"), signals=down(1))
    assert sorted(told(made, zone="eu")) == ["10.9.0.2", "10.9.0.3"]


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ((), "123"),
        (down(1), "23"),
        (down(1, 2, 3), "123"),
        (down(1, value="degraded"), "23"),
        (down(1, 2, value="degraded") + down(3), "12"),
        (down(1, value="up"), "123"),
        (slow(e1="5"), "1"),
        (slow(e1="300"), "23"),
        (slow(e1="5", e2="6.5"), "12"),
        (slow(e1="5", e2="6") + down(1, 2), "3"),
        (slow(e1="5") + down(1, value="degraded"), "23"),
    ],
)
def test_signals_choose(signals: tuple[ContextSignal, ...], expected: str) -> None:
    """Down is left out as long as another is up, degraded comes after up, then the lowest latency class."""
    made = store(service(endpoints=ZONES), discovery("api.svc"), signals=signals)
    assert sorted(address[-1] for address in told(made)) == list(expected)


def test_a_choice_holds_until_the_first_signal_it_used_expires() -> None:
    """Signals about others do not bound it."""
    made = store(service(endpoints=ZONES), discovery("api.svc"), signals=down(1, life=30) + down(9, life=5))
    found = selection(asker(made))
    assert found is not None
    assert found.valid_until == NOW + 30


def test_failover() -> None:
    """The next selector is tried where the one before leaves nothing that is up; if none does, the first is told."""
    texts = (
        service("main", labels="{app: api, site: main}"),
        service("spare", labels="{app: api, site: spare}", endpoints="[{address: 10.9.0.2}]"),
        discovery("api.svc", selector="{site: main}", more="failover: [{site: nowhere}, {site: spare}]"),
    )
    assert [told(store(*texts, signals=signals)) for signals in ((), down(1), down(2), down(1, 2))] == [
        ["10.9.0.1"], ["10.9.0.2"], ["10.9.0.1"], ["10.9.0.1"],
    ]  # fmt: skip
    assert told(store(*texts[1:])) == ["10.9.0.2"]


def test_order_permutes_and_max_endpoints_cuts() -> None:
    """With latency first the nearest in time goes before the own zone; more than the best class are told on demand."""
    rule = discovery("api.svc", more="order: [latency, zone]\n  maxEndpoints: 2")
    made = store(service(endpoints=ZONES), rule, signals=slow(e3="5"))
    assert told(made, zone="eu") == ["10.9.0.3", "10.9.0.1"]


def test_weight_nought_is_for_when_nothing_else_is_left() -> None:
    """A drained endpoint is told only when the others are down."""
    endpoints = "[{address: 10.9.0.1, weight: 0, zone: eu}, {address: 10.9.0.2}]"
    texts = (service(endpoints=endpoints), discovery("api.svc"))
    assert (told(store(*texts), zone="eu"), told(store(*texts, signals=down(2)))) == (["10.9.0.2"], ["10.9.0.1"])


def test_first_places_follow_weights_and_stick() -> None:
    """Three of four clients find the endpoint of weight 3 first; a client keeps its order, also when another joins."""
    two = "[{address: 10.9.0.1, weight: 3}, {address: 10.9.0.2, weight: 1}]"
    three = "[{address: 10.9.0.1, weight: 3}, {address: 10.9.0.2, weight: 1}, {address: 10.9.0.3, weight: 4}]"
    before, after = (store(service(endpoints=endpoints), discovery("api.svc")) for endpoints in (two, three))
    clients = [f"10.0.1.{number}" for number in range(1, 251)]
    firsts = {client: told(before, client)[0] for client in clients}
    assert 165 < sum(first == "10.9.0.1" for first in firsts.values()) < 210
    moved = {client for client in clients if (now := told(after, client)[0]) != firsts[client] and now != "10.9.0.3"}
    assert moved == set()


@pytest.mark.parametrize(("needed", "expected"), [(0, 0), (3.9, 0), (4, 1), (7.9, 1), (8, 2), (100, 5), (127, 5), (128, 6)])
def test_latency_classes(needed: float, expected: int) -> None:
    """One more with each doubling from 4 ms on."""
    assert latency_class(needed) == expected


@given(
    endpoints=st.lists(st.tuples(st.sampled_from(["", "eu", "us"]), st.integers(0, 3)), min_size=1, max_size=6),
    health=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["up", "down", "degraded"])), max_size=6),
    latency=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 500)), max_size=6),
    zone=st.sampled_from(["", "eu", "us"]),
    limit=st.integers(0, 4),
    order=st.permutations(["zone", "health", "latency", "weight"]),
)
def test_laws_of_choice(
    *,
    endpoints: list[tuple[str, int]],
    health: list[tuple[int, str]],
    latency: list[tuple[int, int]],
    zone: str,
    limit: int,
    order: list[str],
) -> None:
    """Always somebody; nobody down beside somebody up; never more than asked for; in order; the same in every resolver."""
    listed = ", ".join(f"{{address: 10.9.0.{place}, zone: '{where}', weight: {weight}}}" for place, (where, weight) in enumerate(endpoints, 1))
    signals = tuple(signal("health", f"10.9.0.{place}:443", value) for place, value in health)
    signals += tuple(signal("latency", f"10.9.0.{place}:443", str(value)) for place, value in latency)
    texts = [service(endpoints=f"[{listed}]"), discovery("api.svc", more=f"order: {order}\n  maxEndpoints: {limit}")]
    labels = {"zone": zone} if zone else {}
    found = selection(asker(store(*texts, signals=signals), **labels))
    again = selection(asker(store(*texts[::-1], signals=signals), **labels))
    assert found
    assert again
    shown = found.told()
    assert [one.endpoint for one in shown] == [one.endpoint for one in again.told()]
    assert shown
    assert not limit or len(shown) <= limit
    states = dict(health)
    some_up = any(states.get(place, "up") != "down" for place in range(1, len(endpoints) + 1))
    assert not (some_up and any(one.down for one in shown))
    places = [one.place(tuple(order)) for one in shown]
    assert all(one <= other for one, other in pairwise(places))
