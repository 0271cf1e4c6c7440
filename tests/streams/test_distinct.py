"""Distinct values, held against numpy's own slow ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams.distinct import close_together, counted, distinct, firsts, groups, in_order, inverse, member

SIZES = st.integers(0, 200)
HASHES = arrays(np.uint64, SIZES, elements=st.integers(0, 2**64 - 1) | st.integers(0, 5))
CODES = arrays(np.int32, SIZES, elements=st.integers(0, 40))


@given(HASHES | CODES)
def test_they_say_what_numpy_says(keys: np.ndarray) -> None:
    """Values, counts, the first of equals and the way back."""
    values, places, back, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    assert np.array_equal(distinct(keys), values)
    assert all(map(np.array_equal, counted(keys), (values, counts)))
    assert all(map(np.array_equal, firsts(keys), (values, places)))
    assert all(map(np.array_equal, inverse(keys), (values, back)))
    assert all(map(np.array_equal, groups(keys), (values, places, back)))


@given(HASHES, HASHES)
def test_membership(values: np.ndarray, known: np.ndarray) -> None:
    """As numpy's isin, whatever the order."""
    assert np.array_equal(member(values, known), np.isin(values, known))


@given(CODES, st.sampled_from([41, 2**20, 2**60]))
def test_order_is_stable(codes: np.ndarray, size: int) -> None:
    """Equal codes stay in their order, also where a key would not fit 64 bits."""
    assert np.array_equal(in_order(codes, size), np.argsort(codes, kind="stable"))


@given(arrays(np.int64, SIZES, elements=st.integers(-(2**40), 2**40) | st.integers(7, 9)))
def test_numbers_near_each_other_or_far_apart(numbers: np.ndarray) -> None:
    """Panes of ordinary events, and those of clocks gone wrong, in memory bounded by the rows."""
    assert close_together(numbers) == np.unique(numbers).tolist()


@pytest.mark.parametrize("kind", [np.uint64, np.int32])
def test_a_large_array(kind: type) -> None:
    """Beyond what sorts by insertion."""
    keys = np.random.default_rng(3).integers(0, 5000, 40_000).astype(kind)
    assert np.array_equal(firsts(keys)[1], np.unique(keys, return_index=True)[1])
    assert np.array_equal(in_order(keys, 5000), np.argsort(keys, kind="stable"))
