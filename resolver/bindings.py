"""Which workload learnt which address from which name, until when: what connections may be judged by.

Told by the handler with the answer ready; binding_publisher.py carries it to dns.bindings. Scoped to who asked: one
workload's lookup never opens another's door. Memory is bounded in names, in addresses a name and in changes that wait.
Pure: `now` is an argument. This module must not know rules, messages or Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from resolver.query import Record
from resolver.tenants import Asker
from schemas.signals import Binding

_FAMILIES = frozenset({"A", "AAAA"})


class Scope(NamedTuple):
    """Who learnt a name; client is empty where a workload is known."""

    tenant: str
    workload: str
    client: str
    name: str


class Keep(NamedTuple):
    """How long an address stays open: seconds at least, and seconds behind the end of the answer's TTL."""

    at_least: float
    grace: float


Place = tuple[Scope, str]
"""A scope and an address."""


@dataclass(slots=True)
class Bindings:
    """The addresses learnt lately.

    Args:
        source: name of this resolver worker.
        names: most scopes held; the one learnt longest ago makes room.
        addresses: most addresses a name; the one that ends first makes room.
        waiting: most changes that wait to be told.

    Attributes:
        forgotten: scopes that made room. untold: changes for which there was no room; the next answer tries again.
    """

    source: str
    names: int = 50_000
    addresses: int = 1000
    waiting: int = 100_000
    forgotten: int = 0
    untold: int = 0
    _held: dict[Scope, dict[str, float]] = field(default_factory=dict)
    _ends: list[tuple[float, Place]] = field(default_factory=list)
    _due: dict[Place, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._held)

    def learn(
        self, asker: Asker, name: str, records: Sequence[Record], keep: Keep, *, now: float, age: int = 0
    ) -> float:
        """Note the addresses of an answer.

        Args:
            asker: who asked.
            name: asked, lower case without final dot.
            records: of the answer section.
            keep: see Keep.
            now: Unix seconds.
            age: seconds by which the records' TTLs were counted down.

        Returns:
            Unix seconds until which repeating the answer needs no note; inf when it holds no address.
        """
        if not asker.workload and asker.tenant.privacy != "clear":
            return inf  # the address of a client that must not be shown; without it the binding would be everybody's
        scope = Scope(asker.tenant.name, asker.workload, "" if asker.workload else asker.address, name)
        again = inf
        for record in records:
            if record.type in _FAMILIES:
                lasting = max(keep.at_least, record.ttl - age)
                until = self._note(scope, record.data, now + lasting, keep.grace, now)
                again = min(again, max(now + 1, until - lasting))
        return again

    def _note(self, scope: Scope, address: str, end: float, grace: float, now: float) -> float:
        held = self._scope(scope)
        known = held.get(address)
        if known is not None and known >= end + grace / 2:
            return known  # what was told covers this answer too
        place = (scope, address)
        if len(self._due) >= self.waiting and place not in self._due:
            self.untold += 1
            return now
        if known is None:
            if len(held) >= self.addresses:
                self._close(scope, min(held, key=held.__getitem__))
            heappush(self._ends, (end + grace, place))
        held[address] = end + grace
        self._due[place] = None
        return end + grace

    def _scope(self, scope: Scope) -> dict[str, float]:
        held = self._held.pop(scope, None)
        if held is None:
            held = {}
            if len(self._held) >= self.names:
                del self._held[next(iter(self._held))]
                self.forgotten += 1
        self._held[scope] = held
        return held

    def _close(self, scope: Scope, address: str) -> None:
        del self._held[scope][address]
        self._due[scope, address] = None

    def take(self, now: float) -> list[tuple[str, Binding | None]]:
        """What is to be told since the last time: (key, binding), None for one that has ended."""
        self._end(now)
        due, self._due = self._due, {}
        return [(self._key(place), self._told(place)) for place in due]

    def _end(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, (scope, address) = heappop(self._ends)
            held = self._held.get(scope)
            until = held.get(address) if held is not None else None
            if held is None or until is None:
                continue
            if until > now:
                heappush(self._ends, (until, (scope, address)))
                continue
            self._close(scope, address)
            if not held:
                del self._held[scope]

    def _told(self, place: Place) -> Binding | None:
        scope, address = place
        until = self._held.get(scope, {}).get(address)
        if until is None:
            return None
        return Binding(
            tenant=scope.tenant,
            workload=scope.workload,
            client=scope.client,
            name=scope.name,
            address=address,
            until=datetime.fromtimestamp(until, UTC),
            source=self.source,
        )

    def _key(self, place: Place) -> str:
        scope, address = place
        return f"{scope.tenant}/{scope.workload or scope.client}/{scope.name}/{address}/{self.source}"

    def tell_again(self, keys: Iterable[tuple[str, Binding | None]]) -> None:
        """Give back what could not be told; what has changed since stays changed."""
        for _, binding in keys:
            if binding is not None:
                scope = Scope(binding.tenant, binding.workload, binding.client, binding.name)
                if binding.address in self._held.get(scope, {}) and len(self._due) < self.waiting:
                    self._due.setdefault((scope, binding.address), None)


def learn(
    bindings: Bindings, asker: Asker, name: str, records: Sequence[Record], *, now: float, age: int
) -> float:
    """Note an answer as far as the tenant's egress rules follow the name: the first that covers it says whether.

    Arguments and result as those of Bindings.learn.
    """
    for opening in asker.tenant.egress:
        if opening.covers(asker, name):
            if opening.action != "allow":
                return inf
            return bindings.learn(asker, name, records, Keep(opening.at_least, opening.grace), now=now, age=age)
    return inf
