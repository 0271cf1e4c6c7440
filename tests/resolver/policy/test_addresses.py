"""Virtual addresses: the same everywhere, older names first, fixed ones before all."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.addresses import DEFAULT_RANGES, Address, Claim, Ranges, allocate, check_address
from schemas.objects import VirtualAddress

SMALL = Ranges(IPv4Network("10.9.0.0/27"), IPv6Network("fd00::/123"))
owners = st.text("abcdefgh", min_size=1, max_size=3)
ages = st.floats(0, 100) | st.just(float("inf"))
families = st.sampled_from([("ipv4",), ("ipv6",), ("ipv4", "ipv6")])
fixed = st.lists(st.integers(0, 31).map(lambda number: SMALL.ipv4[number]), max_size=2, unique=True).map(tuple)
floating = st.builds(Claim, owners, ages, st.just(()), families)
anything = floating | st.builds(Claim, owners, ages, fixed, st.just(()))


def unique(claims: list[Claim]) -> list[Claim]:
    """One claim an owner."""
    return list({claim.owner: claim for claim in claims}.values())


@given(st.lists(anything, max_size=40).map(unique), floating)
def test_newcomers_move_nobody(claims: list[Claim], newcomer: Claim) -> None:
    """An object that comes later changes no older object's address, also when the range is full or addresses collide."""
    claims = [claim for claim in claims if claim.owner != newcomer.owner]
    newest = newcomer._replace(created=float("inf"), owner="z" + newcomer.owner)
    before = allocate(claims, SMALL)
    after = allocate([newest, *claims], SMALL)
    assert {owner: after[owner] for owner in before} == before


@given(st.lists(anything, max_size=40).map(unique), st.randoms(use_true_random=False))
def test_laws(claims: list[Claim], chance: object) -> None:
    """In whatever order objects are heard of the addresses are the same: their own, in the range, and none twice."""
    given_addresses = allocate(claims, SMALL)
    shuffled = list(claims)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert allocate(shuffled, SMALL) == given_addresses
    said = {address for claim in claims for address in claim.fixed}
    found: list[Address] = []
    for claim in claims:
        got = given_addresses[claim.owner]
        assert got[: len(claim.fixed)] == claim.fixed
        for family, address in zip(claim.families, got[len(claim.fixed) :], strict=True):
            network = getattr(SMALL, family)
            if address is not None:
                assert network[0] < address < network[-1]
                found.append(address)
            else:
                held = {one for one in found if one in network} | {one for one in said if one in network and network[0] < one < network[-1]}
                assert len(held) <= network.num_addresses - 2
    assert len(set(found)) == len(found)
    assert not said & set(found)


def test_every_address_is_used() -> None:
    """A range of 30 addresses serves 30 objects, and the 31st gets none."""
    claims = [Claim(f"n{number}", float(number), (), ("ipv4",)) for number in range(31)]
    got = [allocate(claims, SMALL)[claim.owner][0] for claim in claims]
    assert got[30] is None
    assert set(got[:30]) == {SMALL.ipv4[number] for number in range(1, 31)}


def test_the_older_keeps_it() -> None:
    """Of two names that would get the same address the older has it, by creation, then by name; a fixed one wins always."""
    tiny = Ranges(IPv4Network("10.9.0.0/30"))
    names = [f"n{number}" for number in range(20)]
    alone = {name: allocate([Claim(name, 0.0, (), ("ipv4",))], tiny)[name][0] for name in names}
    one, other = next((a, b) for a in names for b in names if a < b and alone[a] == alone[b])

    def pair(first: float, second: float, *more: Claim) -> list[Address | None]:
        got = allocate([Claim(one, first, (), ("ipv4",)), Claim(other, second, (), ("ipv4",)), *more], tiny)
        return [got[one][0], got[other][0]]

    wanted, spare = alone[one], next(address for address in tiny.ipv4.hosts() if address != alone[one])
    assert pair(1.0, 2.0) == [wanted, spare]
    assert pair(2.0, 1.0) == [spare, wanted]
    assert pair(1.0, 1.0) == [wanted, spare]
    assert pair(float("inf"), 5.0) == [spare, wanted]
    assert wanted is not None
    assert pair(1.0, 2.0, Claim("young", 9.0, (wanted,), ())) == [spare, None]


def test_known_addresses() -> None:
    """What a name gets must never change from one version of this program to the next."""
    got = allocate([Claim("portal", 0.0, (), ("ipv4", "ipv6"))], DEFAULT_RANGES)["portal"]
    assert got == (IPv4Address("240.240.153.68"), IPv6Address("fd6e:616d:6577:c41c:d482:f9d0:4891:9afc"))


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (VirtualAddress(), ("spec.address", "expected fixed addresses, or families to allocate in")),
        (VirtualAddress(fixed=["192.0.2.300"]), ("spec.address.fixed[0]", "expected an IPv4 or IPv6 address, got '192.0.2.300'")),
        (VirtualAddress(fixed=["::1"], families=["ipv6"]), ("spec.address.families[0]", "fixed[0] is of family ipv6 already, so none is allocated")),
        (VirtualAddress(families=["ipv4", "ipv4"]), ("spec.address.families[1]", "ipv4 stands above already")),
    ],
)
def test_mistakes(address: VirtualAddress, problem: tuple[str, str]) -> None:
    """What is wrong with an address is told with its key path."""
    problems: list[tuple[str, str]] = []
    check_address(address, lambda path, why: problems.append((path, why)))
    assert problems == [problem]
    assert ip_address("::1")
