"""Records of a response policy zone -> triggers and actions; what is wrong with a record is told with its line.

The owner name is the trigger, the data the action (draft-vixie-dns-rpz sections 3 and 4). Runs where the index of the
zone is built. This module must not know who wins (rpz.py) or how text becomes records (rpz_text.py).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from resolver.policy.patterns import PatternError, canonical_name
from resolver.policy.rpz import LOCAL, Action, ZoneRest
from resolver.policy.rpz_text import Entry
from resolver.policy.set_text import Take, Troubles
from resolver.wire import rdata_wire

_TTL = 30
_SPECIAL = {
    ".": "nxdomain",
    "*.": "nodata",
    "rpz-passthru.": "passthru",
    "rpz-drop.": "drop",
    "rpz-tcp-only.": "tcp-only",
}
_DOTLESS = frozenset(target[:-1] for target in _SPECIAL if len(target) > 2)
_DATA = frozenset({"A", "AAAA", "TXT", "MX", "SRV", "PTR", "HTTPS", "SVCB", "CAA"})
_APEX = frozenset({"SOA", "NS"})
_UNSEEN = "triggers are refused: this resolver asks other resolvers and never sees the name servers of a zone"
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_Trigger = tuple[str, str]
"""Kind (exact, below, client, address) and the name or network."""


class _RecordError(ValueError):
    """A record that means nothing; says why."""


class _Local(NamedTuple):
    line: int
    ttl: int
    records: list[tuple[str, str]]


class ZoneReader:
    """Takes the records of one zone in order.

    Args:
        take: is given each name with the number of its action, for itself and for all below.
        troubles: is told of records that mean nothing.
    """

    def __init__(self, take: Take, troubles: Troubles) -> None:
        self._take, self._troubles = take, troubles
        self._apex = ""
        self._actions: dict[Action, int] = {}
        self._local: dict[_Trigger, _Local] = {}
        self._last: _Trigger = ("", "")
        self._networks: dict[_Trigger, int] = {}
        self._everything = 0

    def read(self, entry: Entry) -> None:
        """Take one record."""
        if not self._apex and entry.origin:
            self._apex = entry.origin.lower()
        if entry.type == "SOA" and entry.owner.endswith("."):
            self._apex = entry.owner.lower()
        try:
            self._read(entry)
        except (_RecordError, PatternError) as error:
            self._troubles.add(entry.line, str(error))

    def _read(self, entry: Entry) -> None:
        name = self._relative(entry)
        if not name:
            if entry.type not in _APEX:
                raise _RecordError(f"{entry.type} at the top of the zone is no policy")
            return
        trigger = _trigger(name)
        if trigger == self._last if entry.type != "CNAME" else trigger in self._local:
            raise _RecordError(f"{entry.owner}: a CNAME stands alone, no other records beside it")
        if entry.type == "CNAME":
            if trigger == self._last:
                raise _RecordError(f"{entry.owner}: a second CNAME, the first one stays")
            self._last = trigger
            self._put(trigger, _alias(entry, name))
        elif entry.type in _DATA:
            local = self._local.setdefault(trigger, _Local(entry.line, _ttl(entry), []))
            local.records.append((entry.type, _data(entry)))
        else:
            raise _RecordError(f"type {entry.type} is no action, expected CNAME or one of {', '.join(sorted(_DATA))}")

    def _relative(self, entry: Entry) -> str:
        """The owner without the zone's name; empty for the zone itself."""
        owner, apex = entry.owner.lower(), self._apex
        if owner == "@":
            owner = entry.origin.lower() or apex
        elif not owner.endswith("."):
            if entry.origin.lower() == apex or not entry.origin:
                return owner
            owner = f"{owner}.{entry.origin.lower()}"
        if owner == apex:
            return ""
        if not apex or not owner.endswith(f".{apex}"):
            zone = f"the zone {apex}" if apex else "the zone, which has no $ORIGIN and no SOA record with its name"
            raise _RecordError(f"{entry.owner} is not below {zone}")
        return owner[: -len(apex) - 1]

    def _put(self, trigger: _Trigger, action: Action) -> None:
        number = self._actions.setdefault(action, len(self._actions) + 1)
        kind, name = trigger
        if kind in {"client", "address"}:
            self._networks.setdefault(trigger, number)
        elif not name:
            self._everything = self._everything or number
        else:
            self._take(name.encode(), *((number, 0) if kind == "exact" else (0, number)))

    def finish(self) -> ZoneRest:
        """What is left when all records were read."""
        for trigger, local in self._local.items():
            self._put(trigger, Action(LOCAL, local.ttl, "", tuple(dict.fromkeys(local.records))))
        found: dict[str, list[tuple[str, int]]] = {"client": [], "address": []}
        for (kind, network), number in self._networks.items():
            found[kind].append((network, number))
        return ZoneRest(list(self._actions), found["client"], found["address"], self._everything)


