"""The one dialect of domain patterns: its truth table, its errors, and the index against a naive reading of the table."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.policy.globs import label_matches
from resolver.policy.patterns import PatternError, PatternIndex, canonical_name, parse_pattern, suffixes

NAMES = ("example.com", "a.example.com", "a.b.example.com", "aexample.com")
TABLE = {
    "example.com": (True, False, False, False),
    "*.example.com": (False, True, True, False),
    ".example.com": (True, True, True, False),
    "*": (True, True, True, True),
    "a*.example.com": (False, True, False, False),
}


@pytest.mark.parametrize(
    ("pattern", "qname", "matches"),
    [(text, *cell) for text, row in TABLE.items() for cell in zip(NAMES, row, strict=True)],
)
def test_truth_table(pattern: str, qname: str, matches: bool) -> None:
    """Each cell of the design's table holds."""
    assert parse_pattern(pattern).matches(qname) is matches


MORE = [
    ("*.com", "www.example.com", True),
    ("*.com", "example.com", True),
    ("*.com", "com", False),
    (".com", "com", True),
    ("*", ".", True),
    (".", ".", True),
    (".", "com", False),
    ("*.", "com", True),
    ("a*", "abc", True),
    ("a*", "abc.com", False),
    ("*.a*", "x.abc", True),
    ("*.a*", "abc", False),
    ("x.*.example.com", "x.y.example.com", True),
    ("x.*.example.com", "x.y.z.example.com", False),
    ("a*b*c.example.com", "a1b2c.example.com", True),
    ("a*b*c.example.com", "ac.example.com", False),
    ("*x.example.com", "x.example.com", True),
    ("*.a*.example.com", "z.y.ab.example.com", True),
    ("*.a*.example.com", "ab.example.com", False),
    (".a*.example.com", "ab.example.com", True),
    (".a*.example.com", "x.ab.example.com", True),
    (".a*.example.com", "example.com", False),
    ("example.com.", "example.com", True),
    ("EXAMPLE.com", "example.com", True),
    (".bücher.example", "www.xn--bcher-kva.example", True),
    ("bücher。example", "xn--bcher-kva.example", True),
    ("straße.example", "xn--strae-oqa.example", True),
    ("_dmarc.example.com", "_dmarc.example.com", True),
    (".example.com", r"foo\.example.com", False),
    (".com", r"foo\.example.com", True),
    ("*.example.com", r"a\.b.example.com", True),
    ("a*.example.com", r"a\.b.example.com", True),
]


@pytest.mark.parametrize(("pattern", "qname", "matches"), MORE)
def test_beyond_the_table(pattern: str, qname: str, matches: bool) -> None:
    """Roots, final dots, letter case, IDNA, escapes and wildcards in several labels follow from the table."""
    assert parse_pattern(pattern).matches(qname) is matches


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "missing"),
        ("..", "missing"),
        ("a..b", "empty"),
        ("a b.com", "holds ' '"),
        ("a\\.b", "which no name may"),
        ("x" * 64 + ".com", "longer than 63"),
        (".".join(["x" * 60] * 5), "longer than 255"),
        ("bü*.example", "cannot share"),
        ("\u2603\ufe0f\u200d.example", "IDNA"),
    ],
)
def test_what_is_no_pattern(text: str, complaint: str) -> None:
    """The error says what is wrong with the text."""
    with pytest.raises(PatternError, match=complaint):
        parse_pattern(text)


def test_canonical_name() -> None:
    """A name comes out lower case, ASCII, without final dot; a wildcard is no name."""
    assert canonical_name("WWW.Bücher.Example.") == "www.xn--bcher-kva.example"
    assert canonical_name(".") == "."
    with pytest.raises(PatternError, match="no place"):
        canonical_name("*.example.com")


def test_suffixes_keep_escaped_dots_together() -> None:
    """A dot inside a label is no boundary (RFC 1035 section 5.1)."""
    assert suffixes("a.b.c") == ["a.b.c", "b.c", "c"]
    assert suffixes(r"a\.b.c") == [r"a\.b.c", "c"]
    assert suffixes(r"a\\.c") == [r"a\\.c", "c"]
    assert suffixes(".") == ["."]


def test_longest_suffix_wins_and_the_first_of_equals() -> None:
    """The index names the value of the most specific pattern."""
    texts = ["*", ".example.com", ".b.example.com", ".example.com"]
    index = PatternIndex((parse_pattern(text), place) for place, text in enumerate(texts))
    assert index.longest("a.b.example.com") == 2
    assert index.longest("a.example.com") == 1
    assert index.longest("other") == 0


LABEL = st.text("ab", min_size=1, max_size=3)
NAME = st.lists(LABEL, min_size=1, max_size=5)
GLOB = st.text("ab*", min_size=1, max_size=4)
PATTERN = st.one_of(
    st.just("*"),
    st.builds(
        lambda head, labels: head + ".".join(labels),
        st.sampled_from(["", "*.", "."]),
        st.lists(st.one_of(LABEL, GLOB), min_size=1, max_size=4),
    ),
)


def naive(text: str, labels: list[str]) -> bool:
    """The table read word by word, label by label from the right."""
    if text == "*":
        return True
    extra = range(1)
    if text.startswith("*."):
        text, extra = text[2:], range(1, 128)
    elif text.startswith("."):
        text, extra = text[1:], range(128)
    wanted = text.split(".")
    spare = len(labels) - len(wanted)
    return spare in extra and all(map(fnmatchcase, labels[max(spare, 0) :], wanted))


@given(st.lists(PATTERN, max_size=12), NAME)
@example(["*.*"], ["a"])
@example([".*.a", "*.*.a"], ["b", "a"])
def test_index_agrees_with_a_naive_reading(texts: list[str], labels: list[str]) -> None:
    """For any patterns and any name the index finds exactly the patterns that match one by one."""
    index = PatternIndex((parse_pattern(text), place) for place, text in enumerate(texts))
    found = set(index.walk(suffixes(".".join(labels))))
    assert found == {place for place, text in enumerate(texts) if naive(text, labels)}
    assert index.matches(".".join(labels)) is bool(found)


@given(GLOB, st.text("ab", max_size=6))
def test_label_matching_agrees_with_fnmatch(glob: str, label: str) -> None:
    """A glob of stars and letters means what fnmatch says it means."""
    assert label_matches(glob, label) is fnmatchcase(label, glob)


def test_a_name_is_compared_with_few_of_many_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of patterns with a star inside a label cost a name no more than those it begins or ends like."""
    texts = [f"ads{number}x*.example.com" for number in range(5000)] + [f"*-{number}y.example.com" for number in range(5000)]
    index = PatternIndex((parse_pattern(text), text) for text in texts)
    compared: list[str] = []
    monkeypatch.setattr("resolver.policy.globs.label_matches", lambda glob, label: compared.append(glob) or label_matches(glob, label))
    assert list(index.walk(suffixes("ads77x-4711y.example.com"))) == ["ads77x*.example.com", "*-4711y.example.com"]
    assert len(compared) == 2
