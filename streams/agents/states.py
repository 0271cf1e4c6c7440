"""The tenants' states of one worker: loaded from the table when needed, changed in memory, written at checkpoints.

Between the agents and the pure core. Only so many stay in memory: those used longest ago leave once they are written,
and are read again when they are needed. An offset is committed only after the state that contains its events is written
and the broker has it; what is replayed after a crash the state itself skips.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, MutableMapping

import pyarrow as pa

from schemas.batches import BatchHeader
from schemas.signals import AlertOrder
from streams.agents.memory import Learnt
from streams.agents.residents import Aside, Place, Residents
from streams.analysis import Findings, TenantRows, TenantSettings, TenantState, split_by_tenant
from streams.losses import Losses
from streams.orders import MOST_ORDERS
from streams.population import Population

_LOG = logging.getLogger(__name__)
_DUE = "due"
LOADED_A_TICK = 200
"""States read from the table in one tick because time has to pass for them."""


class States:
    """States by partition and tenant.

    Args:
        table: ``tenant NUL part`` -> bytes; read and written within the partition's stream only. The part ``due`` of a
            tenant set aside says when time has to pass for it; a tenant without is looked at after a restart.
        most: states to keep in memory; the others are read from the table at their next event, or when they are due.
    """

    def __init__(self, table: MutableMapping[bytes, bytes], most: int = 2000) -> None:
        self._table = table
        self.residents = Residents(most)
        self.settings: dict[str, TenantSettings] = {}
        self.orders: dict[str, dict[str, AlertOrder]] = {}
        self.learnt = Learnt()
        self.population = Population()
        self._told: list[Findings] = []
        self._held: dict[int, list[pa.RecordBatch]] = {}
        self._ends: dict[int, tuple[float, float]] = {}
        self._digested: dict[int, list[pa.RecordBatch]] = {}
        self._heard: dict[int, Losses] = {}
        self._untold: dict[str, dict[str, float]] = {}
        self._most_untold = most + LOADED_A_TICK

    @property
    def crowded(self) -> bool:
        """Whether more states are in memory than should be: write now, and the least recently used ones leave."""
        return self.residents.crowded

    def remember(self, learnt: Learnt) -> None:
        """Take over what a durable memory knows; what it holds of no tenant is of all of them."""
        self.population.relearn(learnt.baselines.get("", {}))
        self.learnt = learnt

    def hear(self, partition: int, header: BatchHeader) -> None:
        """Take in the counters of a batch, which may hold no rows."""
        self._heard.setdefault(partition, Losses()).hear(header.source, {header.epoch: header.dropped})

    def hold(self, partition: int, columns: pa.RecordBatch) -> int:
        """Keep a batch for the next `digest`; rows that wait, of all partitions."""
        held = self._held.setdefault(partition, [])
        held.append(columns)
        if columns.num_rows:
            times = [columns.column("time")[place].as_py().timestamp() for place in (0, -1)]
            times += self._ends.get(partition, ())
            self._ends[partition] = min(times), max(times)
        return sum(batch.num_rows for batches in self._held.values() for batch in batches)

    def spread(self, partition: int) -> float:
        """Seconds of event time that what waits spans; a batch is taken to be in order of time."""
        return max(ends := self._ends.get(partition, (0.0,))) - min(ends)

    def digest(self, now: float) -> Iterator[list[Findings]]:
        """Take in every batch held until now, each partition's in order.

        Pauses with what was found so far whenever it is crowded, so that states can be written and leave; batches of
        partitions forgotten meanwhile are left to whoever got them.
        """
        self._digested, self._held, self._ends = self._held, {}, {}
        return self._digesting(self._digested, now)

    def _digesting(self, held: dict[int, list[pa.RecordBatch]], now: float) -> Iterator[list[Findings]]:
        found: list[Findings] = []
        for partition in list(held):
            if not held.get(partition):
                continue
            whole = pa.Table.from_batches(held[partition]).unify_dictionaries().combine_chunks()
            held[partition] = []  # frees them: a turn of a busy worker is large
            for columns in whole.to_batches():
                for tenant, rows in split_by_tenant(columns):
                    if partition in held:
                        found += self._with_told([self._update(partition, tenant, rows, now)])
                    if self.crowded:
                        yield found
                        found = []
        yield found

    def update(self, partition: int, columns: pa.RecordBatch, now: float) -> list[Findings]:
        """Take in one batch of a partition; what it says about each tenant in it."""
        found = [self._update(partition, tenant, rows, now) for tenant, rows in split_by_tenant(columns)]
        return self._with_told(found)

    def _update(self, partition: int, tenant: str, rows: TenantRows, now: float) -> Findings:
        heard = self._heard.setdefault(partition, Losses()).heard
        return self._of(partition, tenant, now).update(rows, now, heard)

    def _of(self, partition: int, tenant: str, now: float, *, used: bool = True) -> TenantState:
        """State of a tenant; from the table, or from durable memory where the table has none."""
        place = (partition, tenant)
        state = self.residents.get(place)
        if state is None:
            state = self._load(place, now)
            self.residents.enter(place, state, used=used)
        state.prior = self.population.prior
        return state

    def open(self, partition: int, tenants: Iterable[str]) -> None:
        """Know of states that time must pass for, though no event of theirs may ever come."""
        for tenant in tenants:
            if (partition, tenant) not in self.residents:
                due = self._table.get(_key(tenant, _DUE))
                self.residents.set_aside((partition, tenant), Aside(float(due) if due else 0.0))

    def tick(self, now: float) -> list[Findings]:
        """Let time pass for every state in memory, and for those set aside that are due."""
        for partition, tenant in self.residents.due(now, LOADED_A_TICK):
            self._of(partition, tenant, now, used=False)
        return self._with_told([state.tick(now) for state in self.residents.states() if state.needs_time(now)])

    def configure(self, tenant: str, settings: TenantSettings, now: float) -> list[Findings]:
        """Take over what an operator changed."""
        self.settings[tenant] = settings
        self.residents.wake(tenant, always=False)
        return [state.configure(settings, now) for state in self.residents.of(tenant)]

    def order(self, tenant: str, name: str, order: AlertOrder | None, now: float) -> list[Findings]:
        """Take over an order about a tenant's alerts, or its end."""
        known = self.orders.setdefault(tenant, {})
        known.pop(name, None)
        if order is not None:
            known[name] = order
        held = {key: item for key, item in known.items() if item.expires.timestamp() > now}
        known = self.orders[tenant] = dict(list(held.items())[-MOST_ORDERS:])
        self.residents.wake(tenant, always=True)
        return [state.obey(known.values(), now) for state in self.residents.of(tenant)]

    def write(self, partition: int) -> int:
        """Write what changed to the table, within the partition's stream; the bytes written. Some states may leave."""
        written = sum(self._write(state) for state in self.residents.states(partition))
        for state in self.residents.leaving(partition):
            due = state.due()
            self._table[_key(state.tenant, _DUE)] = repr(due).encode()
            self._remember(state)
            self.residents.set_aside((partition, state.tenant), Aside(due, state.fleeting()))
        return written

    def _write(self, state: TenantState) -> int:
        written, parts = 0, state.dirty()
        if parts and self._table.get(_key(state.tenant, _DUE)) is not None:
            del self._table[_key(state.tenant, _DUE)]
        for part, value in parts.items():
            key = _key(state.tenant, part)
            if value is None:
                del self._table[key]
            else:
                self._table[key] = value
                written += len(value)
        return written

    def forget(self, partitions: Iterable[int] | None = None) -> None:
        """Drop states from memory (all, without partitions); the table has what was written."""
        self.residents.forget(partitions)
        for batches in (self._held, self._ends, self._digested, self._heard):
            for partition in list(batches) if partitions is None else partitions:
                batches.pop(partition, None)

    def baselines(self, now: float) -> dict[str, dict[str, float]]:
        """What was learnt of states in memory and of some that left since; of all of them under no tenant's name."""
        for state in self.residents.states():
            self._remember(state)
        told, self._untold = self._untold, {}
        self.population.make(now)
        common = {**told.pop("", {}), **self.population.learnt()}
        return {**told, **({"": common} if common else {})}

    def _remember(self, state: TenantState) -> None:
        """Keep what is to be told of a state; of many that left those who did first are told when they come again."""
        self.population.take(state.tenant, *state.panel.week())
        if values := state.baselines():
            self._untold.pop(state.tenant, None)
            self._untold[state.tenant] = values
        while len(self._untold) > self._most_untold:
            del self._untold[next(iter(self._untold))]

    def __len__(self) -> int:
        return len(self.residents)

    def _load(self, place: Place, now: float) -> TenantState:
        tenant, aside = place[1], self.residents.aside(place)
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
        if aside is not None:
            state.come_back(aside.fleeting)
            if settings is not None:
                self._told.append(state.configure(settings, now))
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
