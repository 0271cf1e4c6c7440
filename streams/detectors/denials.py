"""Who was refused which names within ten seconds: what counts, and a bounded, uniform sample of (client, name) pairs.

State of the detector policy_probing. A pane keeps the pairs with the smallest hashes (bottom-k, as failures.py does),
with exact counts of each. Must not know what is suspicious.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.columns import TenantRows
from streams.distinct import groups, inverse
from streams.hashing import Hashes, mix, unit
from streams.zones import is_expansion, own_zone, zones_of

KEPT = 256
_MOST_NAMES = 2000
_PROHIBITED = 18  # RFC 8914 section 4.19

Who = tuple[str, str]
"""Client address as shown, workload."""


def _nobody() -> Hashes:
    return np.empty((0, 3), np.uint64)


@dataclass(slots=True)
class Denials:
    """One pane. `pairs` has the columns pair, name, client (hashes), sorted by pair; `hidden`: of an internal zone."""

    pairs: Hashes = field(default_factory=_nobody)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    hidden: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    names: dict[int, str] = field(default_factory=dict)
    who: dict[int, Who] = field(default_factory=dict)

    def add(self, rows: TenantRows, hidden: NDArray[np.bool_]) -> None:
        """Take in refused rows."""
        names, clients = rows.batch.hashes("qname")[rows.codes("qname")], clients_of(rows)
        pairs = mix(names ^ (clients * np.uint64(3)))
        found, first, place = groups(pairs)
        counts = np.bincount(place, minlength=len(found))
        fresh = np.column_stack([found, names[first], clients[first]])
        every = np.concatenate([self.pairs, fresh])
        order, at, place = groups(every[:, 0])
        total = np.bincount(place, np.concatenate([self.counts, counts])).astype(np.int64)
        kept = at[:KEPT]
        came = kept >= len(self.pairs)
        self._name(rows, first[kept[came] - len(self.pairs)], every[kept[came]])
        self.hidden = np.concatenate([self.hidden, hidden[first]])[kept]
        self.pairs, self.counts = every[kept], total[: len(kept)]
        if len(order) > KEPT:
            self._unname()

    def _name(self, rows: TenantRows, some: NDArray[np.int64], pairs: Hashes) -> None:
        asked = (rows.batch.named(column, rows.codes(column)[some]) for column in ("qname", "client", "workload"))
        texts = zip(*asked, strict=True)
        for (_, name, client), (qname, address, workload) in zip(pairs.tolist(), texts, strict=True):
            self.names[name] = qname
            self.who[client] = (address, workload)

    def _unname(self) -> None:
        names, clients = set(self.pairs[:, 1].tolist()), set(self.pairs[:, 2].tolist())
        self.names = {key: text for key, text in self.names.items() if key in names}
        self.who = {key: texts for key, texts in self.who.items() if key in clients}

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        texts = [sorted(self.names.items()), sorted(self.who.items())]
        return [self.pairs.tobytes(), self.counts.tobytes(), self.hidden.tobytes(), *texts]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Denials:
        """Inverse of pack."""
        pairs = np.frombuffer(packed[0], np.uint64).reshape(-1, 3).copy()
        counts, hidden = np.frombuffer(packed[1], np.int64).copy(), np.frombuffer(packed[2], bool).copy()
        return cls(pairs, counts, hidden, dict(packed[3]), {key: (who[0], who[1]) for key, who in packed[4]})


def refused_of(rows: TenantRows, internal: tuple[str, ...]) -> tuple[TenantRows, NDArray[np.bool_]]:
    """Rows that were denied, or ask missing names of internal zones; which of them are of internal zones."""
    denied = rows.equal("verdict", "deny") | (rows.numbers("ede") == _PROHIBITED)
    some = (denied | rows.equal("rcode", "NXDOMAIN")) & ~rows.equal("tier", "overlay")
    if not some.any():
        return rows.only(some), some[:0]
    rows, denied, zones = rows.only(some), denied[some], zones_of(internal)
    zone = own_zone(rows, zones)
    hidden = zone >= 0
    wanted = denied | (hidden & ~_expansions(rows, zone, zones))
    return rows.only(wanted), hidden[wanted]


def _expansions(rows: TenantRows, zone: NDArray[np.int64], zones: tuple[str, ...]) -> NDArray[np.bool_]:
    """Public names tried with a search domain; of very many different names the rest counts as such, too."""
    codes, first, place = groups(rows.codes("qname"))
    tried = np.ones(len(codes), bool)
    names = rows.batch.named("qname", codes[:_MOST_NAMES])
    tried[: len(names)] = [
        at >= 0 and is_expansion(name, zones[at]) for name, at in zip(names, zone[first].tolist(), strict=False)
    ]
    found: NDArray[np.bool_] = tried[place]
    return found


def clients_of(rows: TenantRows) -> Hashes:
    """Hash of who asked: the client's address, the workload where addresses are not shown."""
    codes = rows.codes("client")
    found = rows.batch.hashes("client")[codes]
    unknown = codes == rows.batch.code_of("client", "")
    if unknown.any():
        found = np.where(unknown, rows.batch.hashes("workload")[rows.codes("workload")], found)
    return found


@dataclass(frozen=True, slots=True)
class Refused:
    """What the panes of a window show of each client; arrays of one length, clients (hashes) rising.

    hidden: different names of internal zones. denied: different other names. denials: refusals in all.
    """

    clients: Hashes
    hidden: NDArray[np.float64]
    denied: NDArray[np.float64]
    denials: NDArray[np.float64]
    pairs: Hashes

    @classmethod
    def of(cls, panes: Sequence[Denials]) -> Refused:
        """Merge panes; samples are cut to the smallest bound, and estimates scaled by what was cut."""
        bound = min((int(pane.pairs[-1, 0]) for pane in panes if len(pane.pairs) >= KEPT), default=2**64 - 1)
        every = np.concatenate([_nobody(), *(pane.pairs for pane in panes)])
        counts = np.concatenate([np.empty(0, np.int64), *(pane.counts for pane in panes)])
        hidden = np.concatenate([np.empty(0, bool), *(pane.hidden for pane in panes)])
        inside = every[:, 0] <= np.uint64(bound)
        every, counts, hidden = every[inside], counts[inside], hidden[inside]
        _, at, place = groups(every[:, 0])
        total, every, hidden = np.bincount(place, counts, len(at)), every[at], hidden[at]
        clients, owner = inverse(every[:, 2])
        inclusion = float(unit(np.array([bound], np.uint64))[0])
        sums = [np.bincount(owner, weights, len(clients)) / inclusion for weights in (hidden, ~hidden, total)]
        return cls(clients, sums[0], sums[1], sums[2], every)
