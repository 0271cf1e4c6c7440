"""The table of information heavy hitters: exact where thresholds lie, bounded everywhere, sliding, restored from bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.elements import Elements, gather
from streams.hashing import mix
from streams.weighted_distinct import INSERTED, REFRESHED, WeightedDistinct


def elements(items: list[tuple[int, int, int]], bucket: int) -> Elements:
    """(domain, element, weight) triples seen in one bucket."""
    table = np.array(items, np.int64).reshape(-1, 3)
    domains = mix(table[:, 0].astype(np.uint64) + np.uint64(1))
    hashes = mix(domains ^ table[:, 1].astype(np.uint64))
    return gather(hashes, table[:, 2].astype(np.float64), domains, np.full(len(items), bucket, np.int64))


def total(table: WeightedDistinct, domain: int) -> float:
    """What the table says of one domain."""
    return float(table.total(mix(np.array([domain + 1], np.uint64)))[0])


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=50), max_size=20))
def test_light_domains_are_counted_exactly_over_the_sliding_window(buckets: list[list[tuple[int, int]]]) -> None:
    """Every element weighs once per window, however often it is asked; what was not seen for 120 s is gone."""
    table, last = WeightedDistinct(120), dict[tuple[int, int], int]()
    for bucket, asked in enumerate(buckets, start=100):
        table.add(elements([(domain, item, item + 1) for domain, item in asked], bucket), bucket)
        last |= dict.fromkeys(asked, bucket)
        for domain in range(6):
            assert total(table, domain) == sum(item + 1 for (owner, item), seen in last.items() if owner == domain and seen > bucket - 12)


def test_repeated_elements_refresh_and_add_nothing() -> None:
    """The second time in a later bucket only renews the element's life."""
    table = WeightedDistinct(120)
    assert table.add(elements([(1, 1, 30)], 10), 10).tolist() == [INSERTED]
    assert table.add(elements([(1, 1, 30)], 11), 11).tolist() == [REFRESHED]
    assert table.add(elements([(1, 1, 30)], 11), 11).tolist() == [0]
    assert total(table, 1) == 30


def test_a_heavy_domain_is_estimated_within_fifteen_percent_in_bounded_memory() -> None:
    """100,000 different names of different length under one domain, none of which push a light one out."""
    table = WeightedDistinct(120, per_domain=512)
    table.add(elements([(7, 1, 25)], 10), 10)
    rng, truth = np.random.default_rng(3), 0
    for start in range(0, 100_000, 5000):
        weights = rng.integers(10, 200, 5000)
        truth += int(weights.sum())
        table.add(elements([(1, start + i, int(w)) for i, w in enumerate(weights.tolist())], 10), 10)
    assert total(table, 1) == pytest.approx(truth, rel=0.15)
    assert total(table, 7) == 25
    assert len(table.pack()[1]) <= 8 * 600


def test_a_heavy_domain_that_calmed_down_is_counted_exactly_again() -> None:
    """Ten minutes later its few new elements count in full."""
    table = WeightedDistinct(120, per_domain=64)
    table.add(elements([(1, i, 50) for i in range(5000)], 10), 10)
    for bucket in range(11, 71):
        table.add(elements([(1, 10_000 + bucket, 20)], bucket), bucket)
    assert total(table, 1) == pytest.approx(12 * 20)


def test_the_sample_of_domains_prefers_the_heavy() -> None:
    """With room for 100 of 5,000 domains, those that say fifty times as much are nearly all in."""
    table = WeightedDistinct(120, domains=100)
    for start in range(0, 5000, 500):
        table.add(elements([(domain, 1, 10) for domain in range(start, start + 500)], 10), 10)
    table.add(elements([(domain, item, 200) for domain in range(9000, 9020) for item in range(50)], 10), 10)
    assert len(table.keys) <= 100
    assert sum(total(table, domain) == 10_000 for domain in range(9000, 9020)) >= 19


def test_memory_is_bounded_by_elements_too() -> None:
    """Many middling domains at once are thinned, not kept."""
    table = WeightedDistinct(120, elements=2000)
    table.add(elements([(domain, item, 20) for domain in range(100) for item in range(100)], 10), 10)
    assert len(table.pack()[1]) <= 8 * 2000
    assert sum(total(table, domain) for domain in range(100)) == pytest.approx(200_000, rel=0.2)


def test_forgetting_a_domain_starts_its_count_anew() -> None:
    """Others are untouched."""
    table = WeightedDistinct(120)
    table.add(elements([(1, 1, 30), (2, 1, 40)], 10), 10)
    table.forget(int(mix(np.array([2], np.uint64))[0]))
    assert (total(table, 1), total(table, 2)) == (0, 40)


def test_a_table_comes_back_from_its_bytes() -> None:
    """Also thinned ones, and both go on alike."""
    table, again = WeightedDistinct(120, per_domain=32), WeightedDistinct(120, per_domain=32)
    table.add(elements([(d, i, 10 + i) for d in range(4) for i in range(100 * d)], 10), 10)
    again.unpack(table.pack())
    for one in (table, again):
        one.add(elements([(d, i, 10 + i) for d in range(6) for i in range(50)], 12), 12)
        one.expire(15)
    assert table.pack() == again.pack()
