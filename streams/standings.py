"""How each detector stands, told now and then as a signal: "still learning" must never look like "nothing found"."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.detection_spec import Detection
from schemas.signals import ContextSignal
from streams.alerts import moment
from streams.detectors.finding import Detector, Standing

EVERY = 60.0
LIFE = 180.0
_OFF = Standing("off", "switched off by spec.detection of the Tenant")


class Standings:
    """What was last told of each detector of a tenant; not kept over a restart, which is worth telling."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._told: dict[str, tuple[str, float]] = {}

    def due(self, detectors: Iterable[Detector], detection: Detection, clock: float, now: float) -> list[ContextSignal]:
        """Signals of kind ``detector``, value off, learning or active: on a change and every EVERY seconds."""
        signals = []
        for detector in detectors:
            standing = detector.standing(clock) if detection.of(detector.name).enabled else _OFF
            state, at = self._told.get(detector.name, ("", 0.0))
            if state == standing.state and now - at < EVERY:
                continue
            self._told[detector.name] = (standing.state, now)
            signal = ContextSignal(
                tenant=self.tenant,
                kind="detector",
                subject=detector.name,
                value=standing.state,
                source=detector.name,
                reason=standing.reason,
                created=moment(now),
                expires=moment(now + LIFE),
            )
            signals.append(signal)
        return signals
