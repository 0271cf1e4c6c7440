"""How each detector stands, told now and then as a signal: "still learning" must never look like "nothing found"."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.detection_spec import Detection
from schemas.signals import ContextSignal
from streams.alerts import moment
from streams.detectors.finding import Detector, Standing

EVERY = 60.0
LIFE = 180.0
_SHARED: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}
"""What thousands of tenants have been told alike: few detectors, three states."""
_OFF = Standing("off", "switched off by spec.detection of the Tenant")


class Standings:
    """What was last told of each detector of a tenant; not kept over a restart, which is worth telling."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._told: dict[str, str] = {}
        self._at = 0.0

    def told(self) -> tuple[float, tuple[tuple[str, str], ...]]:
        """When all was told last, and what was told of each detector."""
        told = tuple(self._told.items())
        return self._at, _SHARED.setdefault(told, told)

    def resume(self, at: float, told: tuple[tuple[str, str], ...]) -> None:
        """Go on from there."""
        self._at, self._told = at, dict(told)

    def due(
        self, detectors: Iterable[Detector], detection: Detection, clock: float, now: float
    ) -> list[ContextSignal]:
        """Signals of kind ``detector``, value off, learning or active: on a change, and all every EVERY seconds."""
        every = now - self._at >= EVERY
        if every:
            self._at = now
        signals = []
        for detector in detectors:
            standing = detector.standing(clock) if detection.of(detector.name).enabled else _OFF
            if standing.state == self._told.get(detector.name) and not every:
                continue
            self._told[detector.name] = standing.state
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
