"""Which tenant a client belongs to when more than its address counts: listener, TLS name, path, identities, labels.

One entry of a Tenant's `clients` becomes claims, each a set of conditions that all must hold; of the claims that hold
for a client the most specific one wins. Claims of subnets alone stay out of here: they are one lookup in tenants.py.
Used for a client's first query under an epoch, then remembered. This module must not know rules or messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

from resolver.policy.patterns import Pattern, PatternIndex, suffixes
from resolver.policy.reading import Report, parse_networks, parse_patterns
from resolver.subnets import Network, SubnetIndex
from resolver.tenants import Arrival
from schemas.objects import ClientMatch

_MOST = 10_000
_KEYS = "subnets, listeners, serverNames, paths, certificates or namespaces"


@dataclass(frozen=True, slots=True)
class Claim:
    """One value of each key given; empty or None is no condition. at: the key path that makes it."""

    namespaces: tuple[tuple[str, str], ...] = ()
    certificate: str = ""
    server_name: Pattern | None = None
    path: str = ""
    listener: str = ""
    network: Network | None = None
    at: str = field(compare=False, default="")

    def __str__(self) -> str:
        """As error messages name it."""
        parts = (
            f"namespace labels {', '.join(f'{key}={value}' for key, value in self.namespaces)}" * bool(self.namespaces),
            f"certificate {self.certificate}" * bool(self.certificate),
            f"server name {self.server_name.text}" if self.server_name else "",
            f"path {self.path}" * bool(self.path),
            f"listener {self.listener}" * bool(self.listener),
            str(self.network) if self.network else "",
        )
        return " with ".join(part for part in parts if part)

    @property
    def subnet_only(self) -> bool:
        """Whether it asks for nothing but an address."""
        return self == Claim(network=self.network)

    @property
    def force(self) -> tuple[int, ...]:
        """What makes one claim more specific than another, but for the length of the subnet's prefix.

        Labels of the namespace go before a certificate, that before TLS name and path, these before the listener.
        """
        name = self.server_name
        more = bool(self.certificate), _force(name) if name else 0, bool(self.path), bool(self.listener)
        return len(self.namespaces), *more


def _force(name: Pattern) -> int:
    """An exact name before globs before a whole domain, the longer suffix before the shorter."""
    return 3 * len(name.suffix) + (2 if name.globs else 3 if name.kind == "exact" else 1)


def compile_claims(match: ClientMatch, path: str, report: Report) -> list[Claim]:
    """Claims of one entry of `clients`; what is wrong is reported and left out."""
    if match == ClientMatch():
        report(path, f"expected {_KEYS}: an entry without any would claim every client")
        return []
    networks = parse_networks(match.subnets, f"{path}.subnets", report)
    names = parse_patterns(match.server_names, f"{path}.serverNames", report)
    if len(networks) < len(match.subnets) or len(names) < len(match.server_names):
        return []
    columns = (match.certificates, match.paths, match.listeners)
    count = prod(max(1, len(column)) for column in (*columns, names, networks))
    if count > _MOST:
        report(path, f"expected at most {_MOST} combinations of its keys, got {count}: write several entries")
        return []
    if networks and not any((*columns, names, match.namespaces)):
        return [Claim(network=network, at=f"{path}.subnets[{place}]") for place, network in enumerate(networks)]
    labels = tuple(sorted(match.namespaces.items()))
    return [
        Claim(labels, certificate, name, door, listener, network, path)
        for certificate, door, listener in product(*(of or [""] for of in columns[:3]))
        for name, network in product(names or (None,), networks or (None,))
    ]


class Owners:
    """Claims of all tenants as they are read, to find two of equal force that one client could meet."""

    def __init__(self) -> None:
        self._seen: dict[Claim, dict[tuple[str, ...], dict[tuple[tuple[str, str], ...], tuple[str, Claim]]]] = {}

    def other(self, claim: Claim, tenant: str) -> tuple[str, Claim] | None:
        """Another tenant that claims the same client with equal force, and how; None when there is none.

        Values of one key exclude each other, sets of labels only where they share a key: two sets of one size that
        contradict each other nowhere may both be those of one namespace.
        """
        by_keys = self._seen.setdefault(replace(claim, namespaces=()), {})
        keys = tuple(key for key, _ in claim.namespaces)
        held = by_keys.setdefault(keys, {}).setdefault(claim.namespaces, (tenant, claim))
        if held[0] != tenant:
            return held
        others = (of for names, of in by_keys.items() if len(names) == len(keys) and names != keys)
        return next(
            (owned for of in others for labels, owned in of.items()
             if owned[0] != tenant and _compatible(dict(labels), claim.namespaces)),
            None,
        )  # fmt: skip


def _compatible(labels: dict[str, str], others: tuple[tuple[str, str], ...]) -> bool:
    return all(labels.get(key, value) == value for key, value in others)


@dataclass(slots=True, eq=False)
class _Group:
    """Claims that differ in their subnet alone: (prefix length, tenant) by subnet, and without any."""

    claim: Claim
    subnets: SubnetIndex[tuple[int, str]]
    rest: tuple[int, str] | None

    def holds(self, arrival: Arrival, labels: dict[str, str]) -> bool:
        claim, name = self.claim, arrival.server_name
        return (
            all(labels.get(key) == value for key, value in claim.namespaces)
            and (not claim.certificate or claim.certificate in arrival.certificates)
            and (claim.server_name is None or (bool(name) and claim.server_name.matches(name)))
            and claim.path in {"", arrival.path}
            and claim.listener in {"", arrival.listener}
        )


def _conditions(claim: Claim) -> Iterator[Hashable]:
    """Each condition but the subnet's, so that no two kinds of them are equal."""
    yield from claim.namespaces
    if claim.certificate:
        yield (claim.certificate,)
    if claim.server_name is not None:
        yield claim.server_name
    if claim.path:
        yield "path", claim.path, ""
    if claim.listener:
        yield "listener", claim.listener, ""


