"""State in parts: only changes are written, and any prefix of a write leaves the state before or after it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.parts import Parts, pack, unpack

STEP = st.dictionaries(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 9000)), max_size=4)


@given(st.lists(STEP, min_size=1, max_size=8), st.integers(0, 12))
def test_any_prefix_of_the_last_write_leaves_one_consistent_state(steps: list[dict[str, int | None]], cut: int) -> None:
    """Large parts, small parts, removals, and parts that change from one to the other."""
    parts, table, truth = Parts(), dict[str, bytes](), dict[str, bytes]()
    before: dict[str, bytes] = {}
    for number, step in enumerate(steps):
        before = dict(truth)
        for name, size in step.items():
            if size is None:
                parts.drop(name)
                truth.pop(name, None)
            else:
                value = bytes([number % 256]) * size
                parts.put(name, value)
                truth[name] = value
        written = list(parts.flush().items())
        last = number == len(steps) - 1
        for key, value in written[:cut] if last else written:
            if value is None:
                del table[key]
            else:
                table[key] = value
    assert Parts.load(table.get)[1] in (before, truth)
    if cut >= len(written):
        assert Parts.load(table.get)[1] == truth


def test_unchanged_parts_are_not_written_again() -> None:
    """A quiet tenant costs nothing."""
    parts = Parts()
    parts.put("big", b"x" * 10_000)
    assert list(parts.flush()) == ["big.1", "main"]
    assert parts.flush() == {}
    parts.put("small", b"x")
    assert list(parts.flush()) == ["main"]


def test_values_are_packed_and_unpacked() -> None:
    """Plain values through msgpack and lz4."""
    assert unpack(pack({"a": [1, 2.5, b"x", None], 3: "y"})) == {"a": [1, 2.5, b"x", None], 3: "y"}
