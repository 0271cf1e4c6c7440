"""When turns and checkpoints come: soon while there is little to do, seldom under load, never too seldom."""

from __future__ import annotations

import pytest

from streams.pace import CHECKPOINT_MOST, HELD, HELD_MOST, Pace


@pytest.mark.parametrize(("took", "hold"), [(0.0, HELD), (0.01, HELD), (0.1, 0.4), (0.3, 1.2), (5.0, HELD_MOST)])
def test_turns_grow_with_what_they_cost(took: float, hold: float) -> None:
    """A busy worker waits for more, so that a tenant's fixed cost is shared by more events; an alert never waits long."""
    assert Pace(turn=took).hold() == pytest.approx(hold)


@pytest.mark.parametrize(("took", "rest"), [(0.0, 1.0), (0.1, 1.0), (0.6, 3.0), (60.0, CHECKPOINT_MOST)])
def test_checkpoints_take_no_more_than_a_fifth(took: float, rest: float) -> None:
    """What is configured is the least; beyond ten seconds a replay would be long."""
    pace = Pace(checkpoint=took)
    assert (pace.checkpoint_due(rest - 0.01), pace.checkpoint_due(rest)) == (False, True)


def test_a_configured_interval_is_kept_however_long() -> None:
    """Whoever wants a checkpoint an hour gets no more of them."""
    pace = Pace(3600.0, checkpoint=2.0)
    assert (pace.checkpoint_due(3599.0), pace.checkpoint_due(3600.0)) == (False, True)
