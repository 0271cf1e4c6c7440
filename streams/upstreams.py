"""How each upstream server of a tenant does, told as signals of kind ``health`` and ``latency`` about ``address:port``.

Half a minute of event time in three panes. A server fails when it answers SERVFAIL or not at all, about names of
several domains: one broken domain is not the server's fault. A signal is told on a change, and again before it expires
as long as queries show the same; a server that nobody asks any more is forgotten with its last signal. Kept in memory
only: what a restart loses is seen again within seconds. Must not know alerts, policy or Kafka.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

from schemas.signals import ContextSignal
from streams.alerts import moment
from streams.columns import TenantRows, tally
from streams.sketches import LogHistogram

PANE = 10
PANES = 3
EVERY = 1.0
"""Seconds of processing time between two looks."""
FEWEST = 10
"""Queries within the panes that say something about a server."""
FEWEST_DOMAINS = 3
DOWN, DOWN_STILL = 0.5, 0.2
DEGRADED, DEGRADED_STILL = 0.1, 0.05
"""Shares of failures from which a server is called so, and above which it still is."""
STEADY = 1.5
"""Factor within which a latency is the same as the one told last."""
LIFE = {"health": 60.0, "latency": 300.0}
MAX_SERVERS = 64
_SOURCE = "upstreams"


@dataclass(slots=True)
class _Pane:
    """What some seconds showed of a server. latency: counts by LogHistogram's buckets, of answers that came."""

    asked: int = 0
    failed: int = 0
    domains: set[str] = field(default_factory=set)
    latency: Counter[int] = field(default_factory=Counter)

    def median_ms(self) -> float:
        """Median latency in milliseconds; 0 without any."""
        whole = LogHistogram()
        for bucket, count in self.latency.items():
            whole.counts[bucket] = count
        return whole.quantiles(0.5)[0] / 1000

    def merge(self, other: _Pane) -> None:
        self.asked += other.asked
        self.failed += other.failed
        self.domains |= other.domains
        self.latency.update(other.latency)


class Upstreams:
    """The servers of one tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._panes: dict[int, dict[str, _Pane]] = {}
        self._told: dict[tuple[str, str], ContextSignal] = {}
        self._looked = 0.0

    def add(self, rows: TenantRows) -> None:
        """Count events that upstream was asked for."""
        asked = rows.only(~rows.equal("upstream", ""))
        if not len(asked):
            return
        panes = (asked.times // PANE).astype(np.int64)
        for start in np.unique(panes).tolist():
            self._count(self._panes.setdefault(start, {}), asked.only(panes == start))
        for old in sorted(self._panes)[:-PANES]:
            del self._panes[old]

    def _count(self, servers: dict[str, _Pane], rows: TenantRows) -> None:
        texts, codes = rows.batch.texts("upstream"), rows.codes("upstream")
        failed = rows.equal("rcode", "SERVFAIL") | rows.equal("rcode", "")
        for code in tally(codes, len(texts))[0].tolist():
            subject = subject_of(texts[code])
            if subject not in servers and len(servers) >= MAX_SERVERS:
                continue
            pane, here = servers.setdefault(subject, _Pane()), codes == code
            pane.asked += int(np.count_nonzero(here))
            pane.failed += int(np.count_nonzero(here & failed))
            if len(pane.domains) < FEWEST_DOMAINS:
                pane.domains.update(_domains(rows.only(here & failed)))
            took = LogHistogram.bucket(rows.only(here & ~failed).numbers("upstream_latency_us"))
            pane.latency.update(took.tolist())

    def due(self, clock: float, now: float) -> list[ContextSignal]:
        """Signals to tell.

        Args:
            clock: event time, Unix seconds.
            now: processing time, in which signals expire, Unix seconds.
        """
        if now - self._looked < EVERY:
            return []
        self._looked = now
        self._told = {key: told for key, told in self._told.items() if told.expires.timestamp() > now}
        first = int(clock // PANE) - PANES + 1
        self._panes = {start: servers for start, servers in self._panes.items() if start >= first}
        seen: dict[str, _Pane] = {}
        for servers in self._panes.values():
            for subject, pane in servers.items():
                seen.setdefault(subject, _Pane()).merge(pane)
        found = []
        for subject, pane in sorted(seen.items()):
            if pane.asked >= FEWEST:
                found += [signal for kind in LIFE if (signal := self._signal(kind, subject, pane, now)) is not None]
        return found

    def _signal(self, kind: str, subject: str, pane: _Pane, now: float) -> ContextSignal | None:
        told = self._told.get((kind, subject))
        value = self._health(pane, told) if kind == "health" else self._latency(pane, told)
        if not value or (told is None and value == "up"):
            return None
        fresh = told is not None and (value == "up" or told.expires.timestamp() - now > LIFE[kind] / 2)
        if told is not None and told.value == value and fresh:
            return None
        signal = ContextSignal(
            tenant=self.tenant,
            kind=kind,
            subject=subject,
            value=value,
            source=_SOURCE,
            reason=f"{pane.failed} of {pane.asked} queries failed, half were answered within {pane.median_ms():.1f} ms",
            created=moment(now),
            expires=moment(now + LIFE[kind]),
        )
        self._told[kind, subject] = signal
        return signal

    @staticmethod
    def _health(pane: _Pane, told: ContextSignal | None) -> str:
        share = pane.failed / pane.asked if len(pane.domains) >= FEWEST_DOMAINS else 0.0
        before = told.value if told else "up"
        if share >= (DOWN_STILL if before == "down" else DOWN):
            return "down"
        return "degraded" if share >= (DEGRADED if before == "up" else DEGRADED_STILL) else "up"

    @staticmethod
    def _latency(pane: _Pane, told: ContextSignal | None) -> str:
        """Milliseconds at the median; as told before while it is near."""
        median = pane.median_ms()
        if told is not None and float(told.value) / STEADY <= median <= float(told.value) * STEADY:
            return told.value
        return f"{median:.1f}" if pane.asked > pane.failed else ""


def _domains(rows: TenantRows) -> list[str]:
    """Some domains of these rows."""
    texts = rows.batch.texts("registered_domain")
    return [texts[code] for code in tally(rows.codes("registered_domain"), len(texts))[0].tolist()[:FEWEST_DOMAINS]]


def subject_of(url: str) -> str:
    """``address:port`` of a server's URL such as ``tls://[2001:db8::1]:853#dns.example``."""
    return urlsplit(url).netloc
