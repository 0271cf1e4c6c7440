"""The tenants' states of one worker: loaded from the table when needed, changed in memory, written at checkpoints.

Between the agents and the pure core. An offset is committed only after the state that contains its events is written
and the broker has it; what is replayed after a crash the state itself skips.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field

import pyarrow as pa

from schemas.batches import BatchHeader
from schemas.signals import Alert, AlertOrder, Overlay
from streams.analysis import Findings, TenantSettings, TenantState, split_by_tenant
from streams.losses import Losses
from streams.orders import MOST_ORDERS

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a durable memory knows of all tenants; used for those whose state is empty.

    asked: registered domains each tenant has asked, and since when (Unix seconds).
    """

    alerts: Mapping[str, list[Alert]] = field(default_factory=dict)
    overlays: Mapping[str, Overlay] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    asked: Mapping[str, tuple[list[str], float]] = field(default_factory=dict)

    @property
    def tenants(self) -> set[str]:
        """Tenants it knows anything of."""
        return {*self.alerts, *self.overlays, *self.baselines, *self.asked}


class States:
    """States by partition and tenant.

    Args:
        table: ``tenant NUL part`` -> bytes; read and written within the partition's stream only.
    """

    def __init__(self, table: MutableMapping[bytes, bytes]) -> None:
        self._table = table
        self._live: dict[int, dict[str, TenantState]] = {}
        self.settings: dict[str, TenantSettings] = {}
        self.orders: dict[str, dict[str, AlertOrder]] = {}
        self.learnt = Learnt()
        self._told: list[Findings] = []
        self._held: dict[int, list[pa.RecordBatch]] = {}
        self._heard: dict[int, Losses] = {}

    def hear(self, partition: int, header: BatchHeader) -> None:
        """Take in the counters of a batch, which may hold no rows."""
        self._heard.setdefault(partition, Losses()).hear(header.source, {header.epoch: header.dropped})

    def hold(self, partition: int, columns: pa.RecordBatch) -> int:
        """Keep a batch for the next `digest`; rows of the partition that wait.

        An update costs by tenant and call more than by row: ten batches together cost little more than one.
        """
        held = self._held.setdefault(partition, [])
        held.append(columns)
        return sum(batch.num_rows for batch in held)

    def digest(self, now: float) -> list[Findings]:
        """Take in every batch that was held, each partition's in order."""
        held, self._held = self._held, {}
        found = []
        for partition, batches in held.items():
            for columns in pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches():
                found += self.update(partition, columns, now)
        return found

    def update(self, partition: int, columns: pa.RecordBatch, now: float) -> list[Findings]:
        """Take in one batch of a partition; what it says about each tenant in it."""
        heard = self._heard.setdefault(partition, Losses()).heard
        found = [self._of(partition, tenant, now).update(rows, now, heard) for tenant, rows in split_by_tenant(columns)]
        return self._with_told(found)

    def _of(self, partition: int, tenant: str, now: float) -> TenantState:
        """State of a tenant; from the table, or from durable memory where the table has none."""
        live = self._live.setdefault(partition, {})
        state = live.get(tenant)
        if state is None:
            state = live[tenant] = self._load(tenant, now)
        return state

    def open(self, partition: int, tenants: Iterable[str], now: float) -> None:
        """Load states that time must pass for, though no event of theirs may ever come."""
        for tenant in tenants:
            self._of(partition, tenant, now)

    def tick(self, now: float) -> list[Findings]:
        """Let time pass for every live state."""
        return self._with_told([state.tick(now) for live in self._live.values() for state in live.values()])

    def configure(self, tenant: str, settings: TenantSettings, now: float) -> list[Findings]:
        """Take over what an operator changed."""
        self.settings[tenant] = settings
        return [live[tenant].configure(settings, now) for live in self._live.values() if tenant in live]

    def order(self, tenant: str, name: str, order: AlertOrder | None, now: float) -> list[Findings]:
        """Take over an order about a tenant's alerts, or its end."""
        known = self.orders.setdefault(tenant, {})
        known.pop(name, None)
        if order is not None:
            known[name] = order
        held = {key: item for key, item in known.items() if item.expires.timestamp() > now}
        known = self.orders[tenant] = dict(list(held.items())[-MOST_ORDERS:])
        return [live[tenant].obey(known.values(), now) for live in self._live.values() if tenant in live]

    def write(self, partition: int) -> int:
        """Write what changed to the table, within the partition's stream; the bytes written."""
        written = 0
        for tenant, state in self._live.get(partition, {}).items():
            for part, value in state.dirty().items():
                key = _key(tenant, part)
                if value is None:
                    del self._table[key]
                else:
                    self._table[key] = value
                    written += len(value)
        return written

    def forget(self, partitions: Iterable[int] | None = None) -> None:
        """Drop states from memory (all, without partitions); the table has what was written."""
        for partition in {*self._live, *self._held, *self._heard} if partitions is None else partitions:
            self._live.pop(partition, None)
            self._held.pop(partition, None)
            self._heard.pop(partition, None)

    def baselines(self) -> dict[str, dict[str, float]]:
        """What was learnt of each live tenant."""
        return {
            tenant: values
            for live in self._live.values()
            for tenant, state in live.items()
            if (values := state.baselines())
        }

    def __len__(self) -> int:
        return sum(map(len, self._live.values()))

    def _load(self, tenant: str, now: float) -> TenantState:
        settings = self.settings.get(tenant)
        try:
            state = TenantState.load(tenant, self._getter(tenant), settings)
        except ValueError as error:
            _LOG.error("state of tenant %r cannot be read, starting it anew: %s", tenant, error)
            state = TenantState(tenant, settings)
        if self._table.get(_key(tenant, "main")) is None and tenant in self.learnt.tenants:
            told = state.restore(
                alerts=self.learnt.alerts.get(tenant, ()),
                overlay=self.learnt.overlays.get(tenant),
                baselines=self.learnt.baselines.get(tenant),
                asked=self.learnt.asked.get(tenant),
                now=now,
            )
            self._told.append(told)
        if orders := self.orders.get(tenant):
            self._told.append(state.obey(orders.values(), now))
        return state

    def _with_told(self, found: list[Findings]) -> list[Findings]:
        told, self._told = self._told, []
        return told + found

    def _getter(self, tenant: str) -> Callable[[str], bytes | None]:
        def get(part: str) -> bytes | None:
            return self._table.get(_key(tenant, part))

        return get


def _key(tenant: str, part: str) -> bytes:
    return f"{tenant}\0{part}".encode()


def tenants_of(keys: Iterable[bytes]) -> set[str]:
    """Tenants that have a state, from the table's keys."""
    return {tenant.decode() for tenant, _, part in (key.partition(b"\0") for key in keys) if part == b"main"}
