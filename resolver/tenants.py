"""Who is asking: client address -> tenant, workload and labels, by the longest claimed subnet.

Stands at the top of the path; everything below receives an Asker. Views are built by policy/compiler.py and never
change: a policy change makes new ones. This module must not know messages, sockets or rules' meaning.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from resolver.subnets import SubnetIndex
from resolver.tenant_view import NameSet, TenantView, WorkloadView


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a client beside its address: where it came in, and the identities it showed.

    Attributes:
        listener: name of the listener, empty for the unnamed one.
        server_name: TLS server name or DoH host, lower case. path: DoH path.
        certificates: identities of its certificate.
        namespaces: labels of its Kubernetes namespace as pairs, sorted.
    """

    listener: str = ""
    server_name: str = ""
    path: str = ""
    certificates: tuple[str, ...] = ()
    namespaces: tuple[tuple[str, str], ...] = ()


PLAIN = Arrival()
AskerKey = str | tuple[str, Arrival]


class Claimants(Protocol):
    """Claims that ask for more than an address; see policy/claims.py."""

    def tenant_of(self, arrival: Arrival, version: int, number: int) -> str | None:
        """The tenant with the most specific claim; empty for none, None when two claim with equal force."""


_NO_WORKLOAD = WorkloadView("", {})


@dataclass(frozen=True, slots=True, eq=False)
class Asker:
    """One client as policy sees it; the same object for the same address as long as the policy epoch lasts.

    sets: domain sets in force, by name.
    """

    tenant: TenantView
    workload: str
    labels: Mapping[str, str]
    address: str
    version: int
    number: int
    sets: Mapping[str, NameSet] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class AskerCache:
    """Askers already identified under one policy epoch, least recently used first out."""

    capacity: int = 65536
    entries: dict[AskerKey, Asker | None] = field(default_factory=dict)

    def put(self, key: AskerKey, asker: Asker | None) -> None:
        """Remember, forgetting the oldest when full."""
        if len(self.entries) >= self.capacity:
            del self.entries[next(iter(self.entries))]
        self.entries[key] = asker


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """Everything in force at one time, made by policy/compiler.py; replaced as a whole, never changed.

    Attributes:
        epoch: rises with every swap; what was answered under another epoch is void.
        version: the same text in every resolver that has the same objects and overlays in force.
        tenants: views by name.
        subnets: which tenant claims an address.
        unknown: name of the tenant of clients nobody claims; empty for none (they are refused).
        sets: domain sets by name, those of files with what the files hold.
        claims: what else tenants claim clients by; None when every claim is one of subnets alone.
        services: of all tenants by owner, for explanations; what a tenant may discover is its view's.
    """

    epoch: int
    version: str
    tenants: Mapping[str, TenantView]
    subnets: SubnetIndex[str]
    unknown: str = ""
    sets: Mapping[str, NameSet] = field(default_factory=dict)
    claims: Claimants | None = None
    services: Mapping[str, Any] = field(default_factory=dict)
    askers: AskerCache = field(default_factory=AskerCache)


class Policies(Protocol):
    """What is in force: swapped as a whole; the epoch rises with every swap."""

    @property
    def current(self) -> Compiled: ...  # noqa: D102
    @property
    def epoch(self) -> int: ...  # noqa: D102


def identify(compiled: Compiled, address: str, arrival: Arrival = PLAIN) -> Asker | None:
    """The asker at this address, or None for a client no tenant claims.

    Raises:
        ValueError: if the text is no IP address.
    """
    cache = compiled.askers.entries
    key = address if compiled.claims is None else (address, arrival)
    if key in cache:
        asker = cache.pop(key)
        cache[key] = asker
        return asker
    asker = _identify(compiled, address, arrival)
    compiled.askers.put(key, asker)
    return asker


def _identify(compiled: Compiled, address: str, arrival: Arrival) -> Asker | None:
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    number = int(parsed)
    tenant = compiled.tenants.get(_tenant_name(compiled, arrival, parsed.version, number))
    if tenant is None:
        return None
    workload = tenant.workloads.get(parsed.version, number) or _NO_WORKLOAD
    return Asker(tenant, workload.name, workload.labels, address, parsed.version, number, compiled.sets)


def _tenant_name(compiled: Compiled, arrival: Arrival, version: int, number: int) -> str:
    claimed = compiled.claims.tenant_of(arrival, version, number) if compiled.claims is not None else ""
    if claimed is None:
        return ""  # closed: even the tenant of unknown clients does not take what two others claim
    return claimed or compiled.subnets.get(version, number) or compiled.unknown
