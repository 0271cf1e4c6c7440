"""Everything the path needs of one tenant: its servers, names, rules, limits, and what it may see.

Views are made by policy/views.py and never change: a policy change makes new ones. What a part of a view is made of is
opaque here, but for what its users call. This module must not know messages, sockets or rules' meaning.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from resolver.subnets import SubnetIndex
from schemas.objects import VirtualRecord
from schemas.tenant_spec import Caching, Limits

T_co = TypeVar("T_co", covariant=True)


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
    def covers(self, asker: Any, qname: str) -> bool: ...  # noqa: D102, ANN401 - an Asker, who has a view


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


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A named, labelled part of a tenant."""

    name: str
    labels: Mapping[str, str]


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
