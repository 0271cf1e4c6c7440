"""Sketches keep the errors they promise, merge, and come back from their bytes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.hashing import mix
from streams.quantiles import LogHistogram
from streams.sketches import HyperLogLog, SpaceSaving


def hashes(count: int, first: int = 1) -> NDArray[np.uint64]:
    """So many different hashes."""
    return mix(np.arange(first, first + count, dtype=np.uint64))


@pytest.mark.parametrize("count", [0, 1, 10, 1000, 10_000, 20_000, 300_000])
def test_hyperloglog_errs_by_less_than_five_percent(count: int) -> None:
    """At every size, also where linear counting hands over."""
    sketch = HyperLogLog(12)
    sketch.add(hashes(count))
    sketch.add(hashes(count))
    assert sketch.estimate() == pytest.approx(count, rel=0.05, abs=0.5)


def test_hyperloglogs_merge_to_the_sketch_of_both() -> None:
    """Overlap counts once."""
    one, two, both = HyperLogLog(10), HyperLogLog(10), HyperLogLog(10)
    one.add(hashes(3000))
    two.add(hashes(3000, 2000))
    both.add(hashes(4999))
    one.merge(two)
    assert (one.pack(), HyperLogLog(10, one.pack()).estimate()) == (both.pack(), both.estimate())


def exact(items: list[list[int]]) -> tuple[SpaceSaving, Counter[str]]:
    """A small SpaceSaving over several batches, and the truth."""
    sketch, truth = SpaceSaving(8), Counter[str]()
    for batch in items:
        feed(sketch, Counter(batch))
        truth.update(str(item) for item in batch)
    return sketch, truth


def feed(sketch: SpaceSaving, counted: Counter[int]) -> None:
    """One batch of exact counts."""
    keys = np.array(sorted(counted), np.int64)
    sketch.add(mix(keys.astype(np.uint64)), np.array([counted[key] for key in keys.tolist()]), lambda some: [str(key) for key in keys[some].tolist()])


@given(st.lists(st.lists(st.integers(0, 30), max_size=60), max_size=8))
def test_the_true_count_lies_within_the_bounds(batches: list[list[int]]) -> None:
    """It holds that count - error <= truth <= count for what is listed, truth <= floor for what is not; exact while few items came."""
    sketch, truth = exact(batches)
    listed = {item: (count, error) for item, count, error in sketch.top(8)}
    for item, (count, error) in listed.items():
        assert count - error <= truth[item] <= count
    assert all(truth[item] <= sketch.floor for item in truth.keys() - listed.keys())
    if len(truth) <= 8:
        assert {item: count for item, (count, _) in listed.items()} == dict(truth)


@given(st.lists(st.lists(st.integers(0, 30), max_size=60), max_size=4), st.lists(st.lists(st.integers(0, 30), max_size=60), max_size=4))
def test_merged_summaries_keep_the_bounds(left: list[list[int]], right: list[list[int]]) -> None:
    """As if one had seen everything, also through bytes."""
    (one, here), (two, there) = exact(left), exact(right)
    one.merge(SpaceSaving.unpack(two.pack()))
    truth = here + there
    listed = {item for item, _, _ in one.top(8)}
    assert all(count - error <= truth[item] <= count for item, count, error in one.top(8))
    assert all(truth[item] <= one.floor for item in truth.keys() - listed)


def test_quantiles_err_by_at_most_two_percent() -> None:
    """Against the exact order statistics of skewed latencies, merged from two halves and through bytes."""
    values = np.random.default_rng(7).lognormal(6, 2, 20_001).astype(np.int64) + 1
    one, two = LogHistogram(), LogHistogram()
    one.add(LogHistogram.bucket(values[:7000]))
    two.add(LogHistogram.bucket(values[7000:]))
    one.merge(LogHistogram(*two.pack()))
    truth = np.sort(values)[[10_000, 18_000, 19_800]]
    assert one.quantiles(0.5, 0.9, 0.99) == pytest.approx(truth.tolist(), rel=0.0201)
    assert LogHistogram().quantiles(0.5) == [0.0]
