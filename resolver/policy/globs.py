"""Labels with a ``*`` inside, which never crosses a dot: one against one, and thousands of them found by name.

What the index of patterns files left of a literal suffix. This module must not know patterns as operators write them.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Generic, TypeVar

T = TypeVar("T")
_first_added = itemgetter(0)


def label_matches(glob: str, label: str) -> bool:
    """Whether a label matches one with ``*`` in it (each stands for any run of characters, also none)."""
    first, *rest = glob.split("*")
    if not rest:
        return first == label
    last = rest.pop()
    if len(label) < len(first) + len(last) or not label.startswith(first) or not label.endswith(last):
        return False
    place, end = len(first), len(label) - len(last)
    for part in rest:
        found = label.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


class Globs(Generic[T]):
    """Patterns with a ``*`` inside a label, left of one suffix; thousands cost no more than a few.

    Each is filed under the longest text before or behind a ``*`` in one of its labels: a name is asked for as many
    texts as there are shapes (which label, which end, how long), and only what is filed there is compared.
    """

    __slots__ = ("_added", "_shapes")

    def __init__(self) -> None:
        self._shapes: dict[tuple[int, bool, int], dict[str, list[tuple[int, str, tuple[str, ...], T]]]] = {}
        self._added = 0

    def __bool__(self) -> bool:
        return bool(self._added)

    def add(self, kind: str, globs: tuple[str, ...], value: T) -> None:
        """File the part of a pattern left of the suffix; kind and globs as in patterns.Pattern."""
        shape, text = (0, True, 0), ""
        for place, label in enumerate(reversed(globs)):
            for head, part in ((True, label.partition("*")[0]), (False, label.rpartition("*")[2])):
                if len(part) > len(text):
                    shape, text = (place, head, len(part)), part
        self._shapes.setdefault(shape, {}).setdefault(text, []).append((self._added, kind, globs, value))
        self._added += 1

    def walk(self, names: list[str], depth: int) -> Iterator[T]:
        """Values for a name given as its suffixes, of which the one at `depth` is ours; in the order added."""
        labels = [_first_label(names[place], names, place) for place in range(depth)]
        found: list[tuple[int, str, tuple[str, ...], T]] = []
        for (place, head, size), filed in self._shapes.items():
            if place < depth:
                label = labels[depth - 1 - place]
                found += filed.get(label[:size] if head else label[len(label) - size :], ())
        if len(found) > 1:
            found.sort(key=_first_added)
        for _, kind, globs, value in found:
            spare = depth - len(globs)
            if spare < (kind == "below") or (spare and kind == "exact"):
                continue
            if all(map(label_matches, globs, labels[spare:])):
                yield value


def _first_label(name: str, names: list[str], place: int) -> str:
    return name[: -len(names[place + 1]) - 1] if place + 1 < len(names) else name
