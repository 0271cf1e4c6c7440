"""When a rule holds: days and hours on the clock of a time zone, and how long what it says now stays true.

Local time is what counts: a span that a clock change skips does not happen, one that it repeats happens twice (RFC 6557
is where the zones come from). Asked by the engine for every rule that has a schedule; what was worked out is kept until
it can change. Pure: `now` is an argument. Must not know rules.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

from resolver.policy.reading import Report
from schemas.policy_spec import Schedule as Written

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
Span = tuple[int, int]
"""First minute and the one behind the last, counted from midnight; the second is smaller for a span past midnight."""


class Schedule:
    """Local days and hours.

    Args:
        zone: time zone.
        days: of the week, Monday is 0; a span past midnight belongs to the day it begins on.
        spans: hours of these days.
    """

    __slots__ = ("_by_day", "_days", "_known", "_spans", "_zone")

    def __init__(self, zone: ZoneInfo, days: frozenset[int], spans: tuple[Span, ...]) -> None:
        self._zone, self._days, self._spans = zone, days, spans
        self._by_day = tuple(tuple(_minutes(day, days, spans)) for day in range(7))
        self._known = (0.0, 0.0, False)

    def at(self, now: float) -> tuple[bool, float]:
        """Whether it holds at a time (Unix seconds), and from when on it may say otherwise."""
        since, until, holds = self._known
        if not since <= now < until:
            holds, until = self._work_out(now)
            self._known = now, until, holds
        return holds, until

    def _work_out(self, now: float) -> tuple[bool, float]:
        second = floor(now)
        local = datetime.fromtimestamp(second, self._zone)
        minute = local.hour * 60 + local.minute
        spans = self._by_day[local.weekday()]
        # The next midnight is looked at again, so that nothing here need know more than one day.
        ahead = [edge for span in spans for edge in span if edge > minute]
        until = second - local.second + (min([*ahead, _DAY]) - minute) * 60
        return any(start <= minute < end for start, end in spans), self._clock_change(second, until)

    def _clock_change(self, now: int, until: int) -> int:
        """The first second up to `until`, at most a day away, on which local clocks stand elsewhere; else `until`."""
        offset = self._offset(now)
        if self._offset(until) == offset:
            return until
        while until - now > 1:
            middle = (now + until) // 2
            now, until = (middle, until) if self._offset(middle) == offset else (now, middle)
        return until

    def _offset(self, second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, self._zone).utcoffset()

    def told(self, now: float) -> str:
        """When it holds and what time it is there, as a clause for an explanation."""
        local = datetime.fromtimestamp(now, UTC).astimezone(self._zone)
        days = _ranges(self._days) + " " if len(self._days) < len(DAYS) else ""
        hours = ", ".join(f"{_clock(start)}-{_clock(end)}" for start, end in self._spans)
        return f"holds {days}{hours} {self._zone.key}, now {_day(local.weekday())} {local:%H:%M}"


def _minutes(day: int, days: frozenset[int], spans: tuple[Span, ...]) -> list[Span]:
    """Spans of one day of the week, those that began the day before included, each within the day."""
    found = []
    for start, end in spans:
        if day in days:
            found.append((start, end if start < end else _DAY))
        if start >= end and (day - 1) % 7 in days:
            found.append((0, end))
    return found


def _ranges(days: frozenset[int]) -> str:
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(_day(run[0]) if len(run) == 1 else f"{_day(run[0])}-{_day(run[-1])}" for run in runs)


def _day(number: int) -> str:
    return DAYS[number].capitalize()


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def compile_schedule(written: Written | None, path: str, report: Report) -> Schedule | None:
    """The schedule of a rule, None if it always holds; what is wrong is reported below the path and left out."""
    if written is None:
        return None
    if not written.days and not written.hours:
        report(path, "expected days, hours or both; a rule without a schedule always holds")
    spans = [_span(text, f"{path}.hours[{place}]", report) for place, text in enumerate(written.hours)]
    zone = _zone(written.time_zone, f"{path}.timeZone", report)
    days = frozenset(DAYS.index(day) for day in written.days) or frozenset(range(7))
    return Schedule(zone, days, tuple(spans) or ((0, _DAY),))


def _span(text: str, path: str, report: Report) -> Span:
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    if start == end:
        report(path, f"{text} is no span, expected an end other than its start (00:00-24:00 is the whole day)")
    return start, end


def _zone(name: str, path: str, report: Report) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown name, no name of a file, a file that is no zone
        report(path, f"expected an IANA time zone such as Europe/Berlin, got {name!r}")
        return ZoneInfo("UTC")
