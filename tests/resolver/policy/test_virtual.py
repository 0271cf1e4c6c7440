"""VirtualName objects: what is wrong with one on its own."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from resolver.policy.virtual import compile_virtual
from schemas.objects import VirtualName


def problems(spec: str) -> list[tuple[str, str]]:
    """What is wrong with a VirtualName of this spec."""
    found: list[tuple[str, str]] = []
    document = {"kind": "VirtualName", "apiVersion": "nameward.io/v1", "metadata": {"name": "v"}, "spec": yaml.safe_load(spec)}
    compile_virtual(msgspec.convert(document, VirtualName), lambda path, why: found.append((path, why)))
    return found


RECORD, TARGET, ADDRESS = "records: [{type: A, data: 192.0.2.1}]", "targets: [{name: b.internal}]", "address: {families: [ipv4]}"


@pytest.mark.parametrize("spec", [RECORD, TARGET, f"{TARGET}, answer: cname, sticky: false, ttl: 5", ADDRESS, "address: {fixed: [192.0.2.1, 2001:DB8::1]}"])
def test_right(spec: str) -> None:
    """One of the three shapes is enough."""
    assert problems(f"{{name: a.internal, {spec}}}") == []


@pytest.mark.parametrize(
    ("spec", "path", "why"),
    [
        ("", "spec", "expected exactly one of records, targets and address, got none"),
        (f"{RECORD}, {TARGET}", "spec", "expected exactly one of records, targets and address, got records and targets"),
        (f"{TARGET}, {ADDRESS}", "spec", "expected exactly one of records, targets and address, got targets and address"),
        (f"{RECORD}, answer: cname", "spec.answer", "only targets are answered as cname"),
        (f"{ADDRESS}, sticky: false", "spec.sticky", "only a choice among targets can be sticky or not"),
        ("targets: [{name: A.internal.}]", "spec.targets[0].name", "a.internal cannot stand for itself"),
        ("targets: [{name: '*.internal'}]", "spec.targets[0].name", "expected a domain name, got '*.internal': a name stands for itself here, '*' has no place in it"),
        ("records: [{type: A, data: '::1'}]", "spec.records[0].data", "expected an IPv4 address, got '::1'"),
        ("records: [{type: A, data: 192.0.2.1}, {type: CNAME, data: b.}]", "spec.records", "a CNAME stands alone: neither other records nor a second CNAME may stand beside it"),
        ("records: [{type: CNAME, data: b.}, {type: CNAME, data: B}]", "spec.records[1]", "the same CNAME record stands above already"),
    ],
)  # fmt: skip
def test_wrong(spec: str, path: str, why: str) -> None:
    """Every mistake is told with its key path and what was expected."""
    assert problems(f"{{name: a.internal{', ' if spec else ''}{spec}}}")[0] == (path, why)
