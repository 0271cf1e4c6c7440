"""What an object says in one line, a function a kind: for tables that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.objects import (
    DiscoveryRule,
    DNSPolicy,
    DomainSet,
    EgressRule,
    PolicyObject,
    Service,
    Tenant,
    VirtualName,
)


def tenants_of(obj: PolicyObject) -> str:
    """For whom an object is: tenants, ``all``, or nothing where that is no question."""
    if isinstance(obj, Service):
        return obj.spec.tenant
    return "" if isinstance(obj, Tenant | DomainSet) else ", ".join(obj.spec.tenants) or "all"


def summary(obj: PolicyObject) -> str:
    """What an object says, in one line."""
    return _ABOUT[type(obj)](obj)


def _tenant(obj: Tenant) -> str:
    subnets = [subnet for match in obj.spec.clients for subnet in match.subnets]
    audit = ", in audit" if obj.spec.mode == "audit" else ""
    who = ", ".join(subnets) or ("unknown clients" if obj.spec.unknown else "nobody")
    return f"{who}; default {obj.spec.default}{audit}"


def _policy(obj: DNSPolicy) -> str:
    marks = {"enforce": "", "audit": ", audit"}
    rules = ", ".join(f"{rule.name} ({rule.action}{marks[rule.mode]})" for rule in obj.spec.rules)
    audit = ", in audit" if obj.spec.mode == "audit" else ""
    return f"tier {obj.spec.tier}, priority {obj.spec.priority}{audit}: {rules}"


def _virtual(obj: VirtualName) -> str:
    records = ", ".join(f"{record.type} {record.data}" for record in obj.spec.records)
    targets = ", ".join(f"{target.name} ({target.weight})" for target in obj.spec.targets)
    return f"{obj.spec.name} {records or targets or 'virtual address'}"


def _service(obj: Service) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in obj.spec.labels.items())
    return f"{labels}: {', '.join(f'{endpoint.address}:{endpoint.port}' for endpoint in obj.spec.endpoints) or 'none'}"


def _discovery(obj: DiscoveryRule) -> str:
    return f"{obj.spec.name}: {', '.join(f'{key}={value}' for key, value in obj.spec.selector.items())}"


def _domain_set(obj: DomainSet) -> str:
    if obj.spec.file:
        return f"{obj.spec.file.format} of {obj.spec.file.path}"
    return "an RPZ zone" if obj.spec.zone else f"{len(obj.spec.names)} patterns"


def _egress(obj: EgressRule) -> str:
    names = ", ".join([*obj.spec.names, *obj.spec.domain_sets]) or "any name"
    ports = ", ".join(f"{port.protocol}/{port.port}" for port in obj.spec.ports) or "any port"
    return f"{obj.spec.action} {names} on {ports}"


_ABOUT: Mapping[type[PolicyObject], Callable[[Any], str]] = {
    Tenant: _tenant,
    DNSPolicy: _policy,
    VirtualName: _virtual,
    Service: _service,
    DiscoveryRule: _discovery,
    DomainSet: _domain_set,
    EgressRule: _egress,
}
