"""A VirtualName object in the form a tenant's view holds it.

Finds everything that can be wrong in a VirtualName on its own, with its key path. Two objects naming the same name for
the same tenant is conflicts.py's. This module must not know tenants or how answers are built.
"""

from __future__ import annotations

import ipaddress

from resolver.policy.patterns import PatternError, canonical_name
from resolver.policy.reading import Report
from resolver.tenants import VirtualEntry
from resolver.wire import rdata_wire
from schemas.objects import VirtualName, VirtualRecord

_FAMILIES = {"A": 4, "AAAA": 6}


def compile_virtual(obj: VirtualName, report: Report) -> VirtualEntry:
    """The entry of a virtual name; what is wrong is reported and left out."""
    try:
        name = canonical_name(obj.spec.name)
    except PatternError as error:
        report("spec.name", f"expected a domain name, got {obj.spec.name!r}: {error}")
        name = ""
    by_type: dict[str, list[VirtualRecord]] = {}
    for place, record in enumerate(obj.spec.records):
        path = f"spec.records[{place}]"
        wrong = _data_error(record)
        if wrong:
            report(f"{path}.data", wrong)
        same = by_type.setdefault(record.type, [])
        if any(other.data == record.data for other in same):
            report(path, f"the same {record.type} record stands above already")
        same.append(record)
    if "CNAME" in by_type and len(obj.spec.records) > 1:
        # RFC 1034 section 3.6.2: if a CNAME is present, no other data should be
        report("spec.records", "a CNAME stands alone: neither other records nor a second CNAME may stand beside it")
    return VirtualEntry(name, {kind: tuple(records) for kind, records in by_type.items()}, obj.metadata.name)


def _data_error(record: VirtualRecord) -> str:
    if family := _FAMILIES.get(record.type):
        try:
            right = ipaddress.ip_address(record.data).version == family
        except ValueError:
            right = False
        return "" if right else f"expected an IPv{family} address, got {record.data!r}"
    if not record.data.strip() or not record.data.isprintable():
        return f"expected {record.type} data in presentation format on one line, got {record.data!r}"
    try:
        rdata_wire(record.type, record.data)
    except ValueError as error:
        return str(error)
    return ""
