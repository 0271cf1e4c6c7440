"""How each upstream server of a tenant does, told as signals of kind ``health`` and ``latency`` about ``address:port``.

Judged is half a minute of event time, as answerers.py counted it. A signal is told on a change, and again before it
expires as long as queries show the same; a server that nobody asks any more is forgotten with its last signal. Kept in
memory only: what a restart loses is seen again within seconds. Must not know alerts, policy or Kafka.
"""

from __future__ import annotations

from schemas.signals import ContextSignal
from streams.alerts import moment
from streams.answerers import PANE, Answerers, Doings

PANES = 3
EVERY = 1.0
"""Seconds of processing time between two looks."""
FEWEST = 10
"""Queries within the panes that say something about a server."""
DOWN, DOWN_STILL = 0.5, 0.2
DEGRADED, DEGRADED_STILL = 0.1, 0.05
"""Shares of failures from which a server is called so, and above which it still is."""
STEADY = 1.5
"""Factor within which a latency is the same as the one told last."""
LIFE = {"health": 60.0, "latency": 300.0}
_SOURCE = "upstreams"


class Upstreams:
    """The servers of one tenant."""

    def __init__(self, tenant: str, seen: Answerers) -> None:
        self.tenant = tenant
        self.seen = seen
        self._told: dict[tuple[str, str], ContextSignal] = {}
        self._looked = 0.0

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
        end = clock + PANE
        found = []
        for subject, doings in self.seen.between(end - PANES * PANE, end, servers_only=True).items():
            if doings.asked >= FEWEST:
                found += [signal for kind in LIFE if (signal := self._signal(kind, subject, doings, now)) is not None]
        return found

    def _signal(self, kind: str, subject: str, doings: Doings, now: float) -> ContextSignal | None:
        told = self._told.get((kind, subject))
        value = self._health(doings, told) if kind == "health" else self._latency(doings, told)
        if not value or (told is None and value == "up"):
            return None
        fresh = told is not None and (value == "up" or told.expires.timestamp() - now > LIFE[kind] / 2)
        if told is not None and told.value == value and fresh:
            return None
        failed = f"{doings.failed} of {doings.asked} queries failed"
        signal = ContextSignal(
            tenant=self.tenant,
            kind=kind,
            subject=subject,
            value=value,
            source=_SOURCE,
            reason=f"{failed}, half were answered within {doings.median_ms():.1f} ms",
            created=moment(now),
            expires=moment(now + LIFE[kind]),
        )
        self._told[kind, subject] = signal
        return signal

    @staticmethod
    def _health(doings: Doings, told: ContextSignal | None) -> str:
        share = doings.share
        before = told.value if told else "up"
        if share >= (DOWN_STILL if before == "down" else DOWN):
            return "down"
        return "degraded" if share >= (DEGRADED if before == "up" else DEGRADED_STILL) else "up"

    @staticmethod
    def _latency(doings: Doings, told: ContextSignal | None) -> str:
        """Milliseconds at the median; as told before while it is near."""
        median = doings.median_ms()
        if told is not None and float(told.value) / STEADY <= median <= float(told.value) * STEADY:
            return told.value
        return f"{median:.1f}" if doings.asked > doings.failed else ""
