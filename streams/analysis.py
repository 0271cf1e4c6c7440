"""One tenant's analysis: query events in, telemetry, alerts, context signals and overlays out. The only door for agents.

On the path: codec -> split_by_tenant -> TenantState.update (here) -> topics. Knows columns and values; must not know
Kafka, Faust, clocks or where state is kept. Event time drives windows; ``now`` only closes what went idle.

How to keep the state (one table, keys ``(tenant, part)``, bytes values):

- after every ``update``/``tick``/``configure``/``restore`` write what ``dirty()`` returns, in its order: part ``main`` (with the high-water of each
  (source, epoch)) comes last, so that a write cut short is simply replayed; None means delete the part;
- ``TenantState.load(tenant, get, settings)`` asks ``get("main")`` first and then only for parts main names;
- ``to_bytes``/``from_bytes`` hold everything in one value; fine for tests and small tenants, not per batch.

A replayed row is skipped (its sequence is not above the high-water), so a batch may be given any number of times. Small
batches of many tenants are cheaper when several records are concatenated before they are split (``stream.take``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from schemas.objects import Feedback, TenantSpec
from schemas.signals import Alert, ContextSignal, Overlay, Telemetry


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What the tenant's operator decided: feedback, and the patterns of names its own servers resolve."""

    feedback: Feedback = field(default_factory=Feedback)
    internal: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: TenantSpec) -> TenantSettings:
        """Settings of a Tenant object."""
        internal = tuple(pattern for group in spec.upstreams for pattern in group.suffixes)
        return cls(feedback=spec.feedback, internal=internal)


@dataclass(slots=True)
class Findings:
    """What one call found, ready for its topics; every message may be sent again without harm."""

    telemetry: list[Telemetry] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    signals: list[ContextSignal] = field(default_factory=list)
    overlays: list[Overlay] = field(default_factory=list)


class TenantState:
    """Everything streams remember of one tenant; bounded whatever the traffic."""

    def __init__(self, tenant: str, settings: TenantSettings | None = None) -> None:
        self.tenant = tenant
        self.settings = settings or TenantSettings()

    def configure(self, settings: TenantSettings, now: float) -> Findings:
        """Take over a changed Tenant object; entries in force follow at once (a new mode, a new exemption)."""
        self.settings = settings
        return Findings()

    def update(self, columns: pa.RecordBatch, now: float) -> Findings:
        """Take in rows of this tenant (schema events.SCHEMA, any number of sources).

        Args:
            columns: rows; those already seen are skipped.
            now: processing time, Unix seconds.
        """
        return Findings()

    def tick(self, now: float) -> Findings:
        """Let time pass: idle windows close, quiet alerts close, overlay entries expire. Call about once a second."""
        return Findings()

    def dirty(self) -> dict[str, bytes | None]:
        """Parts that changed since the last call, in the order to write them; None deletes a part."""
        return {}

    @classmethod
    def load(cls, tenant: str, get: Callable[[str], bytes | None], settings: TenantSettings | None = None) -> TenantState:
        """State from its parts; a fresh one when there is no ``main``."""
        return cls(tenant, settings)

    def to_bytes(self) -> bytes:
        """The whole state in one value."""
        return b""

    @classmethod
    def from_bytes(cls, tenant: str, value: bytes, settings: TenantSettings | None = None) -> TenantState:
        """State from ``to_bytes``."""
        return cls(tenant, settings)

    def baselines(self) -> dict[str, float]:
        """What was learnt, as plain values for the warehouse (name -> number)."""
        return {}

    def restore(self, *, alerts: Iterable[Alert] = (), overlay: Overlay | None = None,
                baselines: Mapping[str, float] | None = None, now: float) -> Findings:
        """Reload what a durable memory knows into a fresh state: last word of each alert, last overlay, baselines."""
        return Findings()


def split_by_tenant(columns: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """Rows of each tenant, in order; no copy when there is only one."""
    return [("", columns)]
