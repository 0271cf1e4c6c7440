"""The spec of a DNSPolicy: ordered rules of one tier; and of an EgressRule: connections that resolved names allow."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.spec import ClientSelector, Mode, ObjectName, Pattern, Priority, Spec, Subnet, Ttl

RuleClients = ClientSelector
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Hours = Annotated[
    str,
    Meta(
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$",
        description="a time span such as 08:00-16:30",
    ),
]


class SignalMatch(Spec, frozen=True, kw_only=True):
    """A context signal that must hold for the query: for its name or a domain above it, its client, or its workload.

    values: any of these; empty is any value.
    """

    kind: Annotated[str, Meta(min_length=1)]
    values: list[str] = []


class RuleMatch(Spec, frozen=True, kw_only=True):
    """What a rule looks at: every key given must hold; a list holds when any entry does.

    qname and domain_sets are one condition: a name in either. `not` and not_domain_sets take names out of it.
    On the answer, checked for every hop and every record: cname (targets), addresses (blocks), rcode.
    newly_observed: the name, or a domain above it, was first seen lately; signal: what streams say.
    """

    qname: list[Pattern] = []
    domain_sets: list[ObjectName] = []
    not_: list[Pattern] = msgspec.field(default_factory=list, name="not")
    not_domain_sets: list[ObjectName] = []
    qtype: list[str] = []
    transport: list[Literal["udp", "tcp", "tls", "https"]] = []
    cname: list[Pattern] = []
    addresses: list[Subnet] = []
    rcode: list[str] = []
    newly_observed: bool = False
    signal: list[SignalMatch] = []


class Schedule(Spec, frozen=True, kw_only=True):
    """When a rule holds: on these days, in these hours (a span may pass midnight), in this time zone (IANA name)."""

    time_zone: Annotated[str, Meta(min_length=1, description="an IANA time zone such as Europe/Berlin")]
    days: list[Day] = []
    hours: list[Hours] = []


class Answer(Spec, frozen=True, kw_only=True):
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


class Rule(Spec, frozen=True, kw_only=True):
    """One rule. Terminal actions: allow, deny, redirect, rpz; in the platform tier also pass (leave it to the tenant).

    rpz: do what the zones named in match.domainSets say for the trigger that matched.
    """

    name: ObjectName
    action: Literal["allow", "deny", "redirect", "rpz", "pass", "log", "tag", "route", "continue"]
    clients: ClientSelector = ClientSelector()
    match: RuleMatch = RuleMatch()
    schedule: Schedule | None = None
    answer: Answer = Answer()
    log: bool = False
    mode: Mode = "enforce"
    expires: datetime | None = None
    tag: str = ""
    route: str = ""


class DNSPolicySpec(Spec, frozen=True, kw_only=True):
    """Ordered rules of one tier, for some tenants or, with an empty list, for all."""

    tier: Literal["platform", "tenant", "baseline"]
    rules: Annotated[list[Rule], Meta(min_length=1)]
    tenants: list[ObjectName] = []
    priority: Priority = 1000
    mode: Mode = "enforce"


class EgressPort(Spec, frozen=True, kw_only=True):
    """A port or, with `end_port`, a range of ports."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    end_port: Annotated[int, Meta(ge=1, le=65535)] | None = None


class EgressHttp(Spec, frozen=True, kw_only=True):
    """HTTP requests: to these hosts (those of `names` when empty), with these methods, below these paths."""

    hosts: list[Pattern] = []
    methods: list[Annotated[str, Meta(pattern=r"^[A-Z]+$", description="a method such as GET")]] = []
    paths: list[Annotated[str, Meta(pattern=r"^/", description="a path that begins with /")]] = []


class EgressRuleSpec(Spec, frozen=True, kw_only=True):
    """What may be connected to, given the names that were resolved: the addresses a client learnt from these names.

    grace_seconds: how long behind an answer's TTL its addresses stay open; min_seconds: shortest time they do.
    """

    action: Literal["allow", "deny"]
    tenants: list[ObjectName] = []
    clients: ClientSelector = ClientSelector()
    names: list[Pattern] = []
    domain_sets: list[ObjectName] = []
    ports: list[EgressPort] = []
    http: list[EgressHttp] = []
    priority: Priority = 1000
    mode: Mode = "enforce"
    min_seconds: Annotated[int, Meta(ge=1, le=86400)] = 60
    grace_seconds: Annotated[int, Meta(ge=0, le=86400)] = 300


__all__ = ["Answer", "DNSPolicySpec", "Day", "EgressHttp", "EgressPort", "EgressRuleSpec", "Rule", "RuleClients",
           "RuleMatch", "Schedule", "SignalMatch"]  # fmt: skip
