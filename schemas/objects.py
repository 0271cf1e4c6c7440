"""What operators write: Tenant, DNSPolicy, VirtualName (design: Kubernetes shape, unknown keys are errors).

Shapes only; reading YAML with all errors and their key paths is documents.py, meaning is resolver/policy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

API_VERSION = "nameward.io/v1"

ObjectName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", description="lower case, at most 63 characters")
]
Labels = dict[str, str]
Pattern = Annotated[
    str, Meta(min_length=1, max_length=1009, description="example.com, *.example.com, .example.com, *, a*.example.com")
]
Subnet = Annotated[str, Meta(min_length=2, description="address or CIDR block, IPv4 or IPv6")]
Ttl = Annotated[int, Meta(ge=0, le=2**31 - 1, description="seconds")]
Mode = Literal["enforce", "audit"]
FeedbackMode = Literal["off", "audit", "enforce"]
Severity = Literal["info", "low", "medium", "high", "critical"]


class _Spec(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class Metadata(_Spec, frozen=True, kw_only=True):
    """Name and free annotations of an object."""

    name: ObjectName
    annotations: Labels = {}


class ClientMatch(_Spec, frozen=True, kw_only=True):
    """Clients that belong to a tenant: any of these subnets."""

    subnets: Annotated[list[Subnet], Meta(min_length=1)]


class Workload(_Spec, frozen=True, kw_only=True):
    """A named, labelled part of a tenant."""

    name: ObjectName
    subnets: Annotated[list[Subnet], Meta(min_length=1)]
    labels: Labels = {}


class UpstreamGroup(_Spec, frozen=True, kw_only=True):
    """Ordered servers for suffixes; the group without suffixes takes the rest.

    servers: ``udp://address[:port]`` (TCP retry on truncation) or ``tcp://address[:port]``.
    plaintext: must be true for servers that are not on loopback, since these transports are readable on the way.
    """

    servers: Annotated[list[str], Meta(min_length=1, max_length=16)]
    suffixes: list[Pattern] = []
    name: str = ""
    plaintext: bool = False
    timeout_ms: Annotated[int, Meta(ge=10, le=30000)] = 1500


class Privacy(_Spec, frozen=True, kw_only=True):
    """How clients appear in events. The key of pseudonyms is the resolver's, not the tenant's."""

    client: Literal["clear", "pseudonym", "drop"] = "clear"


class Feedback(_Spec, frozen=True, kw_only=True):
    """What streams may do to this tenant's policy.

    mode holds for every detector that `detectors` does not name. exempt: patterns that are never blocked.
    max_duration_s caps an entry's life; max_entries caps how many may be in force at once.
    """

    mode: FeedbackMode = "audit"
    detectors: dict[str, FeedbackMode] = {}
    min_severity: Severity = "medium"
    max_duration_s: Annotated[int, Meta(ge=1, le=7 * 86400)] = 900
    max_entries: Annotated[int, Meta(ge=0, le=10000)] = 100
    exempt: list[Pattern] = []


class TenantSpec(_Spec, frozen=True, kw_only=True):
    """Who belongs to the tenant and how it resolves. `unknown: true` makes it the tenant of clients nobody claims."""

    default: Literal["allow", "deny"]
    clients: list[ClientMatch] = []
    workloads: list[Workload] = []
    unknown: bool = False
    mode: Mode = "enforce"
    upstreams: list[UpstreamGroup] = []
    privacy: Privacy = Privacy()
    feedback: Feedback = Feedback()


class RuleClients(_Spec, frozen=True, kw_only=True):
    """Which clients of the tenant a rule is for: all labels equal, and in one of the subnets."""

    match_labels: Labels = {}
    subnets: list[Subnet] = []


class RuleMatch(_Spec, frozen=True, kw_only=True):
    """What a rule looks at: every key given must hold; a list holds when any entry does; `not` excludes names."""

    qname: list[Pattern] = []
    not_: list[Pattern] = msgspec.field(default_factory=list, name="not")
    qtype: list[str] = []
    transport: list[Literal["udp", "tcp"]] = []


class Answer(_Spec, frozen=True, kw_only=True):
    """Form of a deny (or the target of a redirect).

    form: ``nxdomain`` (with SOA), ``nodata``, ``refused``, ``drop`` or ``addresses`` (a sinkhole).
    addresses: for form addresses. target: name for action redirect, answered as a CNAME.
    ede: RFC 8914 code; by default 15 Blocked, 4 Forged Answer for addresses and redirects.
    """

    form: Literal["nxdomain", "nodata", "refused", "drop", "addresses"] = "nxdomain"
    addresses: list[str] = []
    target: str = ""
    ttl: Ttl = 30
    ede: Literal[4, 15, 16, 17] | None = None


class Rule(_Spec, frozen=True, kw_only=True):
    """One rule. Terminal actions: allow, deny, redirect; in the platform tier also pass (leave it to the tenant)."""

    name: ObjectName
    action: Literal["allow", "deny", "redirect", "pass", "log", "tag", "route", "continue"]
    clients: RuleClients = RuleClients()
    match: RuleMatch = RuleMatch()
    answer: Answer = Answer()
    log: bool = False
    mode: Mode = "enforce"
    expires: datetime | None = None
    tag: str = ""
    route: str = ""


class DNSPolicySpec(_Spec, frozen=True, kw_only=True):
    """Ordered rules of one tier, for some tenants or, with an empty list, for all."""

    tier: Literal["platform", "tenant", "baseline"]
    rules: Annotated[list[Rule], Meta(min_length=1)]
    tenants: list[ObjectName] = []
    priority: Annotated[int, Meta(ge=0, le=65535)] = 1000
    mode: Mode = "enforce"


class VirtualRecord(_Spec, frozen=True, kw_only=True):
    """One record of a virtual name; data in presentation format, e.g. ``10 5 443 host.example.`` for SRV."""

    type: Literal["A", "AAAA", "CNAME", "TXT", "MX", "SRV", "PTR", "HTTPS", "SVCB"]
    data: str
    ttl: Ttl = 30


class VirtualNameSpec(_Spec, frozen=True, kw_only=True):
    """A name that exists because an operator says so, for some tenants or, with an empty list, for all."""

    name: Annotated[str, Meta(min_length=1, max_length=1009)]
    records: Annotated[list[VirtualRecord], Meta(min_length=1)]
    tenants: list[ObjectName] = []


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


PolicyObject = Tenant | DNSPolicy | VirtualName
KINDS: dict[str, type[Tenant] | type[DNSPolicy] | type[VirtualName]] = {
    "Tenant": Tenant,
    "DNSPolicy": DNSPolicy,
    "VirtualName": VirtualName,
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
