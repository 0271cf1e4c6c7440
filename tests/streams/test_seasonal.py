"""The week of a tenant: hours in their place, shrinkage towards the prior, steps that are clipped, medians of many."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.seasonal import HOURS, Prior, Seasonal, hour_of_week, prior_of
from tests.streams.weeks import MONDAY, office

FLAT = Prior(tuple([0.0] * HOURS), 1.0, 5)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)))
def test_hours_count_from_monday(moment: datetime) -> None:
    """As the calendar has it, in UTC."""
    moment = moment.replace(tzinfo=UTC)
    assert hour_of_week(int(moment.timestamp() // 60)) == moment.weekday() * 24 + moment.hour


def test_what_nobody_knows_is_not_expected() -> None:
    """Half an hour of an hour of the week says something; other hours are unknown, unless there is a prior."""
    week = Seasonal()
    for minute in range(30):
        assert week.expect(MONDAY + minute, None) is None
        week.learn(MONDAY + minute, 100, None)
    expected = week.expect(MONDAY + 30, None)
    assert expected is not None
    assert expected.value == pytest.approx(100, rel=0.02)
    assert week.expect(MONDAY + 60, None) is None
    borrowed = week.expect(MONDAY + 60, FLAT)
    assert borrowed is not None
    assert (borrowed.own, borrowed.value) == (0.0, pytest.approx(100, rel=0.02))


def test_the_own_past_weighs_more_with_every_visit() -> None:
    """n hours count n / (n + 1); the rest is the prior's, and the deviation shrinks."""
    week, shares, deviations = Seasonal(), [], []
    for visit in range(3):
        for minute in range(60):
            week.learn(MONDAY + visit * HOURS * 60 + minute, 100, FLAT)
        expected = week.expect(MONDAY, FLAT)
        assert expected is not None
        shares.append(expected.own)
        deviations.append(expected.deviation)
    assert shares == pytest.approx([1 / 2, 2 / 3, 3 / 4])
    assert deviations == sorted(deviations, reverse=True)


def test_a_burst_teaches_little() -> None:
    """One minute of a thousand times as much moves the mean by no more than three deviations' share."""
    week = Seasonal()
    for minute in range(59):
        week.learn(MONDAY + minute, 100, None)
    week.learn(MONDAY + 59, 100_000, None)
    expected = week.expect(MONDAY, None)
    assert expected is not None
    assert expected.value < 110


def test_what_is_accepted_is_expected_from_then_on() -> None:
    """In every hour alike."""
    week = Seasonal()
    for minute in range(120):
        week.learn(MONDAY + minute, 100, None)
    week.accept(MONDAY + 120 - 1, 1000, None)
    assert [round(found.value, -2) for minute in (0, 60) if (found := week.expect(MONDAY + minute, None))] == [1000, 1000]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=90))
def test_expectations_are_finite_and_survive_their_bytes(values: list[int]) -> None:
    """Whatever was seen."""
    week = Seasonal()
    for minute, value in enumerate(values):
        week.learn(MONDAY + minute, value, FLAT)
    again = Seasonal.unpack(week.pack())
    assert again.expect(MONDAY, FLAT) == week.expect(MONDAY, FLAT)
    expected = week.expect(MONDAY, FLAT)
    assert expected is None or (0 <= expected.at(-4) <= expected.value <= expected.at(4) and np.isfinite(expected.z(0)))


def test_the_prior_is_the_median_of_shapes() -> None:
    """One tenant turned upside down among many changes nothing; two tenants make none; a quiet or young one has no shape."""
    weeks = [Seasonal() for _ in range(5)]
    for seed, week in enumerate(weeks):
        for index, queries in enumerate(office(1, seed, busy=500 * (seed + 1)).tolist()):
            week.learn(MONDAY + index, queries, None)
    shapes = [shape for week in weeks if (shape := week.shape()) is not None]
    assert len(shapes) == 5
    prior = prior_of([*shapes[:4], -shapes[4]], [0.3] * 5)
    assert prior is not None
    assert prior.factors[24 + 11] - prior.factors[24 + 2] > 3
    assert prior_of(shapes[:2], [0.3] * 2) is None
    assert Seasonal().shape() is None
