"""Volume: more queries a minute than this hour of the week usually has, or a busy tenant that fell silent.

Judged are whole minutes of telemetry, so an event costs nothing here. The tenant is compared with its own week, and
with the global prior where that is young (streams/seasonal.py has the formulas): too many are z > 4 above it, three
times as many and 600 more than usual, for three minutes in a row; silence is a twentieth of what is usual where that
is at least 60, for ten minutes. The minutes of a small tenant vary so much that z says little: three times the highest
minute of some days is too many, too. While nobody knows the hour only a minute of COLD times the highest ever seen, and
of the floor, counts.

The largest clients of a minute are compared with their own share of what the tenant usually asks then (of what it asks
now, if that is more), so that they follow its week: the difference of log(1 + count), an EWMA (streams/baselines.py);
a client seen for n minutes counts n/(n + BORROW), the median of its neighbours the rest.

Baselines are frozen while alerting. A change that lasts is accepted: a rise after two hours, a silence after a day.
A gap of more than fifteen minutes without any look says nothing. What asks, and why, is for the evidence to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from schemas.detection_spec import VolumeSpec
from schemas.objects import Severity
from schemas.signals import Telemetry
from streams.columns import TenantRows
from streams.detectors.finding import Detector, Finding, Scene, Standing
from streams.detectors.talkers import Talkers
from streams.parts import Parts, pack, unpack
from streams.seasonal import HOURS, SEEN, WHOLE, Expected, Seasonal, hour_of_week

NAME = "volume"
MINUTE = 60
COLD = 20
OLD = 3600
"""Minutes watched from which the highest of them says something."""
SILENT = 0.05
PATIENCE = {"rise": 120, "silence": 1440}
GAP = 15
_THAW = 5
_SETTLED = 10.0
"""Seconds after its end by which a minute's telemetry has been told, if there was any."""
_PART = "volume/week"


@dataclass(slots=True)
class _Course:
    """How the minutes go. run: minutes in a row that are off in the way kind says; frozen: until which minute."""

    minute: int | None = None
    kind: str = ""
    run: int = 0
    frozen: int = 0
    highest: float = 0.0


