"""Long work in slices: generators that stop every now and then, so that queries have their turn in between.

A compilation of a hundred thousand rules takes seconds; whoever drives it (resolver/in_slices.py) lets the event
loop turn at every stop. A thread would not do: it keeps the interpreter for milliseconds at each of the loop's calls.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that stops between its slices and returns its result at the end."""
SLICE = 256
"""How many objects, rules or tenants make a slice: a few milliseconds at most."""


def slices(items: Iterable[T]) -> Iterator[list[T]]:
    """The items, a slice at a time."""
    iterator = iter(items)
    while part := list(islice(iterator, SLICE)):
        yield part


def finish(steps: Steps[T]) -> T:
    """Do all slices at once; the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # StopIteration does not know its type
