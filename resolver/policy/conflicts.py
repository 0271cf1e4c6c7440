"""What can be wrong between objects: the same client, name or role claimed twice, references that lead nowhere.

Of two that claim the same, the later in the order given is wrong. A dangling reference is reported, but does not take
the object out of force: a policy for two tenants must not fall because one of them was deleted. Pure, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from resolver.policy.address_names import used_up
from resolver.policy.addresses import Ranges
from resolver.policy.claims import Owners
from resolver.policy.discovery import DiscoveryEntry
from resolver.policy.domain_sets import DomainSetEntry
from resolver.policy.egress import EgressEntry
from resolver.policy.rules import CompiledRule
from resolver.policy.services import ServiceEntry
from resolver.policy.steps import SLICE
from resolver.policy.tenancy import Tenancy
from resolver.tenant_view import VirtualEntry
from schemas.objects import DiscoveryRule, DNSPolicy, EgressRule, PolicyObject, Service, Tenant, VirtualName

Parts = Tenancy | VirtualEntry | tuple[CompiledRule, ...] | ServiceEntry | DiscoveryEntry | DomainSetEntry | EgressEntry


class Problem(NamedTuple):
    """What is wrong with an object. dangling: the rest of the object stays in force."""

    key: str
    path: str
    message: str
    dangling: bool = False

    def __str__(self) -> str:
        kind, _, name = self.key.split("/", 2)
        return f"{kind}/{name} {self.path}: {self.message}"


def find_conflicts(objects: Mapping[str, tuple[PolicyObject, Parts]], ranges: Ranges) -> Iterator[Problem | None]:
    """Every conflict between objects that are each right on their own, and None between slices of the work.

    ranges: of virtual addresses.
    """
    tenants = {obj.metadata.name: parts for obj, parts in objects.values() if isinstance(parts, Tenancy)}
    yield None
    sets = {parts.name: parts for _, parts in objects.values() if isinstance(parts, DomainSetEntry)}
    yield None
    yield from _claims(objects)
    yield None
    for place, (key, (obj, _)) in enumerate(objects.items()):
        if not place % SLICE:
            yield None
        if isinstance(obj, DNSPolicy | VirtualName | DiscoveryRule | EgressRule):
            yield from _unknown_tenants(key, obj.spec.tenants, tenants)
        if isinstance(obj, Service):
            yield from _unknown_owners(key, obj, tenants)
        if isinstance(obj, Tenant):
            yield from _unknown_visible(key, obj, tenants)
        if isinstance(obj, DNSPolicy):
            yield from _unknown_routes(key, obj, tenants)
        if isinstance(obj, DNSPolicy | EgressRule):
            yield from _unknown_sets(key, obj, sets)
    yield None
    yield from _same_names(objects)
    yield None
    for problem in used_up({key: obj for key, (obj, _) in objects.items()}, ranges):
        yield problem and Problem(*problem)


def _claims(objects: Mapping[str, tuple[PolicyObject, Parts]]) -> Iterator[Problem | None]:
    owners = Owners()
    fallback = ""
    for place, (key, (obj, parts)) in enumerate(objects.items()):
        if not place % SLICE:
            yield None
        if not isinstance(obj, Tenant) or not isinstance(parts, Tenancy):
            continue
        for claim in parts.claims:
            held = owners.other(claim, obj.metadata.name)
            if held is not None and held[1] == claim:
                yield Problem(key, claim.at, f"{claim} is claimed by tenant {held[0]!r} with equal force")
            elif held is not None:
                message = f"{claim} may be a client that tenant {held[0]!r} claims with equal force by {held[1]}"
                yield Problem(key, claim.at, message)
        if obj.spec.unknown and fallback:
            yield Problem(key, "spec.unknown", f"tenant {fallback!r} takes the clients nobody claims already")
        elif obj.spec.unknown:
            fallback = obj.metadata.name


def _unknown_tenants(key: str, names: Iterable[str], tenants: Mapping[str, Tenancy]) -> Iterator[Problem]:
    for place, name in enumerate(names):
        if name not in tenants:
            yield Problem(key, f"spec.tenants[{place}]", f"there is no tenant {name!r}", dangling=True)


def _unknown_sets(
    key: str, obj: DNSPolicy | EgressRule, sets: Mapping[str, DomainSetEntry]
) -> Iterator[Problem]:
    zoned: set[str] = set()
    if isinstance(obj, EgressRule):
        named = [("spec.domainSets", obj.spec.domain_sets)]
    else:
        matches = [(f"spec.rules[{place}].match", rule.match) for place, rule in enumerate(obj.spec.rules)]
        named = [(f"{at}.domainSets", match.domain_sets) for at, match in matches if match.domain_sets]
        rules = enumerate(obj.spec.rules)
        zoned = {f"spec.rules[{place}].match.domainSets" for place, rule in rules if rule.action == "rpz"}
        named += [(f"{at}.notDomainSets", match.not_domain_sets) for at, match in matches if match.not_domain_sets]
    for path, names in named:
        for place, name in enumerate(names):
            if name not in sets:
                yield Problem(key, f"{path}[{place}]", f"there is no DomainSet {name!r}", dangling=True)
            elif path in zoned and not sets[name].is_zone:
                message = f"DomainSet {name!r} is no response policy zone, action rpz passes it over"
                yield Problem(key, f"{path}[{place}]", message, dangling=True)


def _unknown_owners(key: str, service: Service, tenants: Mapping[str, Tenancy]) -> Iterator[Problem]:
    if service.spec.tenant not in tenants:
        yield Problem(key, "spec.tenant", f"there is no tenant {service.spec.tenant!r}", dangling=True)
    for place, name in enumerate(service.spec.exports):
        if name != "*" and name not in tenants:
            yield Problem(key, f"spec.exports[{place}]", f"there is no tenant {name!r}", dangling=True)


def _unknown_visible(key: str, tenant: Tenant, tenants: Mapping[str, Tenancy]) -> Iterator[Problem]:
    for place, glob in enumerate(tenant.spec.visible):
        owner = glob.partition("/")[0]
        if owner != "*" and owner not in tenants:
            yield Problem(key, f"spec.visible[{place}]", f"there is no tenant {owner!r}", dangling=True)


def _unknown_routes(key: str, policy: DNSPolicy, tenants: Mapping[str, Tenancy]) -> Iterator[Problem]:
    for place, rule in enumerate(policy.spec.rules):
        if rule.action != "route" or not rule.route:
            continue
        path = f"spec.rules[{place}].route"
        lacking = [name for name in policy.spec.tenants if name in tenants and rule.route not in tenants[name].groups]
        if lacking:
            which = ", ".join(map(repr, lacking))
            yield Problem(key, path, f"no upstream group is named {rule.route!r} in tenant {which}", dangling=True)
        elif not policy.spec.tenants and not any(rule.route in tenancy.groups for tenancy in tenants.values()):
            yield Problem(key, path, f"no tenant has an upstream group named {rule.route!r}", dangling=True)


def _same_names(objects: Mapping[str, tuple[PolicyObject, Parts]]) -> Iterator[Problem]:
    owners: dict[tuple[str, str], str] = {}
    for key, (obj, parts) in objects.items():
        if not isinstance(obj, VirtualName) or not isinstance(parts, VirtualEntry):
            continue
        for tenant in obj.spec.tenants or ("",):
            owner = owners.setdefault((tenant, parts.name), obj.metadata.name)
            if owner != obj.metadata.name:
                whom = f"tenant {tenant!r}" if tenant else "all tenants"
                message = f"{parts.name} is given to {whom} by VirtualName {owner!r} already"
                yield Problem(key, "spec.name", message)
