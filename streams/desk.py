"""One tenant's desk: findings come in; alerts, context signals and overlay entries go out, each to what was found.

On the path behind the detectors. Joins alerts and overlay, so that each need not know the other; must not know rows,
windows or which detectors there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas.objects import Feedback
from schemas.signals import Alert, AlertOrder, Overlay, OverlayEntry
from streams.alerts import AlertBook
from streams.context import MUTED, OverlayBook, signal_of
from streams.detectors.finding import Finding
from streams.risk import ClientRisk
from streams.tenant import Findings


class Desk:
    """Alerts and overlay of one tenant.

    Attributes:
        common: domains popular with the tenant's clients, which stay whatever is found.
    """

    def __init__(self, tenant: str) -> None:
        self._alerts = AlertBook(tenant)
        self._overlay = OverlayBook(tenant)
        self._risk = ClientRisk(tenant)
        self.common: frozenset[str] = frozenset()

    def configure(self, feedback: Feedback, now: float, found: Findings) -> bool:
        """Entries follow changed feedback at once; whether anything changed."""
        changed = self._overlay.apply(feedback, now)
        if changed:
            found.overlays.append(self._overlay.overlay())
        return changed

    def report(self, finding: Finding, feedback: Feedback, now: float, found: Findings) -> None:
        """Take in one finding."""
        alert, told = self._alerts.observe(finding, now)
        if alert is None:
            return
        verdict = self._overlay.consider(alert, feedback, now, self.common)
        noted = self._alerts.annotate(alert, verdict.note)
        if told is not None:
            found.alerts.append(noted)
            if not noted.muted:
                found.signals.append(signal_of(noted, now))
        found.alerts += self._alerts.drain()
        if verdict.changed:
            found.overlays.append(self._overlay.overlay())

    def obey(self, orders: Iterable[AlertOrder], now: float, found: Findings) -> list[Alert]:
        """Take over the orders there are; the alerts they closed. What such an alert put in force ends with it."""
        closed, muted = self._alerts.obey(orders, now)
        muted = [self._alerts.annotate(alert, MUTED.format(alert.muted)) if alert.muted else alert for alert in muted]
        found.alerts += [*closed, *muted, *self._alerts.drain()]
        ended = [self._overlay.withdraw(alert.id, _why(alert), now) for alert in (*closed, *muted) if _why(alert)]
        if any(ended):
            found.overlays.append(self._overlay.overlay())
        return closed

    def due(self) -> float:
        """When the next alert closes or entry expires by itself, Unix seconds; inf for never."""
        return min(self._alerts.due(), self._overlay.due())

    def settle(self, clock: float, now: float, found: Findings) -> list[OverlayEntry]:
        """Close alerts that are quiet by `clock`, end orders and entries that expired by `now`; those entries."""
        flood = self._alerts.held_back()
        for complaint in (*self._overlay.complaints(clock), *([flood] if flood else ())):
            found.alerts += [told for told in self._alerts.observe(complaint, now)[1:] if told]
        found.alerts += [*self._alerts.lapse(now), *self._alerts.close_quiet(clock, now), *self._alerts.drain()]
        found.signals.extend(self._risk.due(self._alerts.standing, now))
        gone = self._overlay.expire(now)
        if gone:
            found.overlays.append(self._overlay.overlay())
        del found.overlays[:-1]  # each holds everything: the last one says it all
        return gone

    def resume(
        self, alerts: Iterable[Alert], overlay: Overlay | None, feedback: Feedback, now: float, found: Findings
    ) -> None:
        """Go on with what was told before a restart; the overlay is told again."""
        self._alerts.resume(alerts)
        if overlay is not None:
            self._overlay.resume(overlay)
            self._overlay.expire(now)
            self._overlay.apply(feedback, now)
            found.overlays.append(self._overlay.overlay())

    def save(self) -> dict[str, Any]:
        """Plain values for msgpack."""
        return {"alerts": self._alerts.save(), "overlay": self._overlay.save()}

    def load(self, packed: dict[str, Any]) -> None:
        """Inverse of save."""
        self._alerts.load(packed["alerts"])
        self._overlay.load(packed["overlay"])


def _why(alert: Alert) -> str:
    """Why a person ended what an alert put in force; empty when nobody did."""
    return alert.ending or (f"muted by order {alert.muted}" if alert.muted else "")
