"""Distinct values of arrays, where each stands first, how often it occurs: by one unstable sort of 64-bit integers.

numpy's `unique` hashes values, or sorts stably for an index; a plain sort of 64-bit integers runs in vector registers
and is 5 to 50 times as fast from some hundred values on. What is stable here carries the position within the key, or
takes the least position of equals. For hashes, codes and numbers of panes: integers only, and no NaN. Must not know
what they mean.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.integer[Any])
Places = NDArray[np.int64]


def begins(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Of each value in sorted ones whether it differs from the one before."""
    found = np.empty(len(ordered), bool)
    found[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=found[1:])
    return found


def distinct(keys: NDArray[T]) -> NDArray[T]:
    """Distinct values, rising."""
    ordered = np.sort(keys)
    found: NDArray[T] = ordered[begins(ordered)]
    return found


def counted(keys: NDArray[T]) -> tuple[NDArray[T], Places]:
    """Distinct values, rising, and how often each occurs."""
    ordered = np.sort(keys)
    starts = np.flatnonzero(begins(ordered))
    return ordered[starts], np.diff(starts, append=len(ordered))


def firsts(keys: NDArray[T]) -> tuple[NDArray[T], Places]:
    """Distinct values, rising, and the place of the first of each."""
    values, order, starts = _sorted(keys)
    return values, _first(order, starts)


def inverse(keys: NDArray[T]) -> tuple[NDArray[T], Places]:
    """Distinct values, rising, and for each of `keys` the place of its value among them."""
    values, order, starts = _sorted(keys)
    return values, _back(order, starts)


def groups(keys: NDArray[T]) -> tuple[NDArray[T], Places, Places]:
    """Distinct values, rising, with what both firsts and inverse say, by one sort."""
    values, order, starts = _sorted(keys)
    return values, _first(order, starts), _back(order, starts)


def _sorted(keys: NDArray[T]) -> tuple[NDArray[T], Places, NDArray[np.bool_]]:
    """Distinct values, places of all by value, and where in these each value begins."""
    order = np.argsort(keys)
    ordered = keys[order]
    starts = begins(ordered)
    return ordered[starts], order, starts


def _first(order: Places, starts: NDArray[np.bool_]) -> Places:
    return np.minimum.reduceat(order, np.flatnonzero(starts)) if len(order) else order


def _back(order: Places, starts: NDArray[np.bool_]) -> Places:
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(starts) - 1
    return place


def in_order(codes: NDArray[Any], size: int) -> Places:
    """Places by code, those of equal codes in their order: a stable argsort of codes in [0, size)."""
    room = max(len(codes) - 1, 1).bit_length()
    if room + max(size, 1).bit_length() > 62:
        return np.argsort(codes, kind="stable")
    keyed = (codes.astype(np.int64) << room) | np.arange(len(codes))
    keyed.sort()
    return keyed & ((1 << room) - 1)


def member(values: NDArray[T], known: NDArray[T]) -> NDArray[np.bool_]:
    """Which values are among `known`, which need not be sorted."""
    if not len(known) or not len(values):
        return np.zeros(len(values), bool)
    ordered = np.sort(known)
    at = np.searchsorted(ordered, values)
    at[at == len(ordered)] = 0
    found: NDArray[np.bool_] = ordered[at] == values
    return found


def close_together(numbers: NDArray[Any]) -> list[int]:
    """Distinct numbers, rising, as those of panes: most often one, or few next to each other."""
    if not len(numbers):
        return []
    least, most = int(numbers.min()), int(numbers.max())
    if least == most:
        return [least]
    if most - least > len(numbers):
        found: list[int] = distinct(numbers).tolist()
        return found
    near: list[int] = (np.flatnonzero(np.bincount(numbers - least)) + least).tolist()
    return near


def tally(codes: NDArray[Any], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct codes, rising, and how often each occurs; `size` is the length of the dictionary."""
    if len(codes) * 8 < size:
        found, counts = counted(codes)
        return found.astype(np.int64), counts
    counts = np.bincount(codes, minlength=size)
    used = np.flatnonzero(counts)
    return used, counts[used]


def last_of_each(codes: NDArray[Any], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct codes, rising, and the position at which each occurs last."""
    if len(codes) * 8 < size:
        found, first = firsts(codes[::-1])
        return found.astype(np.int64), len(codes) - 1 - first
    place = np.full(size, -1, np.int64)
    place[codes] = np.arange(len(codes))
    used = np.flatnonzero(place >= 0)
    return used, place[used]
