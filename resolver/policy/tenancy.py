"""A Tenant object in the form views are made of: claimed networks, workloads, upstream groups, exemptions.

Finds everything that can be wrong in a Tenant on its own, with its key path. Two tenants claiming the same network is
conflicts.py's. This module must not know rules.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from resolver.policy.claims import Claim, compile_claims
from resolver.policy.patterns import Pattern, PatternError, PatternIndex, parse_pattern
from resolver.policy.reading import Report, parse_network, parse_patterns
from resolver.policy.rebinding import Guard, compile_rebinding
from resolver.policy.search import SearchList, compile_search
from resolver.tenants import Network, Server, SubnetIndex, UpstreamGroupView, WorkloadView
from schemas.objects import Tenant, UpstreamGroup

_SCHEMES = ("udp", "tcp")
_PORT = 53


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
    exempt = parse_patterns(spec.feedback.exempt, "spec.feedback.exempt", report)
    caching = spec.caching
    if caching.min_ttl > caching.max_ttl:
        report("spec.caching.minTtl", f"{caching.min_ttl} is more than maxTtl, {caching.max_ttl}")
    life = caching.min_ttl, caching.max_ttl, caching.max_negative_ttl
    pairs = [_group(group, life, f"spec.upstreams[{place}]", report) for place, group in enumerate(spec.upstreams)]
    groups = tuple(group for group, _ in pairs)
    _check_groups(groups, report)
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


def _group(
    group: UpstreamGroup, life: tuple[int, int, int], path: str, report: Report
) -> tuple[UpstreamGroupView, tuple[Pattern, ...]]:
    patterns = []
    for place, text in enumerate(group.suffixes):
        try:
            patterns.append(_suffix(text))
        except PatternError as error:
            report(f"{path}.suffixes[{place}]", f"expected a domain such as corp.example, got {text!r}: {error}")
    servers = []
    for place, url in enumerate(group.servers):
        try:
            servers.append(parse_server(url, plaintext=group.plaintext))
        except ValueError as error:
            report(f"{path}.servers[{place}]", str(error))
    scope = (*life, *(server.url for server in servers))
    view = UpstreamGroupView(
        group.name, tuple(group.suffixes), tuple(servers), group.timeout_ms / 1000, scope, group.strategy
    )
    return view, tuple(patterns)


def _suffix(text: str) -> Pattern:
    """A bare domain stands for itself and all below it: it is a suffix, not a name."""
    pattern = parse_pattern(text)
    return pattern if pattern.kind != "exact" or pattern.globs else Pattern("within", (), pattern.suffix, text)


def _check_groups(groups: tuple[UpstreamGroupView, ...], report: Report) -> None:
    names: dict[str, int] = {}
    rest = -1
    for place, group in enumerate(groups):
        first = names.setdefault(group.name, place) if group.name else place
        if first != place:
            report(f"spec.upstreams[{place}].name", f"{group.name!r} is the name of upstreams[{first}] too")
        if not group.suffixes and rest < 0:
            rest = place
        elif not group.suffixes and not group.name:
            report(
                f"spec.upstreams[{place}]",
                f"upstreams[{rest}] takes the names no suffix claims already; expected suffixes, or a name to route to",
            )


def parse_server(url: str, *, plaintext: bool) -> Server:
    """One upstream server of a URL such as ``udp://192.0.2.1``, ``tcp://[2001:db8::1]:5353``.

    Raises:
        ValueError: saying what is wrong.
    """
    wrong = f"expected udp://address[:port] or tcp://address[:port], got {url!r}"
    try:
        parts = urlsplit(url)
        port = _PORT if parts.port is None else parts.port
        host = ipaddress.ip_address(parts.hostname or "")
    except ValueError as error:
        raise ValueError(f"{wrong}: {error}") from error
    if parts.scheme not in _SCHEMES or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(wrong)
    if not 0 < port < 65536:
        raise ValueError(f"{wrong}: port {port} is not between 1 and 65535")
    if not host.is_loopback and not plaintext:
        raise ValueError(
            f"{url!r} can be read on its way: set plaintext: true beside servers to accept that (loopback needs none)"
        )
    shown = f"[{host}]" if host.version == 6 else str(host)
    return Server(parts.scheme, str(host), port, f"{parts.scheme}://{shown}:{port}")
