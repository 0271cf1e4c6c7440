"""What was seen is skipped, per source and epoch, in bounded memory."""

from __future__ import annotations

from streams.columns import TenantRows
from streams.highwater import EPOCHS, HighWater
from tests.streams.events import START, batch, event


def seen(water: HighWater, *rows: tuple[str, int, int]) -> list[int]:
    """Sequences of the (source, epoch, sequence) rows that were new."""
    events = [event(START, "a.test", sequence, source=source, epoch=epoch) for source, epoch, sequence in rows]
    fresh = water.unseen(TenantRows.of(batch(events)))
    return fresh.numbers("sequence").tolist()


def test_only_what_is_above_the_high_water_is_new() -> None:
    """Sources and epochs do not disturb each other; gaps (other tenants' rows) are no loss."""
    water = HighWater()
    assert seen(water, ("r1", 1, 0), ("r1", 1, 5), ("r2", 1, 3)) == [0, 5, 3]
    assert seen(water, ("r1", 1, 4), ("r1", 1, 5), ("r1", 1, 6), ("r2", 2, 0), ("r2", 1, 3)) == [6, 0]


def test_a_row_repeated_within_a_batch_counts_once() -> None:
    """Two records concatenated may both carry it."""
    assert seen(HighWater(), ("r1", 1, 0), ("r1", 1, 1), ("r1", 1, 0), ("r1", 1, 1), ("r1", 1, 2)) == [0, 1, 2]


def test_forgotten_epochs_stay_seen() -> None:
    """A source that restarted often does not let an ancient replay in."""
    water = HighWater()
    for epoch in range(EPOCHS + 2):
        assert seen(water, ("r1", epoch, 7)) == [7]
    assert seen(water, ("r1", 0, 9), ("r1", 1, 9)) == []
    again = HighWater()
    again.load(water.save())
    assert seen(again, ("r1", 0, 9), ("r1", EPOCHS, 7), ("r1", EPOCHS, 8)) == [8]
