"""Top lists: what waits to be ranked is counted, named and saved like what is ranked."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.toplist import TopList

BATCHES = st.lists(st.lists(st.integers(0, 30), max_size=40), max_size=8)


def listed(batches: list[list[int]], *, saved: bool = False) -> TopList:
    """Batches of items one after the other, saved and read again after each where wanted."""
    found = TopList(8)
    for items in batches:
        counted = sorted(Counter(items).items())
        keys, counts = np.array([key for key, _ in counted], np.uint64), np.array([number for _, number in counted], np.int64)
        found.add(keys, counts, lambda some, keys=keys: [str(key) for key in keys[some].tolist()])
        found = TopList.unpack(found.pack()) if saved else found
    return found


@given(BATCHES)
def test_true_counts_lie_within_the_bounds(batches: list[list[int]]) -> None:
    """Whatever waited, a count is between count - error and count, and nothing is listed that never came."""
    truth = Counter(str(item) for items in batches for item in items)
    for text, count, error in listed(batches).top(8):
        assert count - error <= truth[text] <= count


@given(BATCHES)
def test_saving_changes_nothing(batches: list[list[int]]) -> None:
    """A list that is saved and read after every batch ends as one that never was."""
    assert listed(batches, saved=True).top(8) == listed(batches).top(8)


@given(BATCHES, BATCHES)
def test_a_merged_list_counts_both(one: list[list[int]], two: list[list[int]]) -> None:
    """Merging keeps the bounds, what waits in either included."""
    truth = Counter(str(item) for items in (*one, *two) for item in items)
    whole = listed(one)
    whole.merge(listed(two))
    assert bool(whole) == bool(truth)
    for text, count, error in whole.top(8):
        assert count - error <= truth[text] <= count


def test_few_items_are_exact() -> None:
    """Below the capacity nothing is approximate."""
    assert listed([[1, 1, 2], [1], [2, 3]]).top(3) == [("1", 3, 0), ("2", 2, 0), ("3", 1, 0)]
