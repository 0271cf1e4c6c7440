"""Who is asking: client address -> tenant, workload and labels, by the longest claimed subnet.

Stands at the top of the path; everything below receives an Asker. Views are built by policy/compiler.py and never
change: a policy change makes new ones. This module must not know messages, sockets or rules' meaning.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from schemas.objects import VirtualRecord
from schemas.tenant_spec import Caching, Limits

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NameIndex(Protocol[T_co]):
    """Values by domain pattern; see policy/patterns.py."""

    def matches(self, qname: str) -> bool:
        """Whether any pattern matches a lower-case name."""

    def longest(self, qname: str) -> T_co | None:
        """The value with the longest matching suffix."""


class NameSet(Protocol):
    """Names that belong together; see policy/domain_sets.py. Falsy when empty."""

    @property
    def rpz(self) -> Any:  # noqa: ANN401 - what policy/rpz.py asks; opaque to everyone else
        """The response policy zone it is, None if it is none."""

    def holds(self, names: list[str]) -> bool:
        """Whether a name, given as its suffixes, is in it."""


class Opening(Protocol):
    """Whose lookups of which names open connections, and for how long; see policy/egress.py."""

    @property
    def action(self) -> str: ...  # noqa: D102
    @property
    def at_least(self) -> int: ...  # noqa: D102
    @property
    def grace(self) -> int: ...  # noqa: D102
    def covers(self, asker: Asker, qname: str) -> bool: ...  # noqa: D102


class Signal(Protocol):
    """A fact that holds until it expires (Unix seconds); see policy/signals.py."""

    @property
    def value(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def expires(self) -> float: ...  # noqa: D102


class Signals(Protocol):
    """Facts by kind and subject in canonical form; falsy when there are none."""

    def __bool__(self) -> bool: ...
    def value(self, kind: str, subject: str) -> Signal | None:
        """The fact of this kind about a subject."""

    def find(self, kind: str, subjects: Iterable[str]) -> Signal | None:
        """The fact of this kind about the first of the subjects that has one."""


class SubnetIndex(Generic[T]):
    """Longest-prefix match: one dict per prefix length, longest first."""

    __slots__ = ("_families", "_tables")

    def __init__(self, entries: Iterable[tuple[Network, T]] = ()) -> None:
        """Of networks and their values."""
        self._tables: dict[int, dict[int, dict[int, T]]] = {4: {}, 6: {}}
        self._families: dict[int, list[tuple[int, dict[int, T]]]] = {4: [], 6: []}
        for network, value in entries:
            self.add(network, value)

    def add(self, network: Network, value: T) -> None:
        """Add a network; of two values for the same one the first stays."""
        shift, tables = network.max_prefixlen - network.prefixlen, self._tables[network.version]
        table = tables.get(shift)
        if table is None:
            table = tables[shift] = {}
            self._families[network.version] = sorted(tables.items())
        table.setdefault(int(network.network_address) >> shift, value)

    def get(self, version: int, number: int) -> T | None:
        """Value of the longest network that holds the address, given as a number."""
        for shift, table in self._families[version]:
            value = table.get(number >> shift)
            if value is not None:
                return value
        return None


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


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A named, labelled part of a tenant."""

    name: str
    labels: Mapping[str, str]


_NO_WORKLOAD = WorkloadView("", {})


@dataclass(frozen=True, slots=True)
class Server:
    """One upstream server; of equal ones there is one, whatever groups and tenants name it.

    Attributes:
        scheme: ``udp``, ``tcp``, ``tls`` or ``https``.
        address: in presentation format.
        url: as shown in events and metrics.
        name: that its certificate must bear. path: of https. ca_file: what vouches for it; the system's by default.
    """

    scheme: str
    address: str
    port: int
    url: str
    name: str = ""
    path: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamGroupView:
    """Servers that are asked for some names.

    Attributes:
        suffixes: domains (lower case) it is for; empty takes the rest.
        timeout: seconds for each attempt.
        scope: what answers of this group are remembered under: other servers, or other bounds of an answer's life,
            start with nothing remembered.
        strategy: ``ordered``, ``fastest`` or ``random``.
    """

    name: str
    suffixes: tuple[str, ...]
    servers: tuple[Server, ...]
    timeout: float
    scope: Hashable = ()
    strategy: str = "ordered"


@dataclass(frozen=True, slots=True, eq=False)
class VirtualEntry:
    """A virtual name of one tenant: records, or targets (see policy/targets.py; opaque to everyone else).

    Types it has no records for are NODATA; a CNAME stands alone (RFC 1034 section 3.6.2). flatten, sticky and ttl say
    how targets are chosen and shown; reverse holds the reverse names of allocated addresses.
    """

    name: str
    records: Mapping[str, tuple[VirtualRecord, ...]]
    owner: str
    targets: tuple[Any, ...] = ()
    flatten: bool = True
    sticky: bool = True
    ttl: int = 30
    reverse: tuple[VirtualEntry, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TenantView:
    """Everything the path needs of one tenant.

    Attributes:
        default: ``allow`` or ``deny``.
        mode: ``enforce`` or ``audit`` (nothing is denied, everything is recorded).
        privacy: ``clear``, ``pseudonym`` or ``drop``: how clients appear in events.
        virtual: lower-case name without final dot -> its records.
        rules: what policy/engine.py looks a name up in; opaque to everyone else.
        exempt: names the overlay never touches.
        groups: upstream groups by name; `suffixes` chooses by name; `rest` is the group for all other names.
        signals: what streams and health checkers say, of kinds that policy uses.
        caching: how answers of upstream are remembered.
        search: domains tried for short names (see policy/search.py); falsy for none.
        guard: against DNS rebinding, of policy/rebinding.py; opaque to everyone else, None when it is off.
        limits: queries a second, None for any number. in_flight: queries waiting for upstream at a time; 0 for any.
        discovery: what policy/selection.py finds services in; falsy without discovery rules, opaque to everyone else.
        egress: what names this tenant's connections may follow; empty where nobody wants to know.
    """

    name: str
    default: str
    mode: str
    privacy: str
    upstreams: tuple[UpstreamGroupView, ...]
    virtual: Mapping[str, VirtualEntry]
    rules: Any
    exempt: NameIndex[bool]
    workloads: SubnetIndex[WorkloadView]
    groups: Mapping[str, UpstreamGroupView]
    suffixes: NameIndex[UpstreamGroupView]
    rest: UpstreamGroupView | None
    signals: Signals
    caching: Caching
    search: Any
    guard: Any
    limits: Limits | None
    in_flight: int
    discovery: Any
    egress: tuple[Opening, ...] = ()

    def upstream_for(self, qname: str, route: str = "") -> UpstreamGroupView | None:
        """The group a rule routed to, else the one with the longest matching suffix, else the one for the rest."""
        if route and (group := self.groups.get(route)) is not None:
            return group
        return self.suffixes.longest(qname) or self.rest


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
