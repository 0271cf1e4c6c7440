"""Counters of dropped events: each rise told once, whatever is repeated, late, or new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.losses import EPOCHS, SOURCES, Losses


@pytest.mark.parametrize(
    ("heard", "rises"),
    [
        ([(1, 0), (1, 5), (1, 5), (1, 9)], [0, 5, 0, 4]),
        ([(1, 7), (1, 9)], [0, 2]),
        ([(1, 9), (1, 7), (1, 10)], [0, 0, 1]),
        ([(1, 5), (2, 3), (1, 6), (2, 4)], [0, 3, 1, 1]),
        ([(2, 0), (1, 50)], [0, 0]),
    ],
    ids=["rises", "what was lost before", "replayed", "a new process, then the last word of the old", "an old process"],
)  # fmt: skip
def test_a_rise_is_told_once(heard: list[tuple[int, int]], rises: list[int]) -> None:
    """In whatever order headers come."""
    losses = Losses()
    assert [losses.hear("r1", {epoch: dropped}) for epoch, dropped in heard] == rises


@given(st.lists(st.integers(0, 100), min_size=1), st.lists(st.integers(0, 30)))
def test_rises_add_up_to_the_counter(counters: list[int], replays: list[int]) -> None:
    """Whatever is heard again, also from a state that was saved."""
    counters.sort()
    losses, total = Losses(), 0
    for index, dropped in enumerate(counters):
        total += losses.hear("r1", {1: dropped})
        if index in replays:
            total += losses.hear("r1", {1: counters[index // 2]})
            again = Losses()
            again.load(losses.save())
            losses = again
    assert total == counters[-1] - counters[0]


def test_sources_and_epochs_are_bounded() -> None:
    """A source that starts a thousand times leaves two epochs, ten thousand sources leave their newest."""
    losses = Losses()
    for epoch in range(50):
        losses.hear("r1", {epoch: 1})
    assert len(losses.heard["r1"]) == EPOCHS
    for number in range(SOURCES + 5):
        losses.hear(f"source-{number}", {1: 0})
    assert len(losses.heard) == SOURCES
