"""Verified objects -> the views of tenants, taking over what did not change since the last time.

One tenant's overlay among ten thousand tenants costs one view; tenants with the same policies share one index.
Identity, not equality, says what changed: an object is replaced, never edited. Off the query path; must not know what
is wrong.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TypeVar

from resolver.policy.address_names import by_name
from resolver.policy.catalog import NOTHING, Catalog, Catalogs
from resolver.policy.claims import Claim, Claims
from resolver.policy.conflicts import Parts
from resolver.policy.discovery import DiscoveryEntry
from resolver.policy.domain_sets import DomainSetEntry
from resolver.policy.egress import EgressEntry
from resolver.policy.overlays import compile_overlay
from resolver.policy.rule_index import Indexes, RuleList, RuleLists, RuleSet, index_of, rule_set
from resolver.policy.services import ServiceEntry
from resolver.policy.signals import EVERYBODY, NO_SIGNALS, SignalBoard
from resolver.policy.steps import SLICE, Steps
from resolver.policy.tenancy import Tenancy
from resolver.subnets import SubnetIndex
from resolver.tenant_view import TenantView, VirtualEntry
from schemas.objects import DiscoveryRule, DNSPolicy, EgressRule, PolicyObject, Tenant, VirtualName
from schemas.signals import Overlay

T = TypeVar("T")
_order = attrgetter("order")


@dataclass(slots=True, eq=False)
class Sorted:
    """Objects sorted by the tenant they are for; those for all tenants under EVERYBODY."""

    rules: dict[str, RuleLists]
    virtual: dict[str, tuple[VirtualEntry, ...]]
    tenants: dict[str, tuple[Tenant, Tenancy]]
    subnets: SubnetIndex[str]
    claims: Claims | None
    unknown: str
    sets: dict[str, DomainSetEntry]
    discovery: dict[str, tuple[DiscoveryEntry, ...]]
    services: dict[str, tuple[ServiceEntry, ...]]
    egress: dict[str, tuple[EgressEntry, ...]]


def sort_objects(objects: Mapping[str, tuple[PolicyObject, Parts]]) -> Steps[Sorted]:
    """Sort verified objects; references to unknown tenants lead nowhere and cost nothing."""
    rules: dict[str, list[RuleList]] = {}
    virtual: dict[str, list[VirtualEntry]] = {}
    tenants: dict[str, tuple[Tenant, Tenancy]] = {}
    sets: dict[str, DomainSetEntry] = {}
    discovery: dict[str, list[DiscoveryEntry]] = {}
    services: dict[str, list[ServiceEntry]] = {}
    egress: dict[str, list[EgressEntry]] = {}
    for place, (obj, parts) in enumerate(objects.values()):
        if not place % SLICE:
            yield
        if isinstance(obj, Tenant) and isinstance(parts, Tenancy):
            tenants[obj.metadata.name] = (obj, parts)
        elif isinstance(obj, DNSPolicy) and isinstance(parts, tuple):
            _file(rules, obj.spec.tenants, parts)
        elif isinstance(obj, VirtualName) and isinstance(parts, VirtualEntry):
            _file(virtual, obj.spec.tenants, parts)
        elif isinstance(obj, DiscoveryRule) and isinstance(parts, DiscoveryEntry):
            _file(discovery, obj.spec.tenants, parts)
        elif isinstance(obj, EgressRule) and isinstance(parts, EgressEntry):
            _file(egress, obj.spec.tenants, parts)
        elif isinstance(parts, ServiceEntry):
            services.setdefault(parts.tenant, []).append(parts)
        elif isinstance(parts, DomainSetEntry):
            sets[parts.name] = parts
    subnets, more = yield from _claims(tenants)
    return Sorted(
        {name: tuple(lists) for name, lists in rules.items()},
        {name: tuple(entries) for name, entries in virtual.items()},
        tenants,
        subnets,
        Claims(more) if more else None,
        next((name for name, (tenant, _) in tenants.items() if tenant.spec.unknown), ""),
        sets,
        {name: tuple(entries) for name, entries in discovery.items()},
        {name: tuple(entries) for name, entries in services.items() if name in tenants},
        {name: tuple(entries) for name, entries in egress.items()},
    )


def _file(table: dict[str, list[T]], tenants: Iterable[str], parts: T) -> None:
    """Put parts of an object under each tenant it is for, or under all."""
    for name in dict.fromkeys(tenants or (EVERYBODY,)):
        table.setdefault(name, []).append(parts)


def _claims(
    tenants: Mapping[str, tuple[Tenant, Tenancy]],
) -> Steps[tuple[SubnetIndex[str], list[tuple[Claim, str]]]]:
    """Who claims which subnet, and the claims that ask for more than an address."""
    subnets: SubnetIndex[str] = SubnetIndex()
    more: list[tuple[Claim, str]] = []
    for place, (name, (_, tenancy)) in enumerate(tenants.items()):
        if not place % SLICE:
            yield
        for claim in tenancy.claims:
            if not claim.subnet_only:
                more.append((claim, name))
            elif claim.network is not None:
                subnets.add(claim.network, name)
    return subnets, more


@dataclass(slots=True, eq=False)
class Views:
    """Views of the last build, each with what it was made from."""

    indexes: Indexes = field(default_factory=Indexes)
    shared: tuple[tuple[VirtualEntry, ...], dict[str, VirtualEntry]] = ((), {})
    catalogs: Catalogs = field(default_factory=Catalogs)
    made: dict[str, tuple[tuple[object, ...], TenantView]] = field(default_factory=dict)

    def build(
        self, objects: Sorted, overlays: Mapping[str, Overlay], signals: Mapping[str, SignalBoard]
    ) -> Steps[dict[str, TenantView]]:
        """A view for each tenant; an overlay of an unknown tenant is inert."""
        self.indexes.start()
        shared_names = self._shared(objects.virtual.get(EVERYBODY, ()))
        shared_rules = objects.rules.get(EVERYBODY, ())
        catalogs = yield from self.catalogs.build(
            (tenant for tenant, _ in objects.tenants.values()), objects.discovery, objects.services
        )
        made = {}
        for place, (name, (tenant, tenancy)) in enumerate(objects.tenants.items()):
            if not place % SLICE:
                yield
            own_rules, own_names = objects.rules.get(name, ()), objects.virtual.get(name, ())
            overlay, board = overlays.get(name), signals.get(name) or signals.get(EVERYBODY, NO_SIGNALS)
            catalog = catalogs.get(name, NOTHING)
            indexes = ((yield from self.indexes.of(shared_rules)), (yield from self.indexes.of(own_rules)))
            openings = (*objects.egress.get(EVERYBODY, ()), *objects.egress.get(name, ()))
            recipe = (tenancy, overlay, board, catalog, *indexes, shared_names, *own_names, None, *openings)
            known = self.made.get(name)
            if known is None or not _same(known[0], recipe):
                entries = compile_overlay(overlay, tenant.spec.feedback) if overlay else ()
                rules = rule_set((shared_rules, own_rules, (entries,)), (*indexes, (yield from index_of((entries,)))))
                view = _view(tenant, tenancy, rules, _names(own_names, shared_names), board, catalog)
                known = (recipe, replace(view, egress=tuple(sorted(openings, key=_order))) if openings else view)
            made[name] = known
        self.made = made
        return {name: view for name, (_, view) in made.items()}

    def _shared(self, entries: tuple[VirtualEntry, ...]) -> dict[str, VirtualEntry]:
        """Names said for all tenants; the same mapping as long as they are the same."""
        if not _same(self.shared[0], entries):
            self.shared = entries, by_name(entries)
        return self.shared[1]


def _same(left: tuple[object, ...], right: tuple[object, ...]) -> bool:
    return len(left) == len(right) and all(one is other for one, other in zip(left, right, strict=True))


def _names(own: tuple[VirtualEntry, ...], shared: dict[str, VirtualEntry]) -> Mapping[str, VirtualEntry]:
    """What is said for this tenant goes before what is said for all."""
    mine = by_name(own)
    if not mine or not shared:
        return mine or shared
    return ChainMap(mine, shared)


def _view(  # noqa: PLR0917 - the parts of a view, in its order
    tenant: Tenant,
    tenancy: Tenancy,
    rules: RuleSet,
    virtual: Mapping[str, VirtualEntry],
    signals: SignalBoard,
    discovery: Catalog,
) -> TenantView:
    spec, limits = tenant.spec, tenant.spec.limits
    return TenantView(
        name=tenant.metadata.name,
        default=spec.default,
        mode=spec.mode,
        privacy=spec.privacy.client,
        upstreams=tenancy.upstreams,
        virtual=virtual,
        rules=rules,
        exempt=tenancy.exempt,
        workloads=tenancy.workloads,
        groups=tenancy.groups,
        suffixes=tenancy.suffixes,
        rest=tenancy.rest,
        signals=signals,
        caching=spec.caching,
        search=tenancy.search,
        guard=tenancy.guard,
        limits=limits if limits.queries_per_second or limits.client_queries_per_second else None,
        in_flight=limits.in_flight,
        discovery=discovery,
    )
