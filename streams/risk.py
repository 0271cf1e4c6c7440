"""How risky each client and workload of a tenant is, from its open alerts: signals of kind ``client_risk``.

The value is the severity of the worst open alert it stands in, one step higher from three detectors on. Alerts that
many clients stand in (a random-subdomain attack) say nothing about one of them; muted ones nothing at all. Told on a
change and again before it expires; when the last alert closes the risk ends with its signal. Subjects are clients as
events show them: for a tenant whose clients are pseudonyms rules match by workload only. Must not know detectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from schemas.objects import Severity
from schemas.signals import Alert, ContextSignal
from streams.alerts import moment
from streams.detectors.finding import SEVERITIES, rank

KIND = "client_risk"
LIFE = 600.0
EVERY = 1.0
"""Seconds of processing time between two looks."""
MOST_SUBJECTS = 200
FEW = 3
"""An alert about more clients than these does not tell which of them is the risk."""
MANY_DETECTORS = 3
_SOURCE = "risk"


@dataclass(frozen=True, slots=True)
class Risk:
    """How risky a subject is, and the alerts that say so."""

    value: Severity
    reason: str


def risks(alerts: Iterable[Alert]) -> dict[str, Risk]:
    """Subject (client or workload) -> its risk, the riskiest first, at most MOST_SUBJECTS."""
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        for subject in _subjects(alert):
            found.setdefault(subject, []).append(alert)
    rated = {subject: _rate(several) for subject, several in found.items()}
    order = sorted(rated, key=lambda subject: (-rank(rated[subject].value), subject))
    return {subject: rated[subject] for subject in order[:MOST_SUBJECTS]}


def _subjects(alert: Alert) -> Iterator[str]:
    if alert.muted:
        return
    for several in (alert.clients, alert.workloads):
        if len(several) <= FEW:
            yield from several


def _rate(alerts: list[Alert]) -> Risk:
    worst = max(alerts, key=lambda alert: (rank(alert.severity), alert.id))
    detectors = sorted({alert.detector for alert in alerts})
    step = 1 if len(detectors) >= MANY_DETECTORS else 0
    value = SEVERITIES[min(rank(worst.severity) + step, len(SEVERITIES) - 1)]
    return Risk(value, f"{len(alerts)} open alerts of {', '.join(detectors)}; the worst: {worst.title}")


class ClientRisk:
    """What was told of each subject of one tenant; kept in memory only, a restart tells it once more."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._told: dict[str, ContextSignal] = {}
        self._looked = 0.0

    def due(self, alerts: Callable[[], Iterable[Alert]], now: float) -> list[ContextSignal]:
        """Signals to tell.

        Args:
            alerts: those that are open, asked for when it is time to look.
            now: processing time, in which signals expire, Unix seconds.
        """
        if now - self._looked < EVERY:
            return []
        self._looked = now
        self._told = {subject: told for subject, told in self._told.items() if told.expires.timestamp() > now}
        found = []
        for subject, risk in risks(alerts()).items():
            told = self._told.get(subject)
            if told is not None and told.value == risk.value and told.expires.timestamp() - now > LIFE / 2:
                continue
            self._told[subject] = signal = self._signal(subject, risk, now)
            found.append(signal)
        return found

    def _signal(self, subject: str, risk: Risk, now: float) -> ContextSignal:
        return ContextSignal(
            tenant=self.tenant,
            kind=KIND,
            subject=subject,
            value=risk.value,
            source=_SOURCE,
            reason=risk.reason,
            created=moment(now),
            expires=moment(now + LIFE),
        )
