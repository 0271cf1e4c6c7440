"""Which registered domains many clients of a tenant use: signals of kind ``popularity``; feedback leaves these alone.

A domain scores one for each client and hour that asked it. Pairs (client, domain) already counted in the hour are
remembered in a bitmap of BITS bits: full, it counts too little, never too much. Scores are kept for the KEPT domains
with the most (Space-Saving, Metwally, Agrawal, El Abbadi, ICDT 2005) and halve every HALF_LIFE hours. Denied and failed
queries do not make a domain popular. Kept with the tenant's state; must not know policy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.signals import ContextSignal
from streams.alerts import moment
from streams.columns import TenantRows
from streams.distinct import counted, distinct, firsts
from streams.hashing import Hashes, mix
from streams.parts import Parts, pack, unpack
from streams.sketches import SpaceSaving

KIND = "popularity"
BITS = 1 << 16
KEPT = 300
HOUR = 3600.0
HALF_LIFE = 24
CLASSES = ((10, "top10"), (100, "top100"))
LIFE = 2 * HOUR
EVERY = 60.0
"""Seconds of processing time between two looks."""
COMMON_SHARE, COMMON_HOURS, COMMON_CLIENTS = 0.2, 6, 10
"""Feedback leaves a domain alone that, over so many hours, so large a share of an hour's clients and so many asked."""
_UNIT = 64
"""A client's hour counts so much, so that halving leaves something."""
_SOURCE = "popularity"


class Popularity:
    """The domains of one tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._scores = SpaceSaving(KEPT)
        self._seen = np.zeros(BITS // 8, np.uint8)
        self._hour: int | None = None
        self._changed = False
        self._hours = 0
        self._clients = 0.0
        self._weight = 1.0
        """Hours, faded like the scores."""
        self._told: dict[str, tuple[str, float]] = {}
        self._looked = 0.0
        self.common: frozenset[str] = frozenset()

    def add(self, rows: TenantRows) -> None:
        """Count clients of domains."""
        asked = rows.only(~rows.equal("verdict", "deny") & rows.equal("rcode", "NOERROR") & ~rows.equal("client", ""))
        if not len(asked):
            return
        self._turn(int(asked.times.max() // HOUR))
        batch = asked.batch
        domains, clients = asked.codes("registered_domain"), asked.codes("client")
        shown = domains != batch.code_of("registered_domain", "")
        pairs = distinct(domains[shown].astype(np.int64) << 32 | clients[shown])
        codes = pairs >> 32
        hashes = batch.hashes("registered_domain")[codes]
        fresh = self._first_time(mix(hashes ^ batch.hashes("client")[pairs & 0xFFFFFFFF]))
        self._clients += self._fresh_clients(asked)
        if not fresh.any():
            return
        self._changed = True
        used, counts = counted(codes[fresh])
        self._scores.add(
            batch.hashes("registered_domain")[used],
            counts * _UNIT,
            lambda some: batch.named("registered_domain", used[some]),
        )

    def _fresh_clients(self, rows: TenantRows) -> int:
        codes, _ = rows.tally("client")
        return int(np.count_nonzero(self._first_time(mix(rows.batch.hashes("client")[codes]))))

    def _first_time(self, keys: Hashes) -> NDArray[np.bool_]:
        """Which keys the bitmap did not know; it does now."""
        places = (keys % np.uint64(BITS)).astype(np.int64)
        _, first = firsts(places)
        alone = np.zeros(len(keys), bool)
        alone[first] = True
        fresh: NDArray[np.bool_] = alone & ((self._seen[places >> 3] >> (places & 7)) & 1 == 0)
        np.bitwise_or.at(self._seen, places >> 3, (1 << (places & 7)).astype(np.uint8))
        return fresh

    def _turn(self, hour: int) -> None:
        """A new hour: judge, forget who asked, let scores fade."""
        if self._hour is None or hour <= self._hour:
            self._hour = hour if self._hour is None else self._hour
            return
        self._judge()
        fade = 0.5 ** (min(hour - self._hour, 240) / HALF_LIFE)
        self._scores.counts = (self._scores.counts * fade).astype(np.int64)
        self._scores.errors = (self._scores.errors * fade).astype(np.int64)
        self._scores.floor = int(self._scores.floor * fade)
        self._clients *= fade
        self._weight = self._weight * fade + 1
        self._seen[:] = 0
        self._hour, self._hours, self._changed = hour, self._hours + 1, True

    def _judge(self) -> None:
        """Domains that a large share of the clients use, hour after hour."""
        if self._hours + 1 < COMMON_HOURS:
            return
        least = max(COMMON_SHARE * self._clients, COMMON_CLIENTS * self._weight) * _UNIT
        self.common = frozenset(item for item, count, error in self._scores.top(100) if count - error >= least)

    def due(self, now: float) -> list[ContextSignal]:
        """Signals about the 100 most popular domains once the first hour is over: on a change, and before they expire.

        Args:
            now: processing time, in which signals expire, Unix seconds.
        """
        if not self._hours or now - self._looked < EVERY:
            return []
        self._looked = now
        found = []
        for place, (domain, count, _) in enumerate(self._scores.top(CLASSES[-1][0])):
            value = next(name for most, name in CLASSES if place < most)
            told, at = self._told.get(domain, ("", 0.0))
            if told == value and now - at < LIFE / 2:
                continue
            self._told[domain] = (value, now)
            found.append(self._signal(domain, value, count, now))
        self._told = {domain: told for domain, told in self._told.items() if now - told[1] < LIFE}
        return found

    def _signal(self, domain: str, value: str, count: int, now: float) -> ContextSignal:
        return ContextSignal(
            tenant=self.tenant,
            kind=KIND,
            subject=domain,
            value=value,
            source=_SOURCE,
            reason=f"{count / _UNIT:.0f} hours of clients, halving every {HALF_LIFE} hours",
            created=moment(now),
            expires=moment(now + LIFE),
        )

    def touch(self) -> None:
        """The next save writes it all."""
        self._changed = True

    def save(self, parts: Parts) -> None:
        """Put the part where something was counted: once most pairs of an hour are known, that is seldom."""
        if self._changed:
            self._changed = False
            plain = [self._scores.pack(), self._seen.tobytes(), self._hour, self._hours, self._clients, self._weight]
            parts.put(KIND, pack([*plain, sorted(self.common)]))

    def load(self, values: dict[str, bytes]) -> None:
        """Inverse of save; nothing where nothing was saved."""
        if KIND not in values:
            return
        scores, seen, self._hour, self._hours, self._clients, self._weight, common = unpack(values[KIND])
        self._scores, self._seen = SpaceSaving.unpack(scores), np.frombuffer(seen, np.uint8).copy()
        self.common = frozenset(common)
