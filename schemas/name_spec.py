"""The specs of names that exist because an operator says so: VirtualName, Service, DiscoveryRule."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.spec import ClientSelector, Labels, Name, ObjectName, Priority, Spec, Ttl, Weight

Port = Annotated[int, Meta(ge=1, le=65535)]


class VirtualRecord(Spec, frozen=True, kw_only=True):
    """One record of a virtual name; data in presentation format, e.g. ``10 5 443 host.example.`` for SRV."""

    type: Literal["A", "AAAA", "CNAME", "TXT", "MX", "SRV", "PTR", "HTTPS", "SVCB"]
    data: str
    ttl: Ttl = 30


class VirtualTarget(Spec, frozen=True, kw_only=True):
    """Another name that a virtual name may stand for.

    weight: its share among the targets that are for the client. clients: for whom it is; everyone by default. zone:
    preferred by clients whose label ``zone`` is the same. A target that a signal of kind ``health`` calls ``down``
    (subject: its name) is passed over as long as another is left.
    """

    name: Name
    weight: Weight = 1
    clients: ClientSelector = ClientSelector()
    zone: str = ""


class VirtualAddress(Spec, frozen=True, kw_only=True):
    """Addresses of a virtual name's own, for whatever routes by them.

    fixed: these, whoever else would get them. families: an address allocated in each, from the ranges the resolver
    is told; of two names that would get the same one the older keeps it.
    """

    fixed: list[str] = []
    families: list[Literal["ipv4", "ipv6"]] = []


class VirtualNameSpec(Spec, frozen=True, kw_only=True):
    """A name that exists because an operator says so, for some tenants or, with an empty list, for all.

    Exactly one of records, targets and address. answer: ``flatten`` puts the target's records under the virtual name,
    ``cname`` shows the way. sticky: a client keeps its target as long as the targets stay. ttl: caps that of flattened
    records, and is that of CNAMEs and virtual addresses.
    """

    name: Name
    records: list[VirtualRecord] = []
    targets: Annotated[list[VirtualTarget], Meta(max_length=64)] = []
    address: VirtualAddress | None = None
    tenants: list[ObjectName] = []
    answer: Literal["flatten", "cname"] = "flatten"
    sticky: bool = True
    ttl: Ttl = 30


class Endpoint(Spec, frozen=True, kw_only=True):
    """Where a service is reached. Its health and latency are those of signals whose subject is ``address:port``."""

    address: str
    port: Port = 443
    zone: str = ""
    weight: Weight = 1


class ServicePort(Spec, frozen=True, kw_only=True):
    """What SRV names are made of: ``_name._protocol``."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$", description="a service name, RFC 6335")]
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"


class ServiceSpec(Spec, frozen=True, kw_only=True):
    """A discoverable service of one tenant.

    exports: other tenants that may discover it, ``*`` for all; they also need it in their own `visible`.
    """

    tenant: ObjectName
    labels: Labels = {}
    endpoints: Annotated[list[Endpoint], Meta(max_length=1000)] = []
    port: ServicePort | None = None
    exports: list[Annotated[str, Meta(pattern=r"^(\*|[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)$")]] = []


class DiscoveryRuleSpec(Spec, frozen=True, kw_only=True):
    """A name that means the services with these labels, chosen by who asks.

    name: a name, or a template whose labels may be ``{key}``: what stands there is ``${name.key}`` in selectors.
    selector: labels a service must have, all of them; a value ``!x`` excludes x, ``!`` alone the label; values may hold
    ``${client.LABEL}`` and ``${name.KEY}``; with an unknown label nothing matches. failover: selectors tried in order
    where the one before leaves no endpoint that is up. order: what endpoints are ordered by, most
    important first; zone, health, latency, weight by default.
    max_endpoints: most endpoints told, 0 is all that share the best zone, health and latency class.
    clients: for whom the rule is; of several for one name the first by priority, then object name.
    """

    name: Name
    selector: Annotated[Labels, Meta(min_length=1)]
    tenants: list[ObjectName] = []
    clients: ClientSelector = ClientSelector()
    priority: Priority = 1000
    failover: list[Labels] = []
    order: list[Literal["zone", "health", "latency", "weight"]] = []
    max_endpoints: Annotated[int, Meta(ge=0, le=1000)] = 0
    ttl: Ttl = 5
