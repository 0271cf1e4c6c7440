"""Failed names of ten seconds: exact counts, and a uniform sample of the distinct (name, client) pairs behind them.

The sample keeps the pairs with the smallest hashes (bottom-k): every distinct pair is as likely in it as any other,
repetitions do not count, samples of several panes merge. Must not know what makes a storm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.columns import TenantRows
from streams.distinct import counted, distinct, firsts, member
from streams.hashing import Hashes, mix, unit
from streams.zones import zone_hashes

PANE = 10
PANES = 6
KEPT = 512


def _nothing() -> Hashes:
    return np.empty((0, 4), np.uint64)


@dataclass(slots=True)
class Failures:
    """One pane. `pairs` has the columns pair, name, domain, client (hashes), sorted by pair."""

    queries: int = 0
    failures: int = 0
    pairs: Hashes = field(default_factory=_nothing)
    texts: dict[int, str] = field(default_factory=dict)

    def sample(self, rows: TenantRows, zone: NDArray[np.int64], zones: tuple[str, ...]) -> None:
        """Take in failed rows; a row of an own zone (index in `zones`, or -1) belongs to that zone."""
        batch = rows.batch
        names, clients = batch.hashes("qname")[rows.codes("qname")], batch.hashes("client")[rows.codes("client")]
        domains = batch.hashes("registered_domain")[rows.codes("registered_domain")]
        domains = np.where(zone >= 0, zone_hashes(zones)[zone], domains)
        pairs = mix(names ^ (clients * np.uint64(3)))
        small = pairs < self.pairs[-1, 0] if len(self.pairs) >= KEPT else np.ones(len(pairs), bool)
        fresh = np.column_stack([pairs[small], names[small], domains[small], clients[small]])
        self._keep(np.concatenate([self.pairs, fresh]))
        self._name(rows, zones)

    def _keep(self, pairs: Hashes) -> None:
        _, first = firsts(pairs[:, 0])
        self.pairs = pairs[first[:KEPT]]

    def _name(self, rows: TenantRows, zones: tuple[str, ...]) -> None:
        wanted = set(self.pairs[:, 2:].ravel().tolist())
        known = {key: text for key, text in self.texts.items() if key in wanted}
        missing = wanted - known.keys()
        if missing:
            lacking = np.array(sorted(missing), np.uint64)
            for column in ("registered_domain", "client"):
                hashes = rows.batch.hashes(column)
                codes, _ = rows.tally(column)
                codes = codes[member(hashes[codes], lacking)]
                known |= dict(zip(hashes[codes].tolist(), rows.batch.named(column, codes), strict=True))
            known |= {
                key: zone[1:] for key, zone in zip(zone_hashes(zones).tolist(), zones, strict=True) if key in missing
            }
        self.texts = known

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        return [self.queries, self.failures, self.pairs.tobytes(), self.texts]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Failures:
        """Inverse of pack."""
        pairs = np.frombuffer(packed[2], np.uint64).reshape(-1, 4).copy()
        return cls(packed[0], packed[1], pairs, packed[3])


@dataclass(frozen=True, slots=True)
class Picture:
    """What the panes of a minute show together; shares are of distinct (name, client) pairs."""

    queries: int
    failures: int
    names: float
    domain: str
    domain_share: float
    clients_of_domain: int
    client: str
    client_share: float
    domains_of_client: int

    @classmethod
    def of(cls, panes: list[Failures]) -> Picture:
        """Merge panes; each sample is cut to the smallest bound, so that pairs of all are equally likely."""
        queries, failures = sum(pane.queries for pane in panes), sum(pane.failures for pane in panes)
        bound = min((int(pane.pairs[-1, 0]) for pane in panes if len(pane.pairs) >= KEPT), default=2**64 - 1)
        every = np.concatenate([pane.pairs for pane in panes])
        every = every[every[:, 0] <= np.uint64(bound)]
        _, first = firsts(every[:, 0])
        every = every[first]
        if not len(every):
            return cls(queries, failures, 0.0, "", 0.0, 0, "", 0.0, 0)
        texts: dict[int, str] = {}
        for pane in panes:
            texts |= pane.texts
        inclusion = float(unit(np.array([bound], np.uint64))[0])
        domain, domain_share, at_domain = _commonest(every, 2)
        client, client_share, of_client = _commonest(every, 3)
        return cls(
            queries,
            failures,
            len(distinct(every[:, 1])) / inclusion,
            texts.get(domain, ""),
            domain_share,
            len(distinct(at_domain[:, 3])),
            texts.get(client, ""),
            client_share,
            len(distinct(of_client[:, 2])),
        )


def _commonest(pairs: Hashes, column: int) -> tuple[int, float, Hashes]:
    """(value, share of the pairs, its pairs) of the most frequent value of a column."""
    values, counts = counted(pairs[:, column])
    best = int(np.argmax(counts))
    return int(values[best]), float(counts[best] / len(pairs)), pairs[pairs[:, column] == values[best]]
