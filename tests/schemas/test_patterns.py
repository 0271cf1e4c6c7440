"""The truth table of domain patterns."""

from __future__ import annotations

import pytest

from schemas.patterns import matches, overlaps

NAMES = ("example.com", "a.example.com", "a.b.example.com", "aexample.com")
TABLE = [
    ("example.com", "1000"),
    ("*.example.com", "0110"),
    (".example.com", "1110"),
    ("*", "1111"),
    ("a*.example.com", "0100"),
    ("EXAMPLE.com.", "1000"),
    ("*.com", "1111"),
    ("*.b.example.com", "0010"),
    ("a.*.example.com", "0010"),
    ("*xample.com", "1001"),
    (".com", "1111"),
    (".a*.example.com", "0100"),
    (".a*.com", "0001"),
    (".*.example.com", "0110"),
]


@pytest.mark.parametrize(("pattern", "row"), TABLE)
def test_every_cell_of_the_truth_table(pattern: str, row: str) -> None:
    """Rows as the design writes them, and what follows from them."""
    assert "".join(str(int(matches(pattern, name))) for name in NAMES) == row


def test_unicode_patterns_cover_their_a_labels() -> None:
    """Names on the wire are A-labels."""
    assert matches(".bücher.example", "www.xn--bcher-kva.example")


OVERLAPS = [
    ("*", True),
    (".evil.test", True),
    ("evil.test", True),
    ("api.evil.test", True),
    ("*.deep.evil.test", True),
    ("*.test", True),
    ("*.evil.test", True),
    ("a*.evil.test", True),
    ("evil.test.net", False),
    (".other.test", False),
    ("notevil.test", False),
    ("test", False),
    ("a*.other.test", False),
]


@pytest.mark.parametrize(("pattern", "expected"), OVERLAPS)
def test_overlap_means_some_name_at_or_below_the_domain_is_covered(pattern: str, *, expected: bool) -> None:
    """What an entry on `.evil.test` would take away from an exemption."""
    assert overlaps(pattern, "evil.test") == expected
