"""Who floods one UDP socket, and how much of it is still to be read: counts over limits -> rules of a packet filter.

Stands beside excess.py, which notes what it turns away; listeners/gate.py asks twenty times a second what the packet
filter shall be. A source far over its limit is read as often as its limit and a margin ask for: what its token bucket
grants it still gets, and the margin tells how much it sends and when it calms down. Clients are told apart by address;
for a tenant that is over its own limit by very many addresses, which may all be forged, the subnets that claim them are
meant. This module must not know sockets or clocks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from resolver.limits import Meter
from resolver.tenants import Arrival, Compiled, identify

ALL = 1 << 16
"""The share that is everything."""
_MARGIN = 500
"""Queries a second read of a flood beyond what its limit grants."""
_FAR = 1000
"""Queries a second over its limit from which a source floods; it must be twice its limit, too."""
_BACK = 8
"""By what a share grows at every turn at which nothing was over the limit."""
_CLIENTS, _SUBNETS, _SAMPLE, _WATCHED = 64, 64, 64, 4096
_MOST_CLAIMS = 20_000
"""Claimed subnets beyond which they are not searched for those inside a flooding one."""


class Rule(NamedTuple):
    """What the filter does with the sources of a network; of several the longest network counts.

    Attributes:
        version: 4 or 6.
        shift: bits of the address that do not belong to the network.
        prefix: the other bits.
        share: how many of 65536 datagrams are read.
    """

    version: int
    shift: int
    prefix: int
    share: int


_Place = tuple[int, int, int]


@dataclass(slots=True, eq=False)
class _Source:
    """A client, or a tenant, that was over its limit lately. addresses: one, or the first few of the tenant's."""

    meter: Meter
    limit: int
    addresses: dict[str, None] = field(default_factory=dict)
    share: int = ALL
    over: int = 0

    def turn(self, seconds: float) -> None:
        """Set the share by what was over the limit in these seconds."""
        over, self.over = self.over / seconds, 0
        if not over:
            self.share = min(ALL, self.share * _BACK)
            return
        rate, far = (self.limit + over) * ALL / self.share, max(_FAR, self.limit)
        if rate - self.limit < (far if self.share == ALL else far / 2):
            self.share = ALL
            return
        share = max(1, ceil(ALL * (self.limit + _MARGIN) / rate))
        if share > self.share or share < self.share * 3 // 4:  # too little is read, or much too much
            self.share = share


class Floods:
    """The sources that are over a limit at one socket.

    Args:
        arrival: what is known of every client there.
        wake: called when something is noted after a time of quiet; `turn` shall be called from then on until `quiet`.
    """

    def __init__(self, arrival: Arrival, wake: Callable[[], None]) -> None:
        self._arrival, self._wake = arrival, wake
        self._sources: dict[str | Meter, _Source] = {}
        self._epoch = -1

    @property
    def quiet(self) -> bool:
        """Whether nobody was over a limit lately."""
        return not self._sources

    def note(self, meter: Meter, over: str, address: str) -> int:
        """A query over a limit.

        Args:
            meter: of its tenant.
            over: the limit: ``client`` or ``tenant``.
            address: the client's, in presentation format.

        Returns:
            For how many queries this one stands, those included that the filter kept away.
        """
        key = address if over == "client" else meter
        source = self._sources.get(key)
        if source is None:
            if len(self._sources) >= _WATCHED:
                return 1
            limits = meter.limits
            limit = limits.client_queries_per_second if over == "client" else limits.queries_per_second
            if not self._sources:
                self._wake()
            source = self._sources[key] = _Source(meter, limit)
        source.over += 1
        if len(source.addresses) < _SAMPLE:
            source.addresses[address] = None
        return round(ALL / source.share)

    def turn(self, compiled: Compiled, seconds: float) -> list[Rule]:
        """What to filter from now on, by what was noted since the last turn.

        Args:
            compiled: what is in force.
            seconds: since the last turn, or since `wake`.

        Returns:
            Rules, the longest network first; none when everything is to be read.
        """
        if compiled.epoch != self._epoch:
            self._epoch = compiled.epoch
            self._sources = {key: source for key, source in self._sources.items() if self._holds(compiled, source)}
        for key, source in list(self._sources.items()):
            idle = not source.over
            source.turn(seconds)
            if idle and source.share == ALL:
                del self._sources[key]
        rules = self._of_tenants(compiled) | self._of_clients()
        return [Rule(*place, share) for place, share in sorted(rules.items(), key=lambda rule: rule[0][1])]

    def _holds(self, compiled: Compiled, source: _Source) -> bool:
        """Whether a source is still of a tenant with these limits; those of unknown clients never change."""
        asker = identify(compiled, next(iter(source.addresses)), self._arrival)
        return asker is None or asker.tenant.limits == source.meter.limits

    def _of_clients(self) -> dict[_Place, int]:
        clients = [(address, source) for address, source in self._sources.items() if isinstance(address, str)]
        held = sorted((item for item in clients if item[1].share < ALL), key=lambda item: item[1].share)
        for _, source in held[_CLIENTS:]:
            source.share = ALL
        return {_place_of(address): source.share for address, source in held[:_CLIENTS]}

    def _of_tenants(self, compiled: Compiled) -> dict[_Place, int]:
        found: dict[_Place, int] = {}
        spared: dict[_Place, int] = {}
        tenants = (source for key, source in self._sources.items() if isinstance(key, Meter) and source.share < ALL)
        for source in tenants:
            subnets = _subnets(compiled, source.addresses)
            inside = {other for place, owner in subnets.items() for other in _others_inside(compiled, place, owner)}
            if not subnets or len(found) + len(spared) + len(subnets) + len(inside) > _SUBNETS:
                source.share = ALL
                continue
            found |= dict.fromkeys(subnets, source.share)
            spared |= dict.fromkeys(inside, ALL)
        return spared | found


def _place_of(address: str) -> _Place:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return (4, 0, int(mapped)) if mapped is not None else (parsed.version, 0, int(parsed))


def _subnets(compiled: Compiled, addresses: dict[str, None]) -> dict[_Place, str | None]:
    """The networks that claim these clients, and whose they are; that of all addresses for those nobody claims.

    None when tenants claim clients by more than their subnets: a packet does not show whose it is then.
    """
    if compiled.claims is not None or len(compiled.subnets) > _MOST_CLAIMS:
        return {}
    found = {}
    for version, _, number in map(_place_of, addresses):
        shift = compiled.subnets.shift(version, number)
        found[version, shift, number >> shift] = compiled.subnets.get(version, number)
    return found


def _others_inside(compiled: Compiled, place: _Place, owner: str | None) -> Iterator[_Place]:
    """Networks of other tenants inside one: they are not filtered with it."""
    version, shift, prefix = place
    for inner, inner_prefix, tenant in compiled.subnets.inside(version, shift, prefix):
        if tenant != owner:
            yield version, inner, inner_prefix
