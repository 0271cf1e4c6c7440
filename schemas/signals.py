"""What streams and resolvers tell each other, one JSON message each.

Telemetry, Alert, AlertOrder, ContextSignal, Overlay, Binding, PolicyStatus, DeadLetter.
Times are UTC. Every value that steers policy carries its reason and its expiry.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from schemas.objects import Severity

AlertState = Literal["open", "updated", "closed"]


class _Signal(msgspec.Struct, frozen=True, kw_only=True):
    pass


class TopItem(_Signal, frozen=True, kw_only=True):
    """One heavy hitter: the true count lies in [count - error, count]."""

    item: str
    count: int
    error: int = 0


class Telemetry(_Signal, frozen=True, kw_only=True):
    """One tenant (and workload, empty for the whole tenant) in one tumbling window of event time.

    counts: keyed ``verdict:deny``, ``rule:NAME``, ``audit:NAME``, ``rcode:NXDOMAIN``, ``qtype:A``, ``transport:udp``,
    ``answer_source:cache``, ``upstream_failure``, ``truncated`` ...; latency_us: p50, p90, p99 in microseconds.
    newly_observed: names this tenant had not asked before. dropped: events each resolver could not publish, of all its
    tenants, by source. bounds: relative standard error of ``clients`` and ``names`` (0 while they are exact), largest
    relative error of ``latency_us``.
    """

    tenant: str
    workload: str
    window_start: datetime
    window_seconds: int
    queries: int
    bytes_in: int
    bytes_out: int
    counts: dict[str, int]
    clients: float
    names: float
    latency_us: dict[str, float]
    upstream_latency_us: dict[str, dict[str, float]]
    top_names: tuple[TopItem, ...]
    top_domains: tuple[TopItem, ...]
    top_clients: tuple[TopItem, ...]
    top_denied: tuple[TopItem, ...]
    newly_observed: int = 0
    dropped: dict[str, int] = {}
    bounds: dict[str, float] = {}
    version: int = 1


class SuggestedEntry(_Signal, frozen=True, kw_only=True):
    """The overlay entry a finding would like to see in force."""

    pattern: str
    action: Literal["deny", "tag"] = "deny"
    duration_s: int = 900


class Alert(_Signal, frozen=True, kw_only=True):
    """One change of an alert's state. `id` is stable for the same ongoing (tenant, detector, subject).

    first_seen, last_seen: event time, when it happened. changed: processing time, when this was said; it orders what is
    said, retention and delivery go by it. Of imported and of late events they lie apart.
    parent: id of the alert it is part of; empty for one that stands alone. muted: id of the order that keeps it from
    being delivered and from changing policy. ending: why it was closed.
    """

    id: str
    tenant: str
    detector: str
    subject: str
    state: AlertState
    revision: int
    severity: Severity
    severity_reason: str
    title: str
    first_seen: datetime
    last_seen: datetime
    changed: datetime
    evidence: dict[str, float | int | str]
    samples: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    suggested: SuggestedEntry | None = None
    parent: str = ""
    muted: str = ""
    ending: str = ""
    version: int = 1


class AlertOrder(_Signal, frozen=True, kw_only=True):
    """What a person decided about alerts of a tenant; it holds until it expires or is revoked by a tombstone.

    mute: alerts whose detector and subject match are told with `muted`, but neither delivered nor acted upon.
    close: the alert `alert` ends now; it opens again on fresh evidence.
    detector, subject: patterns with ``*``; alert: an id, instead of these. Tenant, reason and author are never empty.
    """

    id: str
    tenant: str
    action: Literal["mute", "close"]
    reason: str
    author: str
    created: datetime
    expires: datetime
    alert: str = ""
    detector: str = "*"
    subject: str = "*"
    version: int = 1


class ContextSignal(_Signal, frozen=True, kw_only=True):
    """A fact about a subject that holds until it expires, for rules and discovery to use."""

    tenant: str
    kind: str
    subject: str
    value: str
    source: str
    reason: str
    created: datetime
    expires: datetime
    version: int = 1


class OverlayEntry(_Signal, frozen=True, kw_only=True):
    """One policy entry that streams put in force; never without source, reason and expiry."""

    id: str
    pattern: str
    action: Literal["deny", "tag"]
    mode: Literal["audit", "enforce"]
    severity: Severity
    reason: str
    detector: str
    created: datetime
    expires: datetime


class EndedEntry(_Signal, frozen=True, kw_only=True):
    """An entry that is no longer in force, since when, and why."""

    id: str
    created: datetime
    ended: datetime
    ending: str


class Overlay(_Signal, frozen=True, kw_only=True):
    """A tenant's whole overlay; it replaces the one before. `revision` rises by one with each change.

    ended: entries that ended within the last hour, the latest 200 of them, for the audit trail.
    """

    tenant: str
    revision: int
    entries: tuple[OverlayEntry, ...]
    changed: datetime
    ended: tuple[EndedEntry, ...] = ()
    version: int = 1


class Binding(_Signal, frozen=True, kw_only=True):
    """Which workload learnt which address from which name, until when.

    client: address of a client that belongs to no workload. source: the resolver that says so; others may say later.
    """

    tenant: str
    workload: str
    name: str
    address: str
    until: datetime
    client: str = ""
    source: str = ""
    version: int = 1


class Refusal(_Signal, frozen=True, kw_only=True):
    """An object or overlay a resolver refused, and why (with the key path)."""

    key: str
    error: str


class PolicyStatus(_Signal, frozen=True, kw_only=True):
    """What one resolver worker runs. A worker that has not spoken for 15 s is not live.

    objects_offset, overlays_offset: next offset of each policy topic (one partition each) that is fully in force.
    """

    resolver: str
    epoch: int
    time: datetime
    policy_version: str
    objects: int
    objects_offset: int
    overlays_offset: int
    refused: tuple[Refusal, ...] = ()
    stopped: bool = False
    version: int = 1


class DeadLetter(_Signal, frozen=True, kw_only=True):
    """What could not be decoded; value is base64 of the first 64 KiB."""

    topic: str
    partition: int
    offset: int
    error: str
    time: datetime
    value: bytes
    version: int = 1


encode_signal = msgspec.json.Encoder().encode
