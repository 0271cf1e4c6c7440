"""How many new names each client met, in minutes of event time, and who met far more than usual within ten of them.

State of the detector newly_observed. Must not know when a name is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.detection_spec import NewlyObservedSpec
from streams.columns import TenantRows
from streams.detectors.denials import clients_of
from streams.detectors.habits import Habits
from streams.detectors.panes import Panes
from streams.distinct import close_together, distinct
from streams.hashing import Hashes
from streams.parts import Parts, pack, unpack

PANE, PANES = 60, 10
MOST_CLIENTS = 500
_SAMPLES = 5


@dataclass(slots=True)
class _Client:
    names: int
    client: str
    workload: str
    samples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Met:
    """A client's burst: new names within the window that ends at `end`, and the limit it crossed."""

    client: str
    workload: str
    names: int
    limit: float
    usual: float
    end: float
    samples: tuple[str, ...]


class Meetings:
    """Panes by number, clients by hash."""

    def __init__(self) -> None:
        self._panes = Panes(PANE)
        self._met: dict[int, dict[int, _Client]] = {}
        self._touched: set[int] = set()
        self._habits, self._window = Habits(), -1
        self._alerting: dict[int, int] = {}

    def add(self, rows: TenantRows) -> None:
        """Take in rows, each with another new name."""
        if not len(rows):
            return
        panes, clients = self._panes.place(rows.times), clients_of(rows)
        for pane in close_together(panes):
            here = np.flatnonzero(panes == pane)
            self._touched.add(pane)
            for client in distinct(clients[here]).tolist():
                self._count(pane, client, rows, here[clients[here] == np.uint64(client)])

    def _count(self, pane: int, client: int, rows: TenantRows, some: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        met = self._met.setdefault(pane, {})
        if client not in met:
            if len(met) >= MOST_CLIENTS:
                return
            who = (
                rows.batch.values(column)[int(rows.codes(column)[some[0]])].as_py() for column in ("client", "workload")
            )
            met[client] = _Client(0, *who)
        here = met[client]
        room = _SAMPLES - len(here.samples)
        here.samples += rows.batch.named("qname", rows.codes("qname")[some[:room]])
        here.names += len(some)

    def judge(self, clock: float, mine: NewlyObservedSpec) -> Iterator[Met]:
        """Bursts that the panes show which are now over."""
        waiting = [pane for pane in self._met if pane >= self._panes.open_from]
        for pane in self._panes.over(clock, waiting):
            self._learn(pane)
            yield from self._bursts(pane, mine)
        self._learn(self._panes.open_from)
        gone = [pane for pane in self._met if pane < self._panes.open_from - 2 * PANES]
        for pane in gone:
            del self._met[pane]
        self._touched.update(gone)

    def _sum(self, first: int, last: int) -> tuple[Hashes, np.ndarray[Any, np.dtype[np.float64]]]:
        """Clients (sorted) and what they met in the panes first..last."""
        total: dict[int, int] = {}
        for pane in range(first, last + 1):
            for client, here in self._met.get(pane, {}).items():
                total[client] = total.get(client, 0) + here.names
        clients = sorted(total)
        return np.array(clients, np.uint64), np.array([total[client] for client in clients], np.float64)

    def _learn(self, pane: int) -> None:
        """Teach habits the windows before the one of this pane."""
        window = pane // PANES
        if self._window < 0 or window <= self._window:
            self._window = max(self._window, window)
            return
        first = self._window * PANES
        clients, names = self._sum(first, first + PANES - 1)
        frozen = np.array(sorted(key for key, at in self._alerting.items() if at >= first), np.uint64)
        if len(clients) or len(self._habits.keys):
            self._habits.learn(clients, names, frozen)
            self._habits.pass_idle(window - self._window - 1)
        self._alerting = {key: at for key, at in self._alerting.items() if at >= window * PANES}
        self._window = window

    def _bursts(self, pane: int, mine: NewlyObservedSpec) -> Iterator[Met]:
        clients, names = self._sum(pane - PANES + 1, pane)
        limits, usual = self._habits.limits(clients, mine.z, mine.burst), self._habits.usual(clients)[0]
        for at in np.flatnonzero(names >= limits).tolist():
            here = self._met[pane].get(int(clients[at]))
            if here is not None:
                self._alerting[int(clients[at])] = pane
                who, end = (here.client, here.workload), float((pane + 1) * PANE)
                yield Met(*who, int(names[at]), float(limits[at]), float(usual[at]), end, tuple(here.samples))

    def touch(self) -> None:
        """Count every pane as changed."""
        self._touched |= self._met.keys()

    def save(self, parts: Parts) -> list[Any]:
        """Changed panes as parts."""
        for pane in sorted(self._touched):
            if pane in self._met:
                met = sorted(self._met[pane].items())
                plain = [[key, here.names, here.client, here.workload, here.samples] for key, here in met]
                parts.put(f"met/{pane}", pack(plain))
            else:
                parts.drop(f"met/{pane}")
        self._touched.clear()
        return [self._panes.open_from, self._window, sorted(self._alerting.items()), self._habits.pack()]

    def load(self, rest: list[Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._panes.open_from, self._window, alerting, habits = rest
        self._alerting, self._habits = dict(alerting), Habits.unpack(habits)
        for name, value in values.items():
            if name.startswith("met/"):
                met = {key: _Client(*rest) for key, *rest in unpack(value)}
                self._met[int(name.partition("/")[2])] = met
