"""The spec of a Tenant: who belongs to it, what it may see, how it resolves, what it may use, how it is watched."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.detection_spec import Detection
from schemas.spec import Labels, Mode, Name, ObjectName, Pattern, Severity, Spec, Subnet

FeedbackMode = Literal["off", "tag", "audit", "enforce"]


class ClientMatch(Spec, frozen=True, kw_only=True):
    """Clients that belong to a tenant: every key given must hold, a list holds when any of its entries does.

    listeners: names of the resolver's listeners. server_names: TLS server names (SNI) or DoH hosts. paths: DoH paths.
    certificates: identities of client certificates (SPIFFE id or subject alternative name), seen by the listener or
    told by a trusted proxy. namespaces: labels of the client's Kubernetes namespace.
    """

    subnets: list[Subnet] = []
    listeners: list[ObjectName] = []
    server_names: list[Pattern] = []
    paths: list[Annotated[str, Meta(pattern=r"^/", description="a path that begins with /")]] = []
    certificates: list[Annotated[str, Meta(min_length=1)]] = []
    namespaces: Labels = {}


class Workload(Spec, frozen=True, kw_only=True):
    """A named, labelled part of a tenant."""

    name: ObjectName
    subnets: Annotated[list[Subnet], Meta(min_length=1)]
    labels: Labels = {}


class UpstreamGroup(Spec, frozen=True, kw_only=True):
    """Servers for suffixes; the group without suffixes takes the rest.

    servers: ``udp://address[:port]`` (TCP retry on truncation), ``tcp://address[:port]``,
    ``tls://address[:port][#name]`` (DoT, RFC 7858; the certificate must bear the name, without one the address),
    ``https://address[:port][/path][#name]`` (DoH, RFC 8484).
    plaintext: must be true for udp and tcp servers that are not on loopback, since these are readable on the way.
    strategy: ``ordered`` (as written, failing ones last), ``fastest`` (by measured latency), ``random``.
    ca_file: path, at the resolver, of certificates that vouch for tls and https servers; by default the system's.
    """

    servers: Annotated[list[str], Meta(min_length=1, max_length=16)]
    suffixes: list[Pattern] = []
    name: str = ""
    plaintext: bool = False
    timeout_ms: Annotated[int, Meta(ge=10, le=30000)] = 1500
    strategy: Literal["ordered", "fastest", "random"] = "ordered"
    ca_file: str = ""


class Caching(Spec, frozen=True, kw_only=True):
    """How answers of upstream are remembered; times in seconds.

    min_ttl, max_ttl: bounds of a positive answer's life; max_negative_ttl: of a negative one (RFC 2308 section 5).
    prefetch: renew a popular answer before it ends. serve_stale: how long behind its end an answer may stand in when
    upstreams fail (RFC 8767), 0 is never. entries: most answers remembered, 0 is a fair share of the resolver's.
    """

    min_ttl: Annotated[int, Meta(ge=0, le=3600)] = 0
    max_ttl: Annotated[int, Meta(ge=1, le=7 * 86400)] = 86400
    max_negative_ttl: Annotated[int, Meta(ge=0, le=86400)] = 3600
    prefetch: bool = True
    serve_stale: Annotated[int, Meta(ge=0, le=7 * 86400)] = 86400
    entries: Annotated[int, Meta(ge=0)] = 0


class Limits(Spec, frozen=True, kw_only=True):
    """What one tenant may use of one resolver worker; 0 is no limit.

    queries_per_second: of the whole tenant, burst above it for a moment. client_queries_per_second: of one client.
    slip: of the UDP queries over a limit every n-th is answered truncated (so that a real client comes back over TCP),
    the others are dropped; 0 drops all. in_flight: queries waiting for upstream at a time; more get SERVFAIL.
    """

    queries_per_second: Annotated[int, Meta(ge=0)] = 0
    burst: Annotated[int, Meta(ge=0)] = 0
    client_queries_per_second: Annotated[int, Meta(ge=0)] = 0
    client_burst: Annotated[int, Meta(ge=0)] = 0
    slip: Annotated[int, Meta(ge=0, le=100)] = 2
    in_flight: Annotated[int, Meta(ge=0)] = 0


class Privacy(Spec, frozen=True, kw_only=True):
    """How clients appear in events, and for how long events are kept. The key of pseudonyms is the resolver's."""

    client: Literal["clear", "pseudonym", "drop"] = "clear"
    retention_days: Annotated[int, Meta(ge=1, le=3650)] = 30


class Feedback(Spec, frozen=True, kw_only=True):
    """What streams may do to this tenant's policy.

    mode: the furthest step, for every detector that `detectors` does not name. A finding starts with a tag (info, low),
    an audited denial (medium) or an enforced one (high, critical), and rises a step whenever its cause has lasted
    `escalate_after_s` seconds; 0 goes to the furthest step at once. exempt: patterns that are never blocked.
    max_duration_s caps an entry's life; max_entries how many may be in force at once, max_entries_per_detector how many
    of these one detector may have, max_new_per_hour how many may be added.
    """

    mode: FeedbackMode = "audit"
    detectors: dict[str, FeedbackMode] = {}
    min_severity: Severity = "medium"
    max_duration_s: Annotated[int, Meta(ge=1, le=7 * 86400)] = 900
    escalate_after_s: Annotated[int, Meta(ge=0, le=86400)] = 600
    max_entries: Annotated[int, Meta(ge=0, le=10000)] = 100
    max_entries_per_detector: Annotated[int, Meta(ge=0, le=10000)] = 50
    max_new_per_hour: Annotated[int, Meta(ge=0, le=100000)] = 200
    exempt: list[Pattern] = []


class Rebinding(Spec, frozen=True, kw_only=True):
    """Guard against public names that answer with private, loopback, link-local or shared addresses.

    Names that the tenant's own servers resolve (an upstream group with suffixes) and local answers are not public.
    exempt: names that may.
    """

    mode: Literal["enforce", "audit", "off"] = "enforce"
    exempt: list[Pattern] = []


Visible = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)/(\*|[a-z0-9*]([a-z0-9.*-]{0,61}[a-z0-9*])?)$",
        description="owner/service such as shared/*",
    ),
]


class TenantSpec(Spec, frozen=True, kw_only=True):
    """Who belongs to the tenant and how it resolves. `unknown: true` makes it the tenant of clients nobody claims.

    visible: services of other tenants it may discover, as far as these export them. disclose_hidden: answer EDE 18
    (Prohibited) for what is exported to it but not in `visible`; without it such a name looks like one that does not
    exist. What its owner does not export is never disclosed.
    search: domains tried for names with fewer than `ndots` dots, in order.
    detection: how the detectors of the analytics judge it.
    """

    default: Literal["allow", "deny"]
    clients: list[ClientMatch] = []
    workloads: list[Workload] = []
    unknown: bool = False
    mode: Mode = "enforce"
    visible: list[Visible] = []
    disclose_hidden: bool = False
    search: Annotated[list[Name], Meta(max_length=32)] = []
    ndots: Annotated[int, Meta(ge=1, le=15)] = 1
    upstreams: list[UpstreamGroup] = []
    caching: Caching = Caching()
    limits: Limits = Limits()
    rebinding: Rebinding = Rebinding()
    privacy: Privacy = Privacy()
    feedback: Feedback = Feedback()
    detection: Detection = Detection()


__all__ = ["Caching", "ClientMatch", "Feedback", "FeedbackMode", "Limits", "Privacy", "Rebinding", "TenantSpec",
           "UpstreamGroup", "Workload"]  # fmt: skip
