"""Lists of names as people share them: what is read, and what is said of lines that are wrong."""

from __future__ import annotations

import pytest

from resolver.policy.set_contents import SetContents, build_index, open_index
from tests.resolver.policy.test_set_index import held

NAMES = "\ufeff# a list\nExample.COM.\n*.below.example  # and all of it\n.within.example\nads*.example.net\nbücher.example\n\n"
HOSTS = "127.0.0.1 localhost\n0.0.0.0\tads.example.com  Tracker.example.com # both\n::1 ip6-localhost\nfe80::1%lo0 x.example\n"


def read(text: str | bytes, form: str) -> SetContents:
    """Contents of a file named list.txt."""
    return open_index(b"".join(build_index(text if isinstance(text, bytes) else text.encode(), form)), "list.txt")


@pytest.mark.parametrize(
    ("qname", "there"),
    [("example.com", True), ("a.example.com", False), ("below.example", False), ("a.b.below.example", True),
     ("within.example", True), ("a.within.example", True), ("ads7.example.net", True), ("ad.example.net", False),
     ("xn--bcher-kva.example", True)],
)  # fmt: skip
def test_a_names_file_holds_its_patterns(qname: str, there: bool) -> None:
    """A line is a pattern, whatever its case, marks and comments."""
    assert held(NAMES, qname) == there
    assert read(NAMES, "names").troubles == ()


@pytest.mark.parametrize(
    ("qname", "there"),
    [("ads.example.com", True), ("tracker.example.com", True), ("x.ads.example.com", False), ("localhost", False), ("x.example", True)],
)
def test_a_hosts_file_holds_its_names(qname: str, there: bool) -> None:
    """Every name of a line is listed, but for those of the machine itself."""
    assert held(HOSTS, qname, "hosts") == there
    assert read(HOSTS, "hosts").troubles == ()


TROUBLES = [
    ("names", b"ok.com\nb..c\n",
     "list.txt:2: expected a pattern such as *.example.com, got 'b..c': a label is empty (two dots in a row)"),
    ("names", b"\xff.com\n", "list.txt:1: not UTF-8 at byte 0 of the line"),
    ("names", b"a b.com\n", "list.txt:1: expected a pattern such as *.example.com, got 'a b.com': label 'a b' holds ' ', which no name may"),
    ("hosts", b"ads.example.com\n", "list.txt:1: expected an address and names, got 'ads.example.com'"),
    ("hosts", b"0.0.0.0\n", "list.txt:1: expected an address and names, got '0.0.0.0'"),
    ("hosts", b"0.0.0.0 *.com\n", "list.txt:1: expected a domain name, got '*.com': a name stands for itself here, '*' has no place in it"),
    ("hosts", b"0.0.0.0 \xff\n", "list.txt:1: not UTF-8 at byte 8 of the line"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "text", "message"), TROUBLES)
def test_a_wrong_line_is_told_with_its_place(form: str, text: bytes, message: str) -> None:
    """File, line, what was expected and what stands there; the other lines stand."""
    contents = read(text, form)
    assert contents.troubles == (message,)
    assert bool(contents.names) == (b"ok.com" in text)


def test_twenty_wrong_lines_are_told_and_all_are_counted() -> None:
    """A file of another kind does not flood the status."""
    contents = read("a..b\n" * 1000 + "good.com\n", "names")
    assert len(contents.troubles) == 21
    assert contents.troubles[20] == "list.txt: 1000 lines are wrong, these are the first 20; the others stand"
    assert contents.names.holds(["good.com", "com"])


def test_many_patterns_with_stars_are_all_kept() -> None:
    """Patterns that are matched one by one are no fewer for being many."""
    contents = read("".join(f"a{number}-*.x.example\n" for number in range(1000)), "names")
    assert all(contents.names.holds([f"a{number}-1.x.example", "x.example", "example"]) for number in range(1000))
    assert not contents.names.holds(["a1000-1.x.example", "x.example", "example"])
