"""The index of names: it says what the patterns say one by one, whatever hashes do, and knows its own bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.patterns import PatternError, parse_pattern, suffixes
from resolver.policy.set_contents import build_index, open_index
from resolver.policy.set_index import DamagedIndexError, IndexWriter, NameTable
from schemas.patterns import matches
from tests.resolver.policy.test_domain_sets import PATTERNS, QNAMES


def held(text: str, qname: str, form: str = "names") -> bool:
    """Whether a name is in the set that a text makes."""
    return open_index(b"".join(build_index(text.encode(), form)), "file").names.holds(suffixes(qname))


@given(st.lists(PATTERNS, max_size=12), QNAMES)
def test_the_index_holds_what_the_patterns_cover(patterns: list[str], qname: str) -> None:
    """A names file holds a name if and only if the truth table says so of one of its lines."""
    assert held("\n".join(patterns), qname) == any(matches(pattern, qname) for pattern in patterns)


@given(st.text(max_size=40), QNAMES)
def test_any_line_is_a_pattern_or_told(line: str, qname: str) -> None:
    """No text breaks the reading of a list: each line is a pattern as parse_pattern reads it, or a trouble."""
    text = line.partition("#")[0].encode().strip().decode().lower()  # ASCII's white space, as in the file
    if len(f"{line}x".splitlines()) > 1 or "\x0b" in line:
        return
    contents = open_index(b"".join(build_index(line.encode(), "names")), "file")
    try:
        right = not text or bool(parse_pattern(text))
    except PatternError:
        right = False
    assert right == (not contents.troubles)


@given(st.dictionaries(st.text("abc.", min_size=1, max_size=6), st.tuples(*[st.integers(0, 9)] * 2), max_size=30))
def test_every_name_finds_its_numbers(numbers: dict[str, tuple[int, int]]) -> None:
    """A name finds its own number, a name below it the other one."""
    writer = IndexWriter(7)
    for name, (here, under) in numbers.items():
        writer.add(name.encode(), here, under)
    table = NameTable(b"".join(writer.finish(b"{}")))
    for name, (here, under) in numbers.items():
        assert table.find([name]) == here
        assert table.find(["x", name]) == under


def test_names_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all hashes equal, the names themselves would still decide; a name given twice counts once."""
    monkeypatch.setattr("xxhash.xxh3_64_intdigest", lambda name, seed: 42)
    writer = IndexWriter(0)
    for name, here in ((b"a", 1), (b"b", 2), (b"a", 3), (b"c", 0)):
        writer.add(name, here, here * 10)
    table = NameTable(b"".join(writer.finish(b"")))
    assert len(table) == 3
    assert [table.find([name]) for name in "abcd"] == [1, 2, 0, 0]
    assert table.find(["x", "b"]) == 20


@pytest.mark.parametrize("cut", [0, 4, 40, -1])
def test_a_damaged_index_is_known_as_one(cut: int) -> None:
    """Bytes that are cut off or something else are never looked into."""
    whole = b"".join(build_index(b"a.com\nb.com", "names"))
    with pytest.raises(DamagedIndexError):
        open_index(whole[:cut], "file")
    with pytest.raises(DamagedIndexError):
        open_index(b"\0" * len(whole), "file")