def _ttl(entry: Entry) -> int:
    return _TTL if entry.ttl < 0 else entry.ttl


def _trigger(name: str) -> _Trigger:
    head, _, last = name.rpartition(".")
    if last.startswith("rpz-"):
        if last in {"rpz-nsdname", "rpz-nsip"}:
            raise _RecordError(f"{last.removeprefix('rpz-').upper()} {_UNSEEN}")
        if last in {"rpz-client-ip", "rpz-ip"} and head:
            return "client" if last == "rpz-client-ip" else "address", str(_network(head))
        raise _RecordError(f"{last} is no kind of trigger, expected rpz-client-ip or rpz-ip behind an address")
    kind, rest = ("below", name[2:]) if name.startswith("*.") else ("below", "") if name == "*" else ("exact", name)
    if _PLAIN.fullmatch(rest) and len(rest) < 254:
        return kind, rest
    return kind, canonical_name(rest) if rest else ""


def _network(text: str) -> IPv4Network | IPv6Network:
    """A network as its prefix length and its address backwards: 24.0.2.0.192 or 48.zz.db8.2001."""
    wrong = f"expected a prefix length and an address backwards, such as 24.0.2.0.192 or 48.zz.db8.2001, got {text!r}"
    length, *groups = text.split(".")
    groups.reverse()
    try:
        if len(groups) == 4 and "zz" not in groups:
            return IPv4Network(f"{ip_address('.'.join(groups))}/{int(length)}")
        address = ":".join("" if group == "zz" else group for group in groups)
        if groups[:1] == ["zz"]:
            address = f":{address}"
        if groups[-1:] == ["zz"]:
            address = f"{address}:"
        return IPv6Network(f"{IPv6Address(address)}/{int(length)}")
    except ValueError as error:
        raise _RecordError(f"{wrong}: {error}") from error


def _alias(entry: Entry, name: str) -> Action:
    """What a CNAME asks for."""
    if len(entry.data) != 1:
        raise _RecordError(f"expected one name behind CNAME, got {' '.join(entry.data)[:60]!r}")
    target = entry.data[0].lower()
    if kind := _SPECIAL.get(target):
        return Action(kind, _ttl(entry))
    if target in _DOTLESS:
        raise _RecordError(f"{target} without its final dot is a name in this zone, expected {target}.")
    if not target.endswith("."):
        if not entry.origin:
            raise _RecordError(f"expected a target with its final dot, got {target!r}")
        target = f"{target}.{entry.origin.lower()}"
    if target.removesuffix(".") == name:  # the way passthru was written before it had a word
        return Action("passthru", _ttl(entry))
    star = "*." if target.startswith("*.") else ""
    return Action("cname", _ttl(entry), star + canonical_name(target.removeprefix("*.")))


def _data(entry: Entry) -> str:
    data = " ".join(entry.data)
    if entry.type in {"A", "AAAA"}:
        try:
            right = ip_address(data).version == (4 if entry.type == "A" else 6)
        except ValueError:
            right = False
        if not right:
            raise _RecordError(f"expected an address of type {entry.type}, got {data[:60]!r}")
        return str(ip_address(data))
    try:
        rdata_wire(entry.type, data)
    except ValueError as error:
        raise _RecordError(str(error)) from error
    return data
