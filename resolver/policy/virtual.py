"""A VirtualName object in the form a tenant's view holds it.

Finds everything that can be wrong in a VirtualName on its own, with its key path. Two objects naming the same name for
the same tenant is conflicts.py's, which address is whose addresses.py's. This module must not know tenants or how
answers are built.
"""

from __future__ import annotations

from resolver.policy.addresses import check_address
from resolver.policy.patterns import PatternError, canonical_name
from resolver.policy.reading import Report
from resolver.policy.record_data import read_data
from resolver.policy.targets import compile_targets
from resolver.tenant_view import VirtualEntry
from schemas.objects import VirtualName, VirtualNameSpec, VirtualRecord

_Records = dict[str, tuple[VirtualRecord, ...]]


def compile_virtual(obj: VirtualName, report: Report) -> VirtualEntry:
    """The entry of a virtual name; what is wrong is reported and left out."""
    spec = obj.spec
    try:
        name = canonical_name(spec.name)
    except PatternError as error:
        report("spec.name", f"expected a domain name, got {spec.name!r}: {error}")
        name = ""
    _check_shape(spec, report)
    targets = compile_targets(spec.targets, report)
    for place, target in enumerate(targets):
        if target.name == name:
            report(f"spec.targets[{place}].name", f"{name} cannot stand for itself")
    return VirtualEntry(
        name=name,
        records=_records(spec.records, report),
        owner=obj.metadata.name,
        targets=targets,
        flatten=spec.answer == "flatten",
        sticky=spec.sticky,
        ttl=spec.ttl,
    )


def _check_shape(spec: VirtualNameSpec, report: Report) -> None:
    given = [key for key in ("records", "targets", "address") if getattr(spec, key) not in ([], None)]
    if len(given) != 1:
        report("spec", f"expected exactly one of records, targets and address, got {' and '.join(given) or 'none'}")
    if spec.address is not None:
        check_address(spec.address, report)
    if spec.targets:
        return
    if spec.answer != "flatten":
        report("spec.answer", f"only targets are answered as {spec.answer}")
    if not spec.sticky:
        report("spec.sticky", "only a choice among targets can be sticky or not")


def _records(written: list[VirtualRecord], report: Report) -> _Records:
    by_type: _Records = {}
    for place, record in enumerate(written):
        path = f"spec.records[{place}]"
        try:
            data = read_data(record.type, record.data)
        except ValueError as error:
            report(f"{path}.data", str(error))
            continue
        same = by_type.get(record.type, ())
        if any(other.data == data for other in same):
            report(path, f"the same {record.type} record stands above already")
        by_type[record.type] = (*same, VirtualRecord(type=record.type, data=data, ttl=record.ttl))
    if "CNAME" in by_type and len(written) > 1:
        # RFC 1034 section 3.6.2: if a CNAME is present, no other data should be
        report("spec.records", "a CNAME stands alone: neither other records nor a second CNAME may stand beside it")
    return by_type
