"""The detectors of one tenant as one: shown what came and what is over, asked what they know and what they learnt.

Between the analysis and the detectors. Those the operator switched off see nothing, and keep what they knew. Must not
know alerts, policy or telemetry's inner life.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.detection_spec import Detection
from schemas.signals import ContextSignal, Telemetry
from streams.columns import TenantRows
from streams.detectors import DETECTORS
from streams.detectors.finding import Detector, Finding, Scene
from streams.detectors.volume import Volume
from streams.parts import Parts


class Panel:
    """One of each."""

    def __init__(self) -> None:
        self.detectors: dict[str, Detector] = {detector.name: detector for detector in (kind() for kind in DETECTORS)}

    def _active(self, detection: Detection) -> list[Detector]:
        return [detector for name, detector in self.detectors.items() if detection.of(name).enabled]

    def update(self, rows: TenantRows, scene: Scene) -> Iterator[Finding]:
        """What they see in rows."""
        for detector in self._active(scene.detection):
            yield from detector.update(rows, scene)

    def first_asked(self, detection: Detection) -> Iterator[TenantRows]:
        """Rows of the last update that asked a name for the first time."""
        for detector in self._active(detection):
            if (first := detector.first_asked()) is not None:
                yield first

    def seed(self, domains: list[str], since: float) -> None:
        """Tell what was asked before a restart; see Detector.seed."""
        for detector in self.detectors.values():
            detector.seed(domains, since)

    def judge(self, closed: list[Telemetry], scene: Scene, *, idle: bool) -> Iterator[Finding]:
        """What they see in windows that are over, and in time that passed without rows."""
        for detector in self._active(scene.detection):
            if closed:
                yield from detector.judge(closed, scene)
            if idle:
                yield from detector.tick(scene)

    def due(self, scene: Scene) -> float:
        """When time has to pass for one of them."""
        return min((detector.due(scene) for detector in self._active(scene.detection)), default=inf)

    def week(self) -> tuple[NDArray[np.float64] | None, float]:
        """Shape of the tenant's week, and the deviation from it; see Seasonal."""
        volume = self.detectors.get(Volume.name)
        return (volume.week.shape(), volume.week.deviation) if isinstance(volume, Volume) else (None, 0.0)

    def signals(self, detection: Detection, clock: float, now: float) -> Iterator[ContextSignal]:
        """Facts that are due."""
        for detector in self._active(detection):
            yield from detector.signals(clock, now)

    def forget(self, name: str, subject: str) -> None:
        """Have one of them judge a subject anew."""
        if detector := self.detectors.get(name):
            detector.forget(subject)

    def learnt(self) -> dict[str, float]:
        """Baselines of all, as ``detector/name``."""
        return {
            f"{name}/{key}": value
            for name, detector in self.detectors.items()
            for key, value in detector.learnt().items()
        }

    def relearn(self, baselines: Mapping[str, float]) -> None:
        """Inverse of learnt."""
        of: dict[str, dict[str, float]] = {}
        for key, value in baselines.items():
            name, _, rest = key.partition("/")
            of.setdefault(name, {})[rest] = value
        for name, detector in self.detectors.items():
            if name in of:
                detector.relearn(of[name])

    def touch(self) -> None:
        """Have the next save write all."""
        for detector in self.detectors.values():
            detector.touch()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Changed parts; the small rests are returned by detector."""
        return {name: detector.save(parts) for name, detector in self.detectors.items()}

    def load(self, rests: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save; what an unknown detector left is ignored."""
        for name, rest in rests.items():
            if name in self.detectors:
                self.detectors[name].load(rest, values)
