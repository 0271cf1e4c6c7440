"""What is allowed in policy and yet hardly meant: rules never reached, objects nobody can come to, times that are over.

Warnings, and notes where something is only worth knowing. What is plainly wrong is verify's in the resolver. Pure:
objects and `now` in, doubts out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from compose.policy_shadows import says_only, shadowed
from resolver.subnets import Network
from schemas.objects import DiscoveryRule, DNSPolicy, DomainSet, EgressRule, PolicyObject, Service, Tenant

_T = TypeVar("_T")


class Doubt(msgspec.Struct, frozen=True):
    """One thing to look at: the object by its key, the key path in it, and what is doubtful."""

    level: Literal["warning", "note"]
    key: str
    path: str
    message: str

    def __str__(self) -> str:
        kind, _, name = self.key.split("/", 2)
        return f"{kind}/{name} {self.path}: {self.message}"


def doubts(objects: Mapping[str, PolicyObject], now: datetime) -> Iterator[Doubt]:
    """Everything doubtful about these objects, which verify has found right.

    Args:
        objects: by key, all there are.
        now: what has expired by then is over.
    """
    for later, earlier in shadowed(objects):
        why = f"never reached: {earlier.name} ({earlier.rule.action}) takes everything it could match before it"
        yield Doubt("warning", later.key, later.path, why)
    for look in _LOOKS:
        yield from look(objects, now)


def _expired(objects: Mapping[str, PolicyObject], now: datetime) -> Iterator[Doubt]:
    for key, policy in _of(DNSPolicy, objects):
        for place, rule in enumerate(policy.spec.rules):
            if rule.expires and rule.expires.tzinfo and rule.expires <= now:
                over = f"expired at {rule.expires:%Y-%m-%d %H:%M %Z}: the rule does nothing any more"
                yield Doubt("warning", key, f"spec.rules[{place}].expires", over)


def _empty_tenants(objects: Mapping[str, PolicyObject], _: datetime) -> Iterator[Doubt]:
    for key, tenant in _of(Tenant, objects):
        if not tenant.spec.clients and not tenant.spec.unknown:
            yield Doubt("warning", key, "spec.clients", "no client belongs to this tenant, expected at least one entry")
            continue
        claimed = [subnet for match in tenant.spec.clients for subnet in match.subnets]
        if tenant.spec.unknown or not all(match.subnets for match in tenant.spec.clients):
            continue  # clients may come from anywhere
        for place, workload in enumerate(tenant.spec.workloads):
            for at, subnet in enumerate(workload.subnets):
                if not any(_overlap(subnet, other) for other in claimed):
                    path = f"spec.workloads[{place}].subnets[{at}]"
                    why = f"no client of the tenant can be in {subnet}: spec.clients has none of it"
                    yield Doubt("warning", key, path, why)


def _nested_tenants(objects: Mapping[str, PolicyObject], _: datetime) -> Iterator[Doubt]:
    """Networks of one tenant inside those of another: allowed, the longer one wins."""
    owners: dict[Network, tuple[str, str]] = {}
    claims: list[tuple[Network, str, str, str]] = []
    for key, tenant in _of(Tenant, objects):
        for place, match in enumerate(tenant.spec.clients):
            for at, subnet in enumerate(match.subnets if says_only(match, {"subnets"}) else ()):
                network = _network(subnet)
                if network is not None:
                    claims.append((network, key, tenant.metadata.name, f"spec.clients[{place}].subnets[{at}]"))
                    owners.setdefault(network, (tenant.metadata.name, subnet))
    for network, key, name, path in claims:
        around = next((owners[outer] for outer in _around(network) if outer in owners), None)
        if around is not None and around[0] != name:
            why = f"{network} lies in {around[1]} of tenant {around[0]!r}: its clients belong here"
            why += ", the longer subnet wins"
            yield Doubt("note", key, path, why)


def _around(network: Network) -> Iterator[Network]:
    while network.prefixlen:
        network = network.supernet()
        yield network


def _unreachable_services(objects: Mapping[str, PolicyObject], _: datetime) -> Iterator[Doubt]:
    rules = [rule.spec for _, rule in _of(DiscoveryRule, objects)]
    for key, service in _of(Service, objects):
        spec = service.spec
        reach = {spec.tenant, *spec.exports}
        for rule in rules:
            who = not rule.tenants or "*" in reach or not reach.isdisjoint(rule.tenants)
            if who and any(_may_select(selector, spec.labels) for selector in [rule.selector, *rule.failover]):
                break
        else:
            why = "no DiscoveryRule of a tenant that may discover this service selects it"
            yield Doubt("warning", key, "spec", why)


def _may_select(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether the selector may fit the labels for some client: what comes from the client may be anything."""
    for key, value in selector.items():
        if "${" in value:
            continue
        if value.startswith("!"):
            if (key in labels) if value == "!" else labels.get(key) == value[1:]:
                return False
        elif labels.get(key) != value:
            return False
    return True


def _unused_sets(objects: Mapping[str, PolicyObject], _now: datetime) -> Iterator[Doubt]:
    used: set[str] = set()
    for _key, policy in _of(DNSPolicy, objects):
        for rule in policy.spec.rules:
            used.update(rule.match.domain_sets, rule.match.not_domain_sets)
    for _key, egress in _of(EgressRule, objects):
        used.update(egress.spec.domain_sets)
    for key, found in _of(DomainSet, objects):
        if found.metadata.name not in used:
            yield Doubt("warning", key, "metadata.name", "no rule names this set")


_LOOKS: tuple[Callable[[Mapping[str, PolicyObject], datetime], Iterable[Doubt]], ...] = (
    _expired,
    _empty_tenants,
    _nested_tenants,
    _unreachable_services,
    _unused_sets,
)


def _of(kind: type[_T], objects: Mapping[str, PolicyObject]) -> Iterator[tuple[str, _T]]:
    for key, obj in objects.items():
        if isinstance(obj, kind):
            yield key, obj


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:  # verify says so
        return None


def _overlap(one: str, other: str) -> bool:
    first, second = _network(one), _network(other)
    return first is None or second is None or (first.version == second.version and first.overlaps(second))
