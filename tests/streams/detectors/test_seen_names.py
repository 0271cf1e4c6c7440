"""The filter of known names: what was entered is known, little else is, memory is flat, saves are small, restarts are exact."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detectors.seen_names import SEGMENT, SeenNames
from streams.hashing import Hashes, mix
from streams.parts import Parts


def names(first: int, count: int) -> Hashes:
    """Hashes of numbered names."""
    return mix(np.arange(first, first + count, dtype=np.uint64) + np.uint64(1))


def meet(seen: SeenNames, hashes: Hashes) -> int:
    """Enter what is unknown, as the detector does; how many that were."""
    unknown = seen.unknown(hashes)
    seen.enter(hashes[unknown])
    return int(np.count_nonzero(unknown))


def test_known_names_are_known_and_unknown_ones_hardly_ever_mistaken() -> None:
    """A hundred thousand names: none forgotten, at most half a percent of new ones taken for known."""
    seen = SeenNames()
    assert meet(seen, names(0, 100_000)) >= 99_500
    assert not seen.unknown(names(0, 100_000)).any()
    assert np.count_nonzero(seen.unknown(names(10**6, 100_000))) >= 99_500


def test_a_flood_of_names_meets_flat_memory_and_forgets_nobody_in_use() -> None:
    """Three million names: at most five filters; names asked all along stay known."""
    seen, daily = SeenNames(), names(0, 2000)
    meet(seen, daily)
    for hour in range(150):
        meet(seen, names(10**6 + hour * 20_000, 20_000))
        assert meet(seen, daily) == 0
    assert sum(link.bits.nbytes for link in seen._chain) <= 5 * 64 * SEGMENT
    assert np.count_nonzero(seen.unknown(names(10**6, 20_000))) > 19_000


def written(seen: SeenNames, table: dict[str, bytes], parts: Parts) -> int:
    """Save as a checkpoint does; the bytes written."""
    seen.save(parts)
    flushed = parts.flush()
    for key, value in flushed.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return sum(len(value) for value in flushed.values() if value)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=8))
def test_a_restart_loses_nothing(counts: list[int]) -> None:
    """Saved and loaded after every step, it knows what one that never stopped knows."""
    steady, seen, table, parts, first = SeenNames(), SeenNames(), dict[str, bytes](), Parts(), 0
    for count in counts:
        assert meet(seen, names(first, count)) == meet(steady, names(first, count))
        first += count
        written(seen, table, parts)
        parts, values = Parts.load(table.get)
        seen = SeenNames()
        seen.load(values)
    assert len(seen) == len(steady)
    assert [link.bits.tobytes() for link in seen._chain] == [link.bits.tobytes() for link in steady._chain]


def test_a_checkpoint_with_a_few_new_names_is_small() -> None:
    """Ten new names a second among 200,000 known ones: some kilobytes, segments only now and then."""
    seen, table, parts = SeenNames(), dict[str, bytes](), Parts()
    meet(seen, names(0, 200_000))
    seen.touch()
    written(seen, table, parts)
    sizes = []
    for second in range(60):
        meet(seen, names(10**6 + second * 10, 10))
        sizes.append(written(seen, table, parts))
    assert max(sizes) < 20_000
