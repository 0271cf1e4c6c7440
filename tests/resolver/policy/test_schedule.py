"""Schedules: days and hours in a time zone, clock changes included, and how long what they say stays true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.compiler import verify
from resolver.policy.schedule import DAYS, Schedule, compile_schedule
from schemas.policy_spec import Day
from schemas.policy_spec import Schedule as Written
from tests.resolver.policy.written import ask, compiled, objects, rules, tenant

BERLIN = "Europe/Berlin"


def schedule(hours: list[str] = [], days: list[Day] = [], zone: str = BERLIN) -> Schedule:  # noqa: B006 - never changed
    """A schedule that is right."""
    wrong: list[tuple[str, str]] = []
    found = compile_schedule(Written(time_zone=zone, days=days, hours=hours), "", lambda *at: wrong.append(at))
    assert not wrong
    assert found is not None
    return found


def at(text: str, zone: str = BERLIN) -> float:
    """Unix seconds of a local time; with a trailing * of the second time it happens."""
    local = datetime.fromisoformat(text.removesuffix("*")).replace(tzinfo=ZoneInfo(zone), fold=int(text.endswith("*")))
    return local.timestamp()


# 2026-11-22 is a Sunday.
HOLDS: list[tuple[list[str], list[Day], str, bool]] = [
    (["08:00-16:00"], [], "2026-11-22 07:59:59", False),
    (["08:00-16:00"], [], "2026-11-22 08:00", True),
    (["08:00-16:00"], [], "2026-11-22 15:59:59.9", True),
    (["08:00-16:00"], [], "2026-11-22 16:00", False),
    (["08:00-12:00", "13:00-24:00"], [], "2026-11-22 12:30", False),
    (["08:00-12:00", "13:00-24:00"], [], "2026-11-22 23:59:59", True),
    (["08:00-12:00", "13:00-24:00"], [], "2026-11-23 00:00", False),
    ([], ["sun"], "2026-11-22 00:00", True),
    ([], ["sun"], "2026-11-21 23:59:59", False),
    ([], ["sun"], "2026-11-23 00:00", False),
    (["00:00-24:00"], ["sun"], "2026-11-22 23:59", True),
    (["08:00-16:00"], ["mon", "tue"], "2026-11-22 12:00", False),
    (["08:00-16:00"], ["mon", "tue"], "2026-11-24 12:00", True),
    # a span past midnight belongs to the day it begins on
    (["22:00-06:00"], ["sat"], "2026-11-21 21:59", False),
    (["22:00-06:00"], ["sat"], "2026-11-21 22:00", True),
    (["22:00-06:00"], ["sat"], "2026-11-22 05:59", True),
    (["22:00-06:00"], ["sat"], "2026-11-22 06:00", False),
    (["22:00-06:00"], ["sat"], "2026-11-22 22:00", False),
    (["22:00-06:00"], ["sun"], "2026-11-23 03:00", True),
    (["22:00-00:00"], ["sun"], "2026-11-22 23:59", True),
    (["22:00-00:00"], ["sun"], "2026-11-23 00:00", False),
    # on 2026-03-29 the hour from two to three does not happen
    (["02:00-03:00"], [], "2026-03-29 01:59:59", False),
    (["02:00-03:00"], [], "2026-03-29 03:00", False),
    (["02:30-04:00"], [], "2026-03-29 03:00", True),
    # on 2026-10-25 it happens twice
    (["02:00-02:30"], [], "2026-10-25 02:15", True),
    (["02:00-02:30"], [], "2026-10-25 02:45", False),
    (["02:00-02:30"], [], "2026-10-25 02:15*", True),
    (["02:00-02:30"], [], "2026-10-25 02:45*", False),
]


@pytest.mark.parametrize(("hours", "days", "moment", "expected"), HOLDS)
def test_when_it_holds(hours: list[str], days: list[Day], moment: str, expected: bool) -> None:
    """Local wall clocks decide, on the days given, from the first minute to the one before the last."""
    assert schedule(hours, days).at(at(moment))[0] is expected


UNTIL: list[tuple[list[str], list[Day], str, str]] = [
    (["08:00-16:00"], [], "2026-11-22 07:00:00.5", "2026-11-22 08:00"),
    (["08:00-16:00"], [], "2026-11-22 08:00", "2026-11-22 16:00"),
    (["22:00-06:00"], ["sat"], "2026-11-22 01:00", "2026-11-22 06:00"),
    # the day ends before anything else changes: looked at again then
    (["08:00-16:00"], [], "2026-11-22 16:00", "2026-11-23 00:00"),
    # clocks change before the span begins
    (["04:00-05:00"], [], "2026-03-29 01:30", "2026-03-29 03:00"),
    (["02:00-02:30"], [], "2026-10-25 02:30", "2026-10-25 02:00*"),
    (["02:00-02:30"], [], "2026-10-25 02:15*", "2026-10-25 02:30*"),
]


@pytest.mark.parametrize(("hours", "days", "moment", "until"), UNTIL)
def test_until_when_that_is_sure(hours: list[str], days: list[Day], moment: str, until: str) -> None:
    """The next edge of a span, the next midnight or the next change of clocks, whichever is first."""
    assert schedule(hours, days).at(at(moment))[1] == at(until)


def test_a_zone_of_its_own_offset() -> None:
    """The same moment is another time elsewhere, half hours and the date line included."""
    moment = at("2026-11-22 12:00", "UTC")
    zones = [("Asia/Kolkata", "17:30-17:31"), ("America/St_Johns", "08:30-08:31"), ("Pacific/Kiritimati", "02:00-02:01")]
    assert all(schedule([hours], zone=zone).at(moment)[0] for zone, hours in zones)
    assert schedule(days=["mon"], zone="Pacific/Kiritimati").at(moment)[0]


def test_it_answers_the_same_for_a_time_before_the_last_one_asked() -> None:
    """What was worked out for one time is not taken for an earlier one: the answer depends on `now` alone."""
    working = schedule(["08:00-16:00"])
    asked = [at(f"2026-11-22 {hour}:00") for hour in ("12", "07", "17", "09", "03")]
    assert [working.at(now)[0] for now in asked] == [True, False, False, True, False]


clocks = st.tuples(st.integers(0, 23), st.sampled_from((0, 1, 15, 30, 59))).map(lambda clock: "{:02}:{:02}".format(*clock))
spans = st.tuples(clocks, st.one_of(clocks, st.just("24:00"))).filter(lambda span: span[0] != span[1]).map("-".join)
zones = st.sampled_from(
    [BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "America/Santiago"]
)
# Around the changes of clocks of 2026 in these zones, and anywhere.
starts = st.one_of(
    st.integers(1_767_225_600, 1_798_761_600),
    st.sampled_from(["2026-03-29 00:40", "2026-10-25 00:20", "2026-03-08 06:50", "2026-11-01 05:10", "2026-04-04 14:30",
                     "2026-02-15 01:30", "2026-03-22 01:30", "2026-09-06 03:30"])
    .map(lambda text: int(at(text, "UTC"))),
)  # fmt: skip


@given(st.lists(spans, max_size=3), st.lists(st.sampled_from(DAYS), unique=True), zones, starts, st.integers(0, 86399))
def test_it_never_changes_before_it_says_so(
    hours: list[str], days: list[Day], zone: str, start: int, later: int
) -> None:
    """Up to the time it names, the schedule says the same at every moment; and it is what local clocks and days say."""
    if not hours and not days:
        hours = ["08:00-16:00"]
    working = schedule(hours, days, zone)
    holds, until = working.at(start)
    assert start < until <= start + 25 * 3600
    moment = min(start + later, until - 1)
    for when in (moment, until - 1, until - 0.001):
        assert holds is _naive(hours, days, zone, when)


def _naive(hours: list[str], days: list[Day], zone: str, now: float) -> bool:
    """The same without any arithmetic: one look at the local clock and calendar."""
    local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone))
    clock, today, yesterday = f"{local:%H:%M}", DAYS[local.weekday()], DAYS[local.weekday() - 1]
    for start, end in (span.split("-") for span in hours or ["00:00-24:00"]):
        if start < end and (today in days or not days) and start <= clock < end:
            return True
        if start > end and (((today in days or not days) and clock >= start) or ((yesterday in days or not days) and clock < end)):
            return True
    return False


TOLD: list[tuple[list[str], list[Day], str]] = [
    (["08:00-16:00"], ["mon", "tue", "wed", "thu", "fri"], "holds Mon-Fri 08:00-16:00 Europe/Berlin, now Sun 12:00"),
    ([], ["sat", "mon", "wed", "thu"], "holds Mon, Wed-Thu, Sat 00:00-24:00 Europe/Berlin, now Sun 12:00"),
    (["08:00-12:00", "22:00-06:00"], [], "holds 08:00-12:00, 22:00-06:00 Europe/Berlin, now Sun 12:00"),
]


@pytest.mark.parametrize(("hours", "days", "told"), TOLD)
def test_it_is_told_in_words(hours: list[str], days: list[Day], told: str) -> None:
    """An explanation names days, hours, zone and the local time."""
    assert schedule(hours, days).told(at("2026-11-22 12:00")) == told


WRONG = [
    ("{timeZone: Europe/Atlantis, days: [mon]}",
     "spec.rules[0].schedule.timeZone: expected an IANA time zone such as Europe/Berlin, got 'Europe/Atlantis'"),
    ("{timeZone: Europe, days: [mon]}",
     "spec.rules[0].schedule.timeZone: expected an IANA time zone such as Europe/Berlin, got 'Europe'"),
    ("{timeZone: /etc/passwd, days: [mon]}",
     "spec.rules[0].schedule.timeZone: expected an IANA time zone such as Europe/Berlin, got '/etc/passwd'"),
    ("{timeZone: UTC}", "spec.rules[0].schedule: expected days, hours or both; a rule without a schedule always holds"),
    ("{timeZone: UTC, days: [], hours: []}",
     "spec.rules[0].schedule: expected days, hours or both; a rule without a schedule always holds"),
    ('{timeZone: UTC, hours: ["08:00-09:00", "10:00-10:00"]}',
     "spec.rules[0].schedule.hours[1]: 10:00-10:00 is no span, expected an end other than its start"
     " (00:00-24:00 is the whole day)"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "message"), WRONG)
def test_a_wrong_schedule_is_named_with_its_key_path(written: str, message: str) -> None:
    """Unknown zones, no days and hours, and spans without an end are told once, with their key path."""
    policy = tenant() + rules(f"name: a, action: deny, schedule: {written}")
    assert [str(problem) for problem in verify(objects(policy))] == [f"DNSPolicy/p {message}"]


def test_a_rule_holds_by_its_schedule_and_a_decision_no_longer_than_that() -> None:
    """A rule that does not hold yet bounds the decision too, for it will; a rule for another name does not."""
    office = 'schedule: {timeZone: Europe/Berlin, days: [mon, tue, wed, thu, fri], hours: ["08:00-16:00"]}'
    policy = compiled(
        tenant() + rules(f"name: games, action: deny, match: {{qname: [.games.test]}}, {office}", "name: all, action: allow")
    )
    before, within = at("2026-11-23 07:59"), at("2026-11-23 08:00")
    early, late = ask(policy, "a.games.test", now=before), ask(policy, "a.games.test", now=within)
    assert (early.verdict, early.valid_until) == ("allow", within)
    assert (late.verdict, late.rule, late.valid_until) == ("deny", "p/games", at("2026-11-23 16:00"))
    assert ask(policy, "b.test", now=before).valid_until > within + timedelta(days=365).total_seconds()