class Claims:
    """The claims of all tenants that ask for more than an address.

    Args:
        entries: claims, each with the name of its tenant.
    """

    def __init__(self, entries: Iterable[tuple[Claim, str]]) -> None:
        members: dict[Claim, list[tuple[Claim, str]]] = {}
        for claim, tenant in entries:
            members.setdefault(replace(claim, network=None), []).append((claim, tenant))
        self._names: PatternIndex[_Group] = PatternIndex()
        self._keyed: dict[object, list[_Group]] = {}
        common = Counter(key for claim in members for key in _conditions(claim))
        for claim, parts in members.items():
            nets = ((part.network, (part.network.prefixlen, tenant)) for part, tenant in parts if part.network)
            rest = next(((-1, tenant) for part, tenant in parts if part.network is None), None)
            # Found by the condition that fewest share, so that a client is held against few claims.
            key = min(_conditions(claim), key=common.__getitem__)
            group = _Group(claim, SubnetIndex(nets), rest)
            if isinstance(key, Pattern):
                self._names.add(key, group)
            else:
                self._keyed.setdefault(key, []).append(group)

    def tenant_of(self, arrival: Arrival, version: int, number: int) -> str | None:
        """The tenant with the most specific claim on a client.

        Args:
            arrival: what is known of the client beside its address.
            version: 4 or 6.
            number: the address.

        Returns:
            Its name, empty when no claim holds; None when claims of two tenants hold with equal force (a certificate
            with several identities, names that two globs match), so that the client must be refused.
        """
        labels = dict(arrival.namespaces)
        best: tuple[tuple[int, ...], int] = ((), -1)
        tenants: set[str] = set()
        for group in self._near(arrival):
            found = (group.subnets.get(version, number) or group.rest) if group.holds(arrival, labels) else None
            if found is not None:
                force = group.claim.force, found[0]
                tenants = {found[1]} if force > best else tenants | {found[1]} if force == best else tenants
                best = max(best, force)
        return None if len(tenants) > 1 else next(iter(tenants), "")

    def _near(self, arrival: Arrival) -> Iterator[_Group]:
        told = Claim(arrival.namespaces, "", None, arrival.path, arrival.listener)
        for key in (*_conditions(told), *((name,) for name in arrival.certificates)):
            yield from self._keyed.get(key, ())
        if arrival.server_name:
            yield from self._names.walk(suffixes(arrival.server_name))
