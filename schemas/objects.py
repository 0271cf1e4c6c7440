"""What operators write: one kind of object a class (design: Kubernetes shape, unknown keys are errors).

Kinds and keys; the specs stand in tenant_spec.py, policy_spec.py, name_spec.py and set_spec.py. Reading YAML with all
errors and their key paths is documents.py, meaning is resolver/policy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from schemas.name_spec import (
    DiscoveryRuleSpec,
    Endpoint,
    ServicePort,
    ServiceSpec,
    VirtualAddress,
    VirtualNameSpec,
    VirtualRecord,
    VirtualTarget,
)
from schemas.policy_spec import (
    Answer,
    DNSPolicySpec,
    EgressHttp,
    EgressPort,
    EgressRuleSpec,
    Rule,
    RuleClients,
    RuleMatch,
    Schedule,
    SignalMatch,
)
from schemas.set_spec import DomainSetSpec, SetFile
from schemas.spec import ClientSelector, Labels, Mode, ObjectName, Pattern, Severity, Spec, Subnet, Ttl
from schemas.tenant_spec import (
    Caching,
    ClientMatch,
    Feedback,
    FeedbackMode,
    Limits,
    Privacy,
    Rebinding,
    TenantSpec,
    UpstreamGroup,
    Workload,
)

__all__ = [
    "API_VERSION", "KINDS", "Answer", "Caching", "ClientMatch", "ClientSelector", "DNSPolicy", "DNSPolicySpec",
    "DiscoveryRule", "DiscoveryRuleSpec", "DomainSet", "DomainSetSpec", "EgressHttp", "EgressPort", "EgressRule",
    "EgressRuleSpec", "Endpoint", "Feedback", "FeedbackMode", "Labels", "Limits", "Metadata", "Mode", "ObjectName",
    "Pattern", "PolicyObject", "Privacy", "Rebinding", "Rule", "RuleClients", "RuleMatch", "Schedule", "Service",
    "ServicePort", "ServiceSpec", "SetFile", "Severity", "SignalMatch", "Subnet", "Tenant", "TenantSpec", "Ttl",
    "UpstreamGroup", "VirtualAddress", "VirtualName", "VirtualNameSpec", "VirtualRecord", "VirtualTarget", "Workload",
    "decode_object", "encode_object", "key_of", "kind_of", "object_key",
]  # fmt: skip

API_VERSION = "nameward.io/v1"


class Metadata(Spec, frozen=True, kw_only=True):
    """Name and free annotations of an object; the rest is written by `nameward policy`.

    created: when the object was first applied. resource_version: of the object as it was read; a change that names
    an older one is a conflict.
    """

    name: ObjectName
    annotations: Labels = {}
    created: datetime | None = None
    resource_version: str = ""


class _Object(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename="camel", tag_field="kind"):
    api_version: Literal["nameward.io/v1"]
    metadata: Metadata


class Tenant(_Object, frozen=True, kw_only=True, tag="Tenant"):
    """Who belongs to a tenant, what it may see, how it resolves."""

    spec: TenantSpec


class DNSPolicy(_Object, frozen=True, kw_only=True, tag="DNSPolicy"):
    """Ordered rules of one tier."""

    spec: DNSPolicySpec


class VirtualName(_Object, frozen=True, kw_only=True, tag="VirtualName"):
    """A name that exists because an operator says so."""

    spec: VirtualNameSpec


class Service(_Object, frozen=True, kw_only=True, tag="Service"):
    """A discoverable service: labels, endpoints, owner, and to whom it is exported."""

    spec: ServiceSpec


class DiscoveryRule(_Object, frozen=True, kw_only=True, tag="DiscoveryRule"):
    """A name that means the services with these labels, chosen by who asks."""

    spec: DiscoveryRuleSpec


class DomainSet(_Object, frozen=True, kw_only=True, tag="DomainSet"):
    """A named set of domain patterns."""

    spec: DomainSetSpec


class EgressRule(_Object, frozen=True, kw_only=True, tag="EgressRule"):
    """What may be connected to, given the names that were resolved."""

    spec: EgressRuleSpec


PolicyObject = Tenant | DNSPolicy | VirtualName | Service | DiscoveryRule | DomainSet | EgressRule
KINDS: dict[str, type[PolicyObject]] = {
    "Tenant": Tenant,
    "DNSPolicy": DNSPolicy,
    "VirtualName": VirtualName,
    "Service": Service,
    "DiscoveryRule": DiscoveryRule,
    "DomainSet": DomainSet,
    "EgressRule": EgressRule,
}


def kind_of(obj: PolicyObject) -> str:
    """Kind of an object, as written in YAML."""
    return type(obj).__name__


def key_of(obj: PolicyObject) -> str:
    """Key on policy.objects: ``kind/tenant/name``, with ``-`` for objects that belong to no single tenant."""
    return object_key(kind_of(obj), obj.metadata.name)


def object_key(kind: str, name: str) -> str:
    """Key of the object of this kind and name."""
    return f"{kind}/{name if kind == 'Tenant' else '-'}/{name}"


encode_object = msgspec.json.Encoder().encode
decode_object = msgspec.json.Decoder(PolicyObject).decode
