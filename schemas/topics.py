"""One table: every topic, what it carries, how it is keyed, partitioned and kept, who writes and who reads.

This table is the only place where topic names and their configuration are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from schemas import batches, objects, signals, turns

_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Topic:
    """A described contract.

    Attributes:
        name: topic on the broker.
        value: Python type of the value, or BatchHeader for Arrow batches.
        key: what the key says.
        partitions: default count; dns.events may be created with more.
        config: topic configuration in Kafka's own words.
        producers, consumers: programs.
    """

    name: str
    value: object
    key: str
    partitions: int
    config: Mapping[str, str]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]


def _delete(hours: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(hours * _HOUR_MS)}


_COMPACT = {"cleanup.policy": "compact"}

EVENTS = Topic(
    "dns.events",
    batches.BatchHeader,
    "none; partition chosen by tenant",
    4,
    {**_delete(24), "max.message.bytes": "4194304"},
    ("resolver",),
    ("streams",),
)
TELEMETRY = Topic("dns.telemetry", signals.Telemetry, "tenant", 1, _delete(24), ("streams",), ("streams",))
ALERTS = Topic("dns.alerts", signals.Alert, "tenant", 1, _delete(30 * 24), ("streams",), ("streams", "alert consumers"))
ORDERS = Topic(
    "alerts.orders",
    signals.AlertOrder,
    "tenant/id",
    1,
    _COMPACT,
    ("compose",),
    ("streams",),
)
CONTEXT = Topic("dns.context", signals.ContextSignal, "tenant", 1, _delete(24), ("streams",), ("streams", "resolver"))
BINDINGS = Topic(
    "dns.bindings",
    signals.Binding,
    "tenant/workload/name/address/resolver, the client's address where there is no workload",
    1,
    {**_delete(24), "cleanup.policy": "compact,delete"},
    ("resolver",),
    ("compose",),
)
OBJECTS = Topic(
    "policy.objects", objects.PolicyObject, "kind/tenant/name", 1, _COMPACT, ("compose",), ("resolver", "streams")
)
FOLLOWED_BY = "followed-by"
"""Header of a record of policy.objects: how many records behind it, as digits, belong to the same change."""
OVERLAYS = Topic("policy.overlays", signals.Overlay, "tenant", 1, _COMPACT, ("streams",), ("resolver", "streams"))
STATUS = Topic("policy.status", signals.PolicyStatus, "resolver", 1, _COMPACT, ("resolver",), ("compose", "streams"))
TURNS = Topic("policy.turns", turns.Turn, "claim", 1, _delete(1), ("compose",), ("compose",))
DEAD = Topic("dns.dead", signals.DeadLetter, "none", 1, _delete(7 * 24), ("streams",), ("operators",))

TOPICS: tuple[Topic, ...] = (
    *(EVENTS, TELEMETRY, ALERTS, ORDERS, CONTEXT, BINDINGS),
    *(OBJECTS, OVERLAYS, STATUS, TURNS, DEAD),
)


def partition_of(tenant: str, partitions: int) -> int:
    """Partition of dns.events for a tenant, the same in every resolver: CRC-32 of the name modulo the partitions."""
    return crc32(tenant.encode()) % partitions