class Volume(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self.week = Seasonal()
        self.talkers = Talkers()
        self._course = _Course()
        self._borrowed = 0
        self._changed = False

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Rows count when their minute is told."""
        del rows, scene
        return []

    def judge(self, closed: Sequence[Telemetry], scene: Scene) -> list[Finding]:
        """Judge the minutes that are over, and those between in which nothing was asked."""
        found: list[Finding] = []
        for window in closed:
            minute = int(window.window_start.timestamp()) // MINUTE
            if window.workload or window.window_seconds != MINUTE or minute <= (self._course.minute or 0):
                continue
            found += self._idle(minute, scene)
            found += self._judge(minute, window, scene)
        return found

    def due(self, scene: Scene) -> float:
        """A minute after the last, where silence would be told."""
        minute = self._course.minute
        expected = None if minute is None else self.week.expect(minute + 1, scene.prior)
        if minute is None or expected is None or expected.value < scene.detection.volume.busy:
            return inf
        return (minute + 2) * MINUTE + _SETTLED

    def tick(self, scene: Scene) -> list[Finding]:
        """Minutes without any query are over, too, where silence would be told."""
        until = int((scene.clock - _SETTLED) // MINUTE)
        expected = self.week.expect(until - 1, scene.prior)
        told = expected is not None and expected.value >= scene.detection.volume.busy
        return self._idle(until, scene) if told else []

    def _idle(self, until: int, scene: Scene) -> list[Finding]:
        first = self._course.minute
        if first is None:
            return []
        if until - first > GAP:
            self._course.minute, self._course.run = until - 1, 0
            return []
        return [finding for minute in range(first + 1, until) for finding in self._judge(minute, None, scene)]

    def _judge(self, minute: int, window: Telemetry | None, scene: Scene) -> list[Finding]:
        mine, course, value = scene.detection.volume, self._course, window.queries if window else 0
        course.minute, self._changed = minute, True
        self._borrowed = scene.prior.tenants if scene.prior else 0
        expected = self.week.expect(minute, scene.prior)
        kind = self._kind(value, expected, mine)
        course.run = course.run + 1 if kind and kind == course.kind else int(bool(kind))
        course.kind = kind
        enough = mine.silence_minutes if kind == "silence" else mine.minutes
        found = []
        if kind and course.run >= enough:
            course.frozen = minute + _THAW
            found.append(self._tell(value, expected, window, scene))
            if course.run >= enough + PATIENCE[kind]:
                self.week.accept(minute, value, scene.prior)
                course.run = course.frozen = 0
                course.highest = max(course.highest, value)
        if window is not None:
            usual = None if expected is None else expected.y
            found += self.talkers.judge(minute, window, usual, scene)
        if minute >= course.frozen:
            self.week.learn(minute, value, scene.prior)
            if kind != "rise":
                course.highest = max(course.highest, value)
        return found

    def _kind(self, value: int, expected: Expected | None, mine: VolumeSpec) -> str:
        if expected is None:
            known = self.week.learnt >= 2 * SEEN
            return "rise" if known and value >= COLD * max(self._course.highest, mine.floor) else ""
        usual, z = expected.value, expected.z(value)
        if z > mine.z and value >= mine.factor * usual and value - usual >= mine.floor:
            return "rise"
        highest = self._course.highest
        if self.week.learnt >= OLD and value >= mine.factor * highest and value - highest >= mine.floor:
            return "rise"
        return "silence" if usual >= mine.busy and z < -mine.z and value <= SILENT * usual else ""

    def _tell(self, value: int, expected: Expected | None, window: Telemetry | None, scene: Scene) -> Finding:
        mine, course = scene.detection.volume, self._course
        rise = course.kind == "rise"
        usual = course.highest if expected is None else expected.value
        severity: Severity = "low" if rise and value < 10 * max(usual, 1) else "medium"
        return Finding(
            detector=NAME,
            subject="tenant",
            severity=severity,
            reason=f"{value} queries a minute for {course.run} minutes, {usual:.0f} are {_whose(expected)}",
            title=f"{scene.tenant or 'Unknown clients'} {'asks far more' if rise else 'fell silent: asks far less'} "
            "than is usual at this hour",
            seen=((course.minute or 0) + 1) * float(MINUTE),
            evidence={
                "kind": course.kind,
                "queries_per_minute": value,
                "usual_per_minute": round(usual, 1),
                "minutes": course.run,
                "minutes_threshold": mine.minutes if rise else mine.silence_minutes,
                "floor": mine.floor if rise else mine.busy,
                "hour_of_week": hour_of_week(course.minute or 0),
                "learning": self.standing(scene.clock).state,
                **_measured(value, expected, mine),
            },
            samples=tuple(top.item for top in window.top_names[:5]) if window else (),
            clients=tuple(top.item for top in window.top_clients[:5]) if window else (),
        )

    def standing(self, clock: float) -> Standing:
        """Learning until most hours of the week were seen; meanwhile the prior judges, if there is one."""
        del clock
        seen = f"{self.week.seen} of {HOURS} hours of the week seen"
        if self.week.seen >= WHOLE:
            return Standing("active", seen)
        others = f"what {self._borrowed} other tenants do judges" if self._borrowed else "only extremes are told in"
        return Standing("learning", f"{seen}; {others} the rest")

    def learnt(self) -> dict[str, float]:
        """The hour being learnt and the one before; the others were told in their time, and stay as they are."""
        if self._course.minute is None:
            return {}
        values = {"level": self.week.level, "deviation": self.week.deviation, "learnt": float(self.week.learnt)}
        values |= {"minute": float(self._course.minute), "highest": self._course.highest, "drift": self.week.drift}
        for hour in (hour_of_week(self._course.minute - 60), hour_of_week(self._course.minute)):
            for name, column in self._columns().items():
                values[f"{name}:{hour}"] = float(column[hour])
        return values

    def relearn(self, values: dict[str, float]) -> None:
        """Inverse of learnt, of all hours that were ever told."""
        if "minute" not in values:
            return
        week, course = self.week, self._course
        week.level, week.deviation = values["level"], values["deviation"]
        week.drift, week.learnt = values["drift"], int(values["learnt"])
        course.minute, course.highest = int(values["minute"]), values["highest"]
        for name, column in self._columns().items():
            for hour in range(HOURS):
                column[hour] = values.get(f"{name}:{hour}", column[hour])
        self._changed = True

    def _columns(self) -> dict[str, Any]:
        return {"mean": self.week.means, "spread": self.week.spreads, "minutes": self.week.minutes}

    def touch(self) -> None:
        """Have the next save write all."""
        self._changed = True

    def save(self, parts: Parts) -> dict[str, Any]:
        """What changes once a minute is a part."""
        if self._changed:
            c = self._course
            course = [c.minute, c.kind, c.run, c.frozen, c.highest]
            parts.put(_PART, pack([self.week.pack(), self.talkers.pack(), course]))
            self._changed = False
        return {}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        del rest
        if _PART in values:
            week, talkers, course = unpack(values[_PART])
            self.week, self.talkers, self._course = Seasonal.unpack(week), Talkers.unpack(talkers), _Course(*course)


def _whose(expected: Expected | None) -> str:
    if expected is None:
        return "the most it ever asked"
    return "usual for it" if expected.own >= 1 / 2 else "usual for tenants of its size"


def _measured(value: int, expected: Expected | None, mine: VolumeSpec) -> dict[str, float | int | str]:
    """Evidence of what it was compared with."""
    if expected is None:
        return {"baseline": "none", "factor_threshold": COLD}
    return {
        "baseline": "own" if expected.own == 1 else "prior" if not expected.own else "own and prior",
        "own_share": round(expected.own, 2),
        "z": round(expected.z(value), 1),
        "z_threshold": mine.z,
        "factor_threshold": mine.factor,
    }
