"""A Tenant object in the form views are made of: claimed networks, workloads, upstream groups, exemptions.

Finds everything that can be wrong in a Tenant on its own, with its key path. Two tenants claiming the same network is
conflicts.py's. This module must not know rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resolver.policy.claims import Claim, compile_claims
from resolver.policy.patterns import PatternIndex
from resolver.policy.reading import Report, parse_network, parse_patterns
from resolver.policy.rebinding import Guard, compile_rebinding
from resolver.policy.search import SearchList, compile_search
from resolver.policy.upstreams import compile_groups
from resolver.subnets import Network, SubnetIndex
from resolver.tenant_view import UpstreamGroupView, WorkloadView
from schemas.objects import Tenant
from schemas.tenant_spec import Limits


@dataclass(frozen=True, slots=True, eq=False)
class Tenancy:
    """The parts of one tenant."""

    claims: tuple[Claim, ...]
    workloads: SubnetIndex[WorkloadView]
    upstreams: tuple[UpstreamGroupView, ...]
    groups: dict[str, UpstreamGroupView]
    suffixes: PatternIndex[UpstreamGroupView]
    rest: UpstreamGroupView | None
    exempt: PatternIndex[bool]
    search: SearchList
    guard: Guard | None


def compile_tenancy(tenant: Tenant, report: Report) -> Tenancy:
    """Parts of a tenant; what is wrong is reported and left out."""
    spec = tenant.spec
    _check_limits(spec.limits, report)
    exempt = parse_patterns(spec.feedback.exempt, "spec.feedback.exempt", report)
    pairs = compile_groups(spec, report)
    groups = tuple(group for group, _ in pairs)
    return Tenancy(
        claims=tuple(_claims(tenant, report)),
        workloads=SubnetIndex(_workloads(tenant, report)),
        upstreams=groups,
        groups={group.name: group for group in reversed(groups) if group.name},
        suffixes=PatternIndex((pattern, group) for group, patterns in pairs for pattern in patterns),
        rest=next((group for group in groups if not group.suffixes), None),
        exempt=PatternIndex((pattern, True) for pattern in exempt),
        search=compile_search(spec, report),
        guard=compile_rebinding(spec.rebinding, "spec.rebinding", report),
    )


def _networks(texts: list[str], path: str, report: Report) -> list[tuple[Network, str]]:
    found = []
    for place, text in enumerate(texts):
        try:
            found.append((parse_network(text), f"{path}[{place}]"))
        except ValueError as error:
            report(f"{path}[{place}]", str(error))
    return found


def _check_limits(limits: Limits, report: Report) -> None:
    """A burst is above a rate; alone it would be a limit that never limits."""
    for burst, rate, key, wanted in (
        (limits.burst, limits.queries_per_second, "burst", "queriesPerSecond"),
        (limits.client_burst, limits.client_queries_per_second, "clientBurst", "clientQueriesPerSecond"),
    ):
        if burst and not rate:
            report(f"spec.limits.{key}", f"expected {wanted} beside it: a burst without a rate limits nothing")


def _claims(tenant: Tenant, report: Report) -> Iterator[Claim]:
    for place, match in enumerate(tenant.spec.clients):
        yield from compile_claims(match, f"spec.clients[{place}]", report)


def _workloads(tenant: Tenant, report: Report) -> list[tuple[Network, WorkloadView]]:
    entries: list[tuple[Network, WorkloadView]] = []
    names: dict[str, int] = {}
    owners: dict[Network, str] = {}
    for place, workload in enumerate(tenant.spec.workloads):
        path = f"spec.workloads[{place}]"
        first = names.setdefault(workload.name, place)
        if first != place:
            report(f"{path}.name", f"{workload.name!r} is the name of workloads[{first}] too")
        view = WorkloadView(workload.name, dict(workload.labels))
        for network, at in _networks(workload.subnets, f"{path}.subnets", report):
            owner = owners.setdefault(network, workload.name)
            if owner != workload.name:
                report(at, f"{network} belongs to workload {owner!r} already")
            entries.append((network, view))
    return entries
