"""The truth table of domain patterns: does this pattern cover this name?

One name, one pattern; whoever has thousands of patterns builds an index and proves it against this table.
Case-insensitive, absolute, no regular expressions. Must not know where patterns come from or what a match leads to.

| pattern | covers |
|---|---|
| ``example.com`` | that name only |
| ``*.example.com`` | every name below it, one or more labels |
| ``.example.com`` | the name and all below |
| ``*`` | everything |
| ``a*.example.com`` | ``*`` inside a label never crosses a dot |
"""

from __future__ import annotations


def normal(name: str) -> str:
    """Name or pattern in lower case, without the final dot, Unicode labels as A-labels."""
    name = name.lower()
    if len(name) > 1:
        name = name.removesuffix(".")
    if name.isascii():
        return name
    return ".".join(_a_label(label) for label in name.split("."))


def _a_label(label: str) -> str:
    try:
        return label if label.isascii() else label.encode("idna").decode("ascii")
    except UnicodeError:  # no such name can be asked; it covers nothing
        return label


def matches(pattern: str, name: str) -> bool:
    """Whether the pattern covers the name.

    >>> [matches("*.example.com", name) for name in ("example.com", "a.example.com", "a.b.example.com", "aexample.com")]
    [False, True, True, False]
    """
    pattern, name = normal(pattern), normal(name)
    if pattern == "*":
        return True
    if pattern.startswith("."):
        wanted, labels = pattern[1:].split("."), name.split(".")
        return len(wanted) <= len(labels) and all(map(_label_matches, wanted, labels[len(labels) - len(wanted) :]))
    if pattern.startswith("*.") and "*" not in pattern[1:]:
        return name.endswith(pattern[1:]) and len(name) > len(pattern) - 1
    if "*" not in pattern:
        return name == pattern
    wanted, labels = pattern.split("."), name.split(".")
    if wanted[0] == "*" and len(labels) > len(wanted):  # a leading star takes one or more labels
        labels = labels[len(labels) - len(wanted) :]
    return len(wanted) == len(labels) and all(map(_label_matches, wanted, labels))


def _label_matches(pattern: str, label: str) -> bool:
    """One label against a pattern label whose stars stand for any run of characters."""
    head, *rest = pattern.split("*")
    if not rest:
        return label == pattern
    tail = rest.pop()
    if len(label) < len(head) + len(tail) or not label.startswith(head) or not label.endswith(tail):
        return False
    middle = label[len(head) : len(label) - len(tail)]
    for piece in rest:
        found = middle.find(piece)
        if found < 0:
            return False
        middle = middle[found + len(piece) :]
    return True


def overlaps(pattern: str, domain: str) -> bool:
    """Whether the pattern covers the domain or could cover any name below it."""
    pattern, domain = normal(pattern), normal(domain)
    if matches(pattern, domain):
        return True
    fixed = pattern.rpartition("*")[2].lstrip(".")
    if "*" in pattern and not pattern.rpartition("*")[2].startswith("."):
        fixed = fixed.partition(".")[2]  # the star ends inside this label
    if not fixed or fixed == domain or fixed.endswith(f".{domain}"):
        return True
    return pattern[0] in "*." and domain.endswith(f".{fixed}")
