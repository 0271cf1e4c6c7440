"""Service trouble: an upstream server, or a source that answers by itself, fails or slows down against its baseline.

Not security: the context signals ``health`` and ``latency`` that steer discovery come within seconds and from the same
panes (streams/answerers.py, streams/upstreams.py); this says it to a person, and says what is usual. Per subject and
minute: share of failures (SERVFAIL or no answer, about names of several domains), and the logarithm of the median
latency, each an EWMA of value and deviation with clipped steps (streams/baselines.py). Failing: z > 4 and at least a
tenth, two minutes in a row; half of all counts at once and without baseline. Slow: z > 4, three times the usual median
and at least 50 ms, two minutes in a row. Baselines are frozen meanwhile; slowness that lasts two hours is the new
normal, failure never is.

What can be known: how upstream servers answer this resolver, and how long cache, policy, virtual names and discovery
take. What cannot: endpoints of discovery are only known by the answers that name them, clients talk to them directly;
whether they work is told by health checkers through context signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

from schemas.detection_spec import ServiceTroubleSpec
from schemas.objects import Severity
from schemas.signals import Telemetry
from streams.answerers import SOURCE, Doings
from streams.baselines import Level
from streams.columns import TenantRows
from streams.detectors.finding import Detector, Finding, Scene, Standing
from streams.parts import Parts, pack, unpack

NAME = "service_trouble"
MINUTE = 60
WARM = 10
DOWN = 0.5
MOST = 64
PATIENCE = 120
LEAST_SHARE, LEAST_LOG = 0.02, 0.2
"""Deviations that are always granted: of a share of failures, of the logarithm of a latency."""
_TOLD = 24
_PART = "service/usual"


@dataclass(slots=True)
class _Usual:
    """What is usual of a subject. runs: minutes in a row it failed, was slow; minute: when it was seen last."""

    failing: Level = field(default_factory=Level)
    slowness: Level = field(default_factory=Level)
    runs: list[int] = field(default_factory=lambda: [0, 0])
    minute: int = 0

    def pack(self) -> list[Any]:
        levels = [[level.mean, level.deviation, level.minutes] for level in (self.failing, self.slowness)]
        return [*levels, self.runs, self.minute]

    @classmethod
    def unpack(cls, packed: list[Any]) -> _Usual:
        return cls(Level(*packed[0]), Level(*packed[1]), packed[2], packed[3])


class ServiceTrouble(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._usual: dict[str, _Usual] = {}
        self._changed = False

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Rows were counted by who answered them."""
        del rows, scene
        return []

    def judge(self, closed: Sequence[Telemetry], scene: Scene) -> list[Finding]:
        """Judge each subject in the minutes that are over."""
        found = []
        for window in closed:
            if not window.workload and window.window_seconds == MINUTE and scene.answerers is not None:
                start = window.window_start.timestamp()
                for subject, doings in scene.answerers.between(start, start + MINUTE).items():
                    if doings.asked >= scene.detection.service_trouble.fewest:
                        found += self._subject(subject, doings, int(start // MINUTE), scene)
        while len(self._usual) > MOST:
            del self._usual[min(self._usual, key=lambda name: self._usual[name].minute)]
        return found

    def _subject(self, subject: str, doings: Doings, minute: int, scene: Scene) -> list[Finding]:
        mine, usual = scene.detection.service_trouble, self._usual.setdefault(subject, _Usual())
        if usual.minute < minute - 1:
            usual.runs = [0, 0]
        usual.minute, self._changed = minute, True
        median = doings.median_ms()
        off = (self._fails(usual, doings.share, mine), median > 0 and self._is_slow(usual, median, mine))
        usual.runs = [run + 1 if wrong else 0 for run, wrong in zip(usual.runs, off, strict=True)]
        told = []
        if off[0] and (usual.runs[0] >= mine.minutes or doings.share >= DOWN):
            told.append("failing")
        if off[1] and mine.minutes <= usual.runs[1]:
            told.append("slow")
        found = [self._tell(subject, doings, told, minute, scene)] if told else []
        if not off[0]:
            usual.failing.learn(doings.share, LEAST_SHARE)
        if median > 0 and (not off[1] or usual.runs[1] > PATIENCE):
            usual.slowness.learn(log(median), LEAST_LOG)
        return found

    @staticmethod
    def _fails(usual: _Usual, share: float, mine: ServiceTroubleSpec) -> bool:
        if usual.failing.minutes < WARM:
            return share >= max(DOWN, mine.failing)
        return share >= mine.failing and usual.failing.z(share, LEAST_SHARE) > mine.z

    @staticmethod
    def _is_slow(usual: _Usual, median: float, mine: ServiceTroubleSpec) -> bool:
        if usual.slowness.minutes < WARM or median < mine.slow_ms:
            return False
        slower = log(median) - usual.slowness.mean >= log(mine.factor)
        return slower and usual.slowness.z(log(median), LEAST_LOG) > mine.z

    def _tell(self, subject: str, doings: Doings, told: list[str], minute: int, scene: Scene) -> Finding:
        mine, usual, median = scene.detection.service_trouble, self._usual[subject], doings.median_ms()
        normal = exp(usual.slowness.mean) if usual.slowness.minutes else 0.0
        who = f"Answers from {subject.removeprefix(SOURCE)}" if subject.startswith(SOURCE) else f"Upstream {subject}"
        slow = f"the median answer takes {median:.0f} ms where {normal:.1f} is usual"
        how = {"failing": f"{doings.share:.0%} of queries fail", "slow": slow}
        severity: Severity = "medium" if "failing" in told and doings.share >= DOWN else "low"
        return Finding(
            detector=NAME,
            subject=subject,
            severity=severity,
            reason=f"{doings.failed} of {doings.asked} queries failed, half were answered within {median:.1f} ms",
            title=f"{who}: {' and '.join(how[kind] for kind in told)}",
            seen=(minute + 1) * float(MINUTE),
            evidence={
                "kind": " and ".join(told),
                "queries": doings.asked,
                "failed": doings.failed,
                "share_failed": round(doings.share, 3),
                "usual_share_failed": round(usual.failing.mean, 3),
                "share_threshold": mine.failing,
                "median_ms": round(median, 1),
                "usual_median_ms": round(normal, 1),
                "factor_threshold": mine.factor,
                "z": round(max(self._z(usual, doings)), 1),
                "z_threshold": mine.z,
                "minutes": max(usual.runs),
                "learning": "learning" if usual.slowness.minutes < WARM else "active",
            },
            samples=tuple(sorted(doings.domains)),
        )

    @staticmethod
    def _z(usual: _Usual, doings: Doings) -> tuple[float, float]:
        median = doings.median_ms()
        slow = usual.slowness.z(log(median), LEAST_LOG) if median > 0 else 0.0
        return usual.failing.z(doings.share, LEAST_SHARE), slow

    def standing(self, clock: float) -> Standing:
        """Learning until something that answers was seen for ten minutes."""
        del clock
        warm = sum(usual.slowness.minutes >= WARM for usual in self._usual.values())
        said = f"{warm} of {len(self._usual)} servers and sources are known for {WARM} minutes"
        return Standing("active" if warm else "learning", said)

    def learnt(self) -> dict[str, float]:
        """Levels of what was seen last."""
        newest = sorted(self._usual, key=lambda name: -self._usual[name].minute)[:_TOLD]
        values: dict[str, float] = {}
        for subject in newest:
            level = self._usual[subject].slowness
            values |= {f"median:{subject}": level.mean, f"deviation:{subject}": level.deviation}
            values |= {f"failing:{subject}": self._usual[subject].failing.mean, f"minutes:{subject}": level.minutes}
        return values

    def relearn(self, values: dict[str, float]) -> None:
        """Inverse of learnt."""
        for name in [name for name in values if name.startswith("median:")]:
            subject = name.partition(":")[2]
            minutes = int(values.get(f"minutes:{subject}", 0))
            slowness = Level(values[name], values.get(f"deviation:{subject}", 0.0), minutes)
            failing = Level(values.get(f"failing:{subject}", 0.0), 0.0, minutes)
            self._usual[subject] = _Usual(failing, slowness)
        self._changed = True

    def touch(self) -> None:
        """Have the next save write all."""
        self._changed = True

    def save(self, parts: Parts) -> dict[str, Any]:
        """What changes once a minute is a part."""
        if self._changed:
            parts.put(_PART, pack({subject: usual.pack() for subject, usual in self._usual.items()}))
            self._changed = False
        return {}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        del rest
        if _PART in values:
            self._usual = {subject: _Usual.unpack(packed) for subject, packed in unpack(values[_PART]).items()}
