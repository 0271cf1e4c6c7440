"""Domain patterns: one dialect for qnames, exemptions and upstream suffixes, and an index that finds what matches.

``example.com`` is that name; ``*.example.com`` one or more labels below; ``.example.com`` the domain and all below;
``*`` everything; ``a*.example.com`` a ``*`` inside a label, which never crosses a dot. Names are compared in lower
case, absolute, IDNA names in their ASCII form. The index walks the suffixes of a name through a dict: no regular
expression, and no cost for patterns of other domains. This module must not know rules, tenants or messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import idna

from resolver.policy.globs import Globs

T = TypeVar("T")
ROOT = "."
_OTHER_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})  # RFC 3490 section 3.1
_REFUSED = frozenset(' \\()[];"@$')


class PatternError(ValueError):
    """A text that is no pattern, or no name, of this dialect; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern.

    Attributes:
        kind: ``exact``, ``below`` (one or more labels more), ``within`` (any number of labels more) or ``any``.
        globs: labels left of the suffix, from the left, of which at least the last holds a ``*``.
        suffix: the literal labels on the right, joined; empty for none.
    """

    kind: str
    globs: tuple[str, ...]
    suffix: str
    text: str = field(compare=False, default="")

    def matches(self, qname: str) -> bool:
        """Whether this pattern alone matches a lower-case qname; to explain, not to look up."""
        index: PatternIndex[bool] = PatternIndex()
        index.add(self, value=True)
        return index.matches(qname)


def parse_pattern(text: str) -> Pattern:
    """Read a pattern as an operator writes it.

    Raises:
        PatternError: naming what is wrong.
    """
    if text in {"*", "*."}:
        return Pattern("any", (), "", text)
    if text == ROOT:
        return Pattern("exact", (), ROOT, text)
    kind, rest = "exact", text
    if text.startswith("*."):
        kind, rest = "below", text[2:]
    elif text.startswith("."):
        kind, rest = "within", text[1:]
    labels = _labels(rest, wild=True)
    split = max((place + 1 for place, label in enumerate(labels) if "*" in label), default=0)
    return Pattern(kind, tuple(labels[:split]), ".".join(labels[split:]), text)


def canonical_name(text: str) -> str:
    """One domain name in the form a qname has on the path: lower case, IDNA encoded, without the final dot.

    Raises:
        PatternError: if it is no name, or holds a ``*``.
    """
    return ROOT if text == ROOT else ".".join(_labels(text, wild=False))


def _labels(text: str, *, wild: bool) -> list[str]:
    absolute = text.translate(_OTHER_DOTS).removesuffix(".")
    if not absolute:
        raise PatternError("a name is missing")
    labels = [_label(label, wild=wild) for label in absolute.split(".")]
    if sum(len(label) + 1 for label in labels) + 1 > 255:  # RFC 1035 section 2.3.4
        raise PatternError("the name is longer than 255 octets")
    return labels


def _label(label: str, *, wild: bool) -> str:
    if not label:
        raise PatternError("a label is empty (two dots in a row)")
    if "*" in label and not wild:
        raise PatternError("a name stands for itself here, '*' has no place in it")
    if not label.isascii():
        if "*" in label:
            raise PatternError(f"label {label!r}: '*' and letters beyond ASCII cannot share a label")
        try:
            return idna.encode(label, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise PatternError(f"label {label!r} is no IDNA label: {error}") from error
    if not label.isprintable() or not _REFUSED.isdisjoint(label):
        wrong = next(character for character in label if character in _REFUSED or not character.isprintable())
        raise PatternError(f"label {label!r} holds {wrong!r}, which no name may")
    if len(label) > 63:
        raise PatternError(f"label {label!r} is longer than 63 octets")
    return label.lower()


def suffixes(qname: str) -> list[str]:
    """The name and every shorter suffix down to its last label, longest first; ``.`` alone for the root."""
    found = [qname]
    if "\\" in qname:
        return found + _escaped_suffixes(qname)
    dot = qname.find(".")
    while dot >= 0 and dot + 1 < len(qname):
        qname = qname[dot + 1 :]
        found.append(qname)
        dot = qname.find(".")
    return found


def _escaped_suffixes(qname: str) -> list[str]:
    # RFC 1035 section 5.1: "\." is a dot inside a label, not between labels
    found, place = [], 0
    while place < len(qname):
        if qname[place] == "\\":
            place += 1
        elif qname[place] == "." and place + 1 < len(qname):
            found.append(qname[place + 1 :])
        place += 1
    return found


class _Node(Generic[T]):
    """What hangs on one suffix: values for the suffix itself, for all below it, and for globs left of it."""

    __slots__ = ("below", "globs", "here")

    def __init__(self) -> None:
        # most nodes hold one value in one place: lists are made when there is something to hold
        self.here: list[T] | None = None
        self.below: list[T] | None = None
        self.globs: Globs[T] | None = None


def _with(held: list[T] | None, value: T) -> list[T]:
    if held is None:
        return [value]
    held.append(value)
    return held


class PatternIndex(Generic[T]):
    """Values by pattern, found by name. A value added under several patterns may be found several times."""

    __slots__ = ("_any", "_nodes", "_rootless")

    def __init__(self, entries: Iterable[tuple[Pattern, T]] = ()) -> None:
        """Of patterns and their values."""
        self._nodes: dict[str, _Node[T]] = {}
        self._rootless: Globs[T] = Globs()
        self._any: list[T] = []
        for pattern, value in entries:
            self.add(pattern, value)

    def __bool__(self) -> bool:
        return bool(self._nodes or self._rootless or self._any)

    def add(self, pattern: Pattern, value: T) -> None:
        """Make the value found by every name the pattern matches."""
        if pattern.kind == "any":
            self._any.append(value)
        elif not pattern.suffix:
            self._rootless.add(pattern.kind, pattern.globs, value)
        else:
            node = self._nodes.setdefault(pattern.suffix, _Node())
            if pattern.globs:
                node.globs = node.globs or Globs()
                node.globs.add(pattern.kind, pattern.globs, value)
                return
            if pattern.kind != "below":
                node.here = _with(node.here, value)
            if pattern.kind != "exact":
                node.below = _with(node.below, value)

    def walk(self, names: list[str]) -> Iterator[T]:
        """Values for a name given as its suffixes (see `suffixes`), those of longer suffixes first."""
        nodes = self._nodes
        if nodes:
            for depth, suffix in enumerate(names):
                node = nodes.get(suffix)
                if node is None:
                    continue
                if node.globs:
                    yield from node.globs.walk(names, depth)
                yield from (node.below if depth else node.here) or ()
        if self._rootless and names[0] != ROOT:
            yield from self._rootless.walk(names, len(names))
        yield from self._any

    def matches(self, qname: str) -> bool:
        """Whether any pattern matches a lower-case name without final dot."""
        return bool(self) and next((True for _ in self.walk(suffixes(qname))), False)

    def holds(self, names: list[str]) -> bool:
        """The same for a name given as its suffixes (see `suffixes`)."""
        return next((True for _ in self.walk(names)), False)

    def longest(self, qname: str) -> T | None:
        """The value with the longest matching suffix, the first added of equals; None when nothing matches."""
        return next(self.walk(suffixes(qname)), None) if self else None
