"""A response policy zone: which records mean what, and which of its triggers wins.

Precedence is that of BIND's Administrator Reference Manual, "Response Policy Zone (RPZ) Rewriting": the zone named
first wins; in one zone CLIENT-IP before QNAME before IP; among IP triggers the longest prefix, then the smallest
address. Among QNAME triggers the exact name wins, then the wildcard with the longest name (draft-vixie-dns-rpz section
5). NSDNAME and NSIP triggers are refused: a resolver that asks other resolvers never sees a zone's name servers.
Reading zone text is rpz_text.py's. This module must not know rules, messages or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import NamedTuple

import msgspec

from resolver.policy.decision import NO_EDE, AnswerForm
from resolver.policy.set_index import NameTable
from resolver.subnets import SubnetIndex

_BLOCKED, _FORGED_ANSWER = 15, 4  # RFC 8914 section 4
PASSTHRU, TCP_ONLY, LOCAL = "passthru", "tcp-only", "local"
_NOTHING = AnswerForm("nodata")


class Action(msgspec.Struct, frozen=True, array_like=True):
    """What a record of a zone asks for.

    Attributes:
        kind: nxdomain, nodata, drop, passthru, tcp-only, cname or local.
        ttl: seconds.
        target: of cname, lower case without final dot; one that begins with ``*.`` is put behind the name asked.
        records: of local: type and data.
    """

    kind: str
    ttl: int
    target: str = ""
    records: tuple[tuple[str, str], ...] = ()

    def form(self, qname: str) -> AnswerForm | None:
        """How to answer a query for this name; None for passthru (and for tcp-only, which depends on the transport)."""
        if self.kind in {PASSTHRU, TCP_ONLY}:
            return None
        if self.kind == LOCAL:
            return AnswerForm("records", ttl=self.ttl, ede=_FORGED_ANSWER, records=self.records)
        if self.kind == "cname":
            target = f"{qname}{self.target[1:]}" if self.target.startswith("*.") else self.target
            if len(target) > 253:  # no such name can be asked (BIND answers YXDOMAIN as of a DNAME)
                return _NOTHING
            return AnswerForm("cname", target=target, ttl=self.ttl, ede=_FORGED_ANSWER)
        return AnswerForm(self.kind, ttl=self.ttl, ede=NO_EDE if self.kind == "drop" else _BLOCKED)


class ZoneRest(msgspec.Struct, frozen=True, array_like=True):
    """A zone but for its names: actions (numbered from 1), networks and theirs, and that of ``*``, the zone's own."""

    actions: list[Action] = []
    clients: list[tuple[str, int]] = []
    addresses: list[tuple[str, int]] = []
    everything: int = 0

    def pieces(self, most: int) -> Iterator[ZoneRest]:
        """The same in pieces of so many items at most, in an order ZoneDraft can read them in."""
        for start in range(0, len(self.actions), most):
            yield ZoneRest(actions=self.actions[start : start + most])
        for start in range(0, len(self.clients), most):
            yield ZoneRest(clients=self.clients[start : start + most])
        for start in range(0, len(self.addresses), most):
            yield ZoneRest(addresses=self.addresses[start : start + most])
        yield ZoneRest(everything=self.everything)


class _Net(NamedTuple):
    """A network of an IP trigger: how long its prefix is in IPv6's measure, its first address, and the action."""

    length: int
    first: int
    action: Action


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A response policy zone in force; falsy without a QNAME trigger, as a set of names it is empty then."""

    names: NameTable
    actions: tuple[Action, ...]
    everything: Action | None
    clients: SubnetIndex[_Net] | None
    addresses: SubnetIndex[_Net] | None

    def __bool__(self) -> bool:
        return bool(len(self.names) or self.everything)

    def holds(self, names: list[str]) -> bool:
        """Whether the zone, taken as a set of names, holds one: a trigger for it that is no exception."""
        found = self.by_name(names)
        return found is not None and found.kind != PASSTHRU

    def by_name(self, names: list[str]) -> Action | None:
        """What the QNAME triggers say of a name given as its suffixes."""
        number = self.names.find(names)
        return self.actions[number - 1] if number else self.everything

    def by_client(self, version: int, number: int) -> Action | None:
        """What the CLIENT-IP triggers say of an address; version 0 is a client without one (see posed.py)."""
        found = self.clients.get(version, number) if self.clients and version else None
        return found.action if found else None

    def by_addresses(self, addresses: Iterable[tuple[int, int]]) -> Action | None:
        """What the IP triggers say of the addresses (version, number) of an answer."""
        if not self.addresses:
            return None
        found = [net for address in addresses if (net := self.addresses.get(*address))]
        return min(found, key=lambda net: (-net.length, net.first)).action if found else None


class Found(NamedTuple):
    """The action that wins, the place of its zone among those asked, and the kind of its trigger."""

    action: Action
    place: int
    trigger: str


def find_before(zones: Sequence[Zone], names: list[str], version: int, number: int) -> Found | None:
    """What can be said before there is an answer.

    Args:
        zones: in the order in which they win.
        names: the name asked as its suffixes.
        version: 4 or 6, of the client's address.
        number: the client's address.
    """
    for place, zone in enumerate(zones):
        if action := zone.by_client(version, number):
            return Found(action, place, "CLIENT-IP")
        if action := zone.by_name(names):
            return Found(action, place, "QNAME")
    return None


def must_wait(zones: Sequence[Zone], found: Found | None) -> bool:
    """Whether a zone may still speak, once the answer is known.

    Where a trigger was found only IP triggers of zones that go before it are waited for, not the names the answer may
    pass (BIND's ``qname-wait-recurse no``): what a zone denies is not asked for without need.
    """
    return any(zone.addresses for zone in zones[: found.place]) if found else any(map(_has_triggers, zones))


def _has_triggers(zone: Zone) -> bool:
    return bool(zone or zone.addresses)


def find_on_answer(
    zones: Sequence[Zone], hops: Sequence[list[str]], addresses: Sequence[tuple[int, int]], before: Found | None
) -> Found | None:
    """The action that wins when the answer is known too.

    Args:
        zones: in the order in which they win.
        hops: targets of the answer's CNAMEs as their suffixes: QNAME triggers are for these too.
        addresses: version and number of each address of the answer.
        before: what was found without it.
    """
    for place, zone in enumerate(zones[: before.place] if before else zones):
        if action := next((action for hop in hops if (action := zone.by_name(hop))), None):
            return Found(action, place, "QNAME")
        if action := zone.by_addresses(addresses):
            return Found(action, place, "IP")
    return before


class ZoneDraft:
    """A zone while it is put together from pieces: the actions first, then what names them by number."""

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._clients: SubnetIndex[_Net] = SubnetIndex()
        self._addresses: SubnetIndex[_Net] = SubnetIndex()
        self._triggers = [0, 0]
        self._everything: Action | None = None

    def add(self, piece: ZoneRest) -> None:
        """Take the next piece."""
        self._actions += piece.actions
        for place, (index, written) in enumerate(
            ((self._clients, piece.clients), (self._addresses, piece.addresses))
        ):
            self._triggers[place] += len(written)
            for text, number in written:
                net = ip_network(text)
                length = 128 - net.max_prefixlen + net.prefixlen
                index.add(net, _Net(length, int(net.network_address), self._actions[number - 1]))
        if piece.everything:
            self._everything = self._actions[piece.everything - 1]

    def finish(self, names: NameTable) -> Zone:
        """The zone of these names."""
        clients, addresses = self._triggers
        return Zone(
            names,
            tuple(self._actions),
            self._everything,
            self._clients if clients else None,
            self._addresses if addresses else None,
        )
