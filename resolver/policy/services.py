"""A Service object in the form discovery reads, and an index of services by their labels.

Finds everything that can be wrong in a Service on its own, with its key path. References to tenants are conflicts.py's.
This module must not know who asks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from resolver.policy.reading import Report
from resolver.policy.selectors import Wanted
from resolver.policy.signals import endpoint_subject
from schemas.objects import Endpoint, Service

_LONGEST_TEXT = 255
"""Octets of one character string of a TXT record (RFC 1035 section 3.3.14)."""


@dataclass(frozen=True, slots=True)
class EndpointEntry:
    """Where a service is reached.

    Attributes:
        address: in presentation format. family: the type of its records, A or AAAA.
        subject: what signals about it are about.
        label: first label of the name that SRV records call it by.
    """

    address: str
    family: str
    port: int
    zone: str
    weight: int
    subject: str
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class ServiceEntry:
    """A service of one tenant.

    Attributes:
        port: ``_name._protocol`` that its SRV records stand under; empty for none.
        exports: tenants that may discover it, ``*`` for all.
    """

    name: str
    tenant: str
    labels: Mapping[str, str]
    endpoints: tuple[EndpointEntry, ...]
    port: str
    exports: frozenset[str]

    def exported_to(self, tenant: str) -> bool:
        """Whether a tenant may discover it, as far as its owner is concerned."""
        return tenant in self.exports or "*" in self.exports


def compile_service(obj: Service, report: Report) -> ServiceEntry:
    """The entry of a service; what is wrong is reported and left out."""
    spec = obj.spec
    for key, value in spec.labels.items():
        _check_label(key, value, report)
    endpoints: dict[str, tuple[int, EndpointEntry]] = {}
    for place, written in enumerate(spec.endpoints):
        entry = _endpoint(written, f"spec.endpoints[{place}]", report)
        if entry is None:
            continue
        first, _ = endpoints.setdefault(entry.subject, (place, entry))
        if first != place:
            report(f"spec.endpoints[{place}]", f"{entry.subject} is endpoints[{first}] too")
    port = f"_{spec.port.name}._{spec.port.protocol}" if spec.port else ""
    listed = tuple(entry for _, entry in endpoints.values())
    return ServiceEntry(obj.metadata.name, spec.tenant, dict(spec.labels), listed, port, frozenset(spec.exports))


def _check_label(key: str, value: str, report: Report) -> None:
    if not key or "=" in key:
        report("spec.labels", f"expected labels with a name without '=', got {key!r}")
    if value.startswith("!"):
        report(f"spec.labels.{key}", f"a value cannot begin with '!', which excludes in selectors; got {value!r}")
    if len(f"{key}={value}".encode()) > _LONGEST_TEXT:
        report(f"spec.labels.{key}", f"name and value are longer than the {_LONGEST_TEXT - 1} octets of a TXT record")


def _endpoint(written: Endpoint, path: str, report: Report) -> EndpointEntry | None:
    try:
        address = ipaddress.ip_address(written.address)
    except ValueError:
        report(f"{path}.address", f"expected an IPv4 or IPv6 address, got {written.address!r}")
        return None
    if getattr(address, "scope_id", None):
        report(f"{path}.address", f"an address with a zone index means nothing to others, got {written.address!r}")
        return None
    family = "A" if address.version == 4 else "AAAA"
    label = address.exploded.replace("." if family == "A" else ":", "-")
    subject = endpoint_subject(str(address), written.port)
    return EndpointEntry(str(address), family, written.port, written.zone, written.weight, subject, label)


class ServiceIndex:
    """Services, found by the labels they must have; in the order given."""

    __slots__ = ("_by_label", "services")

    def __init__(self, services: Iterable[ServiceEntry]) -> None:
        self.services = tuple(services)
        self._by_label: dict[tuple[str, str], list[ServiceEntry]] = {}
        for service in self.services:
            for label in service.labels.items():
                self._by_label.setdefault(label, []).append(service)

    def __bool__(self) -> bool:
        return bool(self.services)

    def find(self, wanted: Iterable[Wanted]) -> list[ServiceEntry]:
        """Services that meet every condition."""
        wanted = list(wanted)
        lists = [self._by_label.get((want.key, want.value), ()) for want in wanted if not want.excluded]
        candidates: Sequence[ServiceEntry] = min(lists, key=len) if lists else self.services
        return [service for service in candidates if all(want.holds(service.labels) for want in wanted)]
