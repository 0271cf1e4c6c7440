"""Which sources a packet filter keeps away, and how much of each is read: those far over their limit, nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.floods import ALL, Floods, Rule, _Source
from resolver.limits import Meter, Room
from resolver.tenants import PLAIN, Compiled
from schemas.tenant_spec import Limits
from tests.resolver.policy.written import compiled

_TENANTS = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec: {{default: allow, clients: [{{subnets: [10.0.0.0/8, 10.7.0.0/16, "2001:db8::/32"]}}], limits: {limits}}}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: globex}}
spec: {{default: allow, clients: [{{subnets: [10.1.0.0/16, "2001:db8:1::/48"]}}]}}
"""
LIMITS = Limits(queries_per_second=2000, client_queries_per_second=1000)
WRITTEN = "{queriesPerSecond: 2000, clientQueriesPerSecond: 1000}"


class Watch:
    """Floods of one socket, with turns of a tenth of a second."""

    def __init__(self, limits: Limits = LIMITS, written: str = WRITTEN) -> None:
        self.meter, self.compiled, self.woken = Meter(limits, Room(100)), policy(written), 0
        self.floods = Floods(PLAIN, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def over(self, address: str, a_second: float, limit: str = "client") -> int:
        """A tenth of a second of so many queries over a limit; for how many the last of them stood."""
        return [self.floods.note(self.meter, limit, address) for _ in range(round(a_second / 10))][-1]

    def turn(self) -> list[Rule]:
        """The rules at the end of that time."""
        return self.floods.turn(self.compiled, 0.1)


def policy(limits: str = WRITTEN, epoch: int = 1) -> Compiled:
    """Two tenants, one inside the network of the other."""
    return replace(compiled(_TENANTS.format(limits=limits)), epoch=epoch)


def number(a: int, b: int, c: int, d: int) -> int:
    """An IPv4 address."""
    return a << 24 | b << 16 | c << 8 | d


def test_a_client_far_over_its_limit_is_read_as_often_as_that_and_a_margin() -> None:
    """51,000 queries a second, of which 1,000 are granted: 1,500 of them are read; each stands for the others."""
    watch = Watch()
    assert watch.over("10.0.0.1", 50_000) == 1
    (rule,) = watch.turn()
    assert rule[:3] == (4, 0, number(10, 0, 0, 1))
    assert rule.share / ALL == pytest.approx(1500 / 51_000, rel=0.01)
    assert watch.over("10.0.0.1", 500) == 51_000 / 1500
    assert watch.turn() == [rule]


@pytest.mark.parametrize(("limit", "over"), [(1000, 900), (10_000, 9000), (50, 900)])
def test_a_little_over_the_limit_is_no_flood(limit: int, over: int) -> None:
    """What is over is read and counted one by one, unless it is a thousand a second and as much as is granted."""
    watch = Watch(Limits(client_queries_per_second=limit))
    watch.over("10.0.0.1", over)
    assert watch.turn() == []


def test_it_calms_down() -> None:
    """Nothing over the limit: it is read more and more, wholly after three turns; then nothing is remembered."""
    watch = Watch()
    watch.over("10.0.0.1", 50_000)
    shares = [watch.turn(), watch.turn(), watch.turn(), watch.turn()]
    assert [len(rules) for rules in shares] == [1, 1, 0, 0]
    assert watch.floods.quiet
    assert watch.woken == 1
    watch.over("10.0.0.1", 10)
    assert watch.woken == 2


def test_many_clients_the_heaviest_are_filtered() -> None:
    """No more rules than a program should have; those left out are read and each counts for itself."""
    watch = Watch()
    for host in range(100):
        watch.over(f"10.0.0.{host}", 20_000 + 100 * host)
    rules = watch.turn()
    assert {rule.prefix & 255 for rule in rules} == set(range(36, 100))
    assert watch.over("10.0.0.3", 10) == 1


def test_a_tenant_flooded_from_many_addresses_is_filtered_by_its_subnets() -> None:
    """Those that the addresses are in; what others claim inside them is spared."""
    watch = Watch()
    for host in range(500):
        watch.over(f"10.9.{host % 7}.{host % 250}", 100, "tenant")
        watch.over(f"2001:db8:9::{host:x}", 100, "tenant")
    rules = watch.turn()
    share = rules[-1].share
    assert share / ALL == pytest.approx(2500 / 102_000, rel=0.01)
    spared = [Rule(4, 16, number(10, 1, 0, 0) >> 16, ALL), Rule(6, 80, 0x2001_0DB8_0001, ALL)]
    assert rules == [spared[0], Rule(4, 24, 10, share), spared[1], Rule(6, 96, 0x2001_0DB8, share)]


def test_addresses_nobody_claims_are_filtered_around_those_that_are() -> None:
    """Unknown clients may be limited too, and forged most easily."""
    watch = Watch()
    for host in range(50):
        watch.over(f"198.51.100.{host}", 1000, "tenant")
    *spared, rule = watch.turn()
    assert {(of.version, of.shift, of.share) for of in spared} == {(4, 16, ALL), (4, 24, ALL)}
    assert (rule.version, rule.shift, rule.prefix) == (4, 32, 0)


def test_a_client_and_its_tenant_at_once() -> None:
    """The client's own rule comes before that of its network."""
    watch = Watch()
    watch.over("10.0.0.1", 50_000)
    watch.over("10.9.0.1", 20_000, "tenant")
    assert [(rule.shift, rule.share < ALL) for rule in watch.turn()] == [(0, True), (16, False), (24, True)]


def test_tenants_claimed_by_more_than_subnets_are_not_filtered_by_them() -> None:
    """A packet does not show whose it is then; single clients are filtered all the same."""
    watch = Watch()
    named = "\n---\napiVersion: nameward.io/v1\nkind: Tenant\nmetadata: {name: lab}\nspec: {default: allow, clients: [{listeners: [lab]}]}"
    watch.compiled = compiled(_TENANTS.format(limits=WRITTEN) + named)
    watch.over("10.9.0.1", 50_000, "tenant")
    watch.over("10.9.0.2", 50_000)
    assert [rule.shift for rule in watch.turn()] == [0]


@pytest.mark.parametrize(("written", "left"), [(WRITTEN, 1), ("{clientQueriesPerSecond: 90000}", 0), ("{}", 0)])
def test_a_change_of_policy(written: str, left: int) -> None:
    """Rules stay as long as the limits do; with other limits, or none, all is read at once."""
    watch = Watch()
    watch.over("10.0.0.1", 50_000)
    assert len(watch.turn()) == 1
    watch.over("10.0.0.1", 500)
    watch.compiled = policy(written, epoch=2)
    assert len(watch.turn()) == left


def test_as_many_sources_are_watched_as_have_room() -> None:
    """Whatever addresses are made up."""
    watch = Watch()
    for host in range(6000):
        assert watch.floods.note(watch.meter, "client", f"10.0.{host >> 8}.{host & 255}") == 1
    assert len(watch.floods._sources) == 4096


@given(st.lists(st.integers(0, 200_000), max_size=10), st.integers(0, 200_000), st.integers(1, 20_000))
def test_what_is_granted_is_read(before: list[int], rate: int, limit: int) -> None:
    """Whatever was sent before: at a steady rate what the limit grants comes to be read, and of a flood little more."""
    source = _Source(Meter(LIMITS, Room(100)), limit)
    for sent in [*before, *[rate] * 12]:
        source.over = max(0, round((sent * source.share / ALL - limit) / 10))
        source.turn(0.1)
    read = rate * source.share / ALL
    assert read >= min(rate, limit)
    if rate > 2 * limit + 1000:
        assert read <= 1.4 * (limit + 500) + 20
