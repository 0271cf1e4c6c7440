"""Hashes of many strings: stable, alike alone and in company, spread evenly."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streams.hashing import hash_strings, hash_text, unit


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(0, 5))
def test_a_string_hashes_the_same_alone_in_an_array_and_in_a_slice(texts: list[str], skip: int) -> None:
    """Neighbours, offsets and null-length strings do not matter."""
    array = pa.array(texts, pa.string())
    alone = [hash_text(text) for text in texts]
    assert hash_strings(array).tolist() == alone
    assert hash_strings(array.slice(skip)).tolist() == alone[skip:]


def test_different_strings_differ_and_spread() -> None:
    """200,000 similar names collide nowhere, and their hashes fill every sixteenth of the range alike."""
    found = hash_strings(pa.array([f"n{i}.example.com" for i in range(200_000)] + ["", "a", "aa", "b"]))
    assert len(np.unique(found)) == 200_004
    assert np.histogram(unit(found), bins=16, range=(0, 1))[0].min() > 12_000
    assert np.bincount((found & np.uint64(15)).astype(int)).min() > 12_000


def test_hashes_never_change() -> None:
    """State kept on disk stands on them: a changed hash would silently double every count."""
    assert [hash_text(text) for text in ("", "example.com")] == [16294208416658607535, 7128780294151772025]


def test_long_strings_are_hashed_in_full() -> None:
    """Payloads may be longer than any name."""
    assert hash_text("x" * 5000) != hash_text("x" * 4999 + "y")

