"""EWMA mean and variance: robust at the start, slow afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from streams.baselines import WARM, Baseline, Level


def test_one_wild_first_minute_does_not_set_the_baseline() -> None:
    """The median of the first five does."""
    baseline = Baseline()
    for value in (9000, 10, 12, 11, 9):
        assert not baseline.warm
        baseline.learn(value)
    assert baseline.warm
    assert (baseline.mean, baseline.minutes) == (11, WARM)
    assert baseline.z(60) > 4 > baseline.z(20)


def test_mean_and_deviation_are_learnt() -> None:
    """From a thousand minutes around 100 with a deviation of 20."""
    baseline, rng = Baseline(), np.random.default_rng(2)
    for value in rng.normal(100, 20, 1000).tolist():
        baseline.learn(value)
    assert baseline.mean == pytest.approx(100, abs=10)
    assert baseline.limit(4) == pytest.approx(180, abs=30)


def test_a_constant_past_is_never_surer_than_a_poisson_count() -> None:
    """Zero variance must not turn one failure more into an alarm."""
    baseline = Baseline()
    for _ in range(20):
        baseline.learn(100)
    assert baseline.z(120) == pytest.approx(2.0)


def test_a_level_follows_and_is_not_thrown_by_one_value() -> None:
    """Mean and deviation of noise around five; one wild value once it is warm moves it by three deviations' share at most."""
    level, rng = Level(), np.random.default_rng(3)
    for value in rng.normal(5, 0.5, 500).tolist():
        level.learn(value, 0.1)
    assert (level.mean, level.deviation) == (pytest.approx(5, abs=0.3), pytest.approx(0.4, abs=0.2))
    before = level.mean
    level.learn(1000.0, 0.1)
    assert level.mean - before < 0.15
    assert level.z(before + 4, 0.1) > 4 > level.z(before + 4, 2.0)
