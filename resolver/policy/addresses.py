"""Addresses of virtual names' own: who has which, the same in every resolver without a word between them.

An address follows from the object's name alone. Where two would get the same one the older object keeps it and the
younger goes on to its next; what is fixed is never given to another. So an object that comes later moves nobody, unless
it fixes an address that was allocated. Off the query path. This module must not know tenants or how answers are built.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import gcd
from typing import NamedTuple

from resolver.policy.reading import Report
from resolver.policy.steps import Steps, finish, slices
from resolver.subnets import Network
from schemas.objects import VirtualAddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_SHORTEST, _LONGEST = {4: 8, 6: 32}, {4: 30, 6: 126}
_FAMILY = {4: "ipv4", 6: "ipv6"}
_IPV4, _IPV6 = ipaddress.IPv4Network("240.240.0.0/16"), ipaddress.IPv6Network("fd6e:616d:6577::/48")


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where addresses are allocated; the first and last address of a range never are."""

    ipv4: ipaddress.IPv4Network = _IPV4
    ipv6: ipaddress.IPv6Network = _IPV6


DEFAULT_RANGES = Ranges()


def parse_ranges(ipv4: str, ipv6: str) -> Ranges:
    """Ranges as settings write them.

    Raises:
        ValueError: naming the key and what was expected.
    """
    four, six = _range(4, ipv4, _IPV4), _range(6, ipv6, _IPV6)
    assert isinstance(four, ipaddress.IPv4Network)  # noqa: S101 - _range has seen to it
    assert isinstance(six, ipaddress.IPv6Network)  # noqa: S101
    return Ranges(four, six)


def _range(version: int, text: str, example: Network) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        expected = f"{_FAMILY[version]}: expected a CIDR block such as {example}"
        raise ValueError(f"{expected}, got {text!r}: {error}") from error
    if network.version != version or not _SHORTEST[version] <= network.prefixlen <= _LONGEST[version]:
        raise ValueError(
            f"{_FAMILY[version]}: expected an IPv{version} block of /{_SHORTEST[version]} to /{_LONGEST[version]} such "
            f"as {example}, got {text!r}"
        )
    return network


class Claim(NamedTuple):
    """What one object asks for. created: Unix seconds, inf for an object that does not say."""

    owner: str
    created: float
    fixed: tuple[Address, ...]
    families: tuple[str, ...]


def check_address(address: VirtualAddress, report: Report) -> None:
    """What is wrong with an address on its own."""
    fixed: dict[str, int] = {}
    for place, text in enumerate(address.fixed):
        try:
            fixed.setdefault(_FAMILY[ipaddress.ip_address(text).version], place)
        except ValueError:
            report(f"spec.address.fixed[{place}]", f"expected an IPv4 or IPv6 address, got {text!r}")
    if not address.fixed and not address.families:
        report("spec.address", "expected fixed addresses, or families to allocate in")
    for place, family in enumerate(address.families):
        path = f"spec.address.families[{place}]"
        if family in fixed:
            report(path, f"fixed[{fixed[family]}] is of family {family} already, so none is allocated")
        elif family in address.families[:place]:
            report(path, f"{family} stands above already")


def allocate(claims: Iterable[Claim], ranges: Ranges) -> dict[str, tuple[Address | None, ...]]:
    """Addresses by owner: those fixed, then one for each family asked for; None where its range is used up."""
    return finish(allocating(claims, ranges))


def allocating(claims: Iterable[Claim], ranges: Ranges) -> Steps[dict[str, tuple[Address | None, ...]]]:
    """The same in slices."""
    ordered = sorted(claims, key=lambda claim: (claim.created, claim.owner))
    taken = {address for claim in ordered for address in claim.fixed}
    pools = {family: _Pool(family, getattr(ranges, family), taken) for family in _FAMILY.values()}
    given: dict[str, tuple[Address | None, ...]] = {}
    for part in slices(ordered):
        yield
        for of in part:
            given[of.owner] = (*of.fixed, *(pools[family].take(of.owner) for family in of.families))
    return given


class _Pool:
    """What is left of one range."""

    def __init__(self, family: str, network: Network, taken: Iterable[Address]) -> None:
        self._family, self._network = family, network
        self._size = network.num_addresses - 2
        first = int(network.network_address) + 1
        self._taken = {int(address) - first for address in taken if address in network}
        self._taken -= {-1, self._size}

    def take(self, owner: str) -> Address | None:
        """The first address on the owner's own way through the range that nobody before it has."""
        if len(self._taken) >= self._size:
            return None
        slot, step = _way(self._family, owner, self._size)
        while slot in self._taken:
            slot = (slot + step) % self._size
        self._taken.add(slot)
        return self._network[slot + 1]


@lru_cache(maxsize=65536)
def _way(family: str, owner: str, size: int) -> tuple[int, int]:
    """Where an owner begins in a range of this size, and by which steps it goes on: it comes by every address once."""
    digest = blake2b(f"{family} {owner}".encode(), digest_size=32).digest()
    slot, step = (int.from_bytes(half, "big") % size for half in (digest[:16], digest[16:]))
    while gcd(step, size) != 1:
        step += 1
    return slot, step
