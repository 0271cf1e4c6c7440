"""How implausible a label is as a name that people chose: surprises of a language model, weighed by a linear one.

On the path: detectors/dga.py scores each failed name once with it. The language model knows how likely a character is
after the one, two or three before it in popular names (2- and 3-grams exact, 4-grams hashed); a logistic regression
over its mean surprises and a few scalars tells popular names from generated ones. Tables and weights stand in
dga_model.npz, made by `python -m tests.bench.dga_model`; the file names the families the training never saw. Names
made of words fool it by design; the crop does not. Must not know clients or answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Symbols = NDArray[np.uint8]
Counts = NDArray[np.int64]

KINDS = 30
"""Symbols: 0 the edge of a label, 1 to 26 letters, 27 any digit, 28 the hyphen, 29 anything else."""
ORDER = 4
HASHED = 17
STEP3, STEP4 = 1 / 32, 1 / 4
LONGEST = 30.0


def _symbols() -> Symbols:
    table = np.full(256, 29, np.uint8)
    table[ord("a") : ord("z") + 1] = np.arange(1, 27)
    table[ord("0") : ord("9") + 1] = 27
    table[ord("-")] = 28
    return table


_SYMBOLS = _symbols()
_VOWEL = np.isin(np.arange(KINDS), [1, 5, 9, 15, 21])
_LETTER = (np.arange(KINDS) >= 1) & (np.arange(KINDS) <= 26)
_BITS = np.uint64(1) << (np.arange(256, dtype=np.uint64) % np.uint64(64))


@dataclass(frozen=True, slots=True)
class Labels:
    """First labels of names, end to end. data: their bytes; lengths: shape (n,)."""

    data: Symbols
    lengths: Counts

    @classmethod
    def of(cls, names: pa.Array) -> Labels:
        """What stands before the first dot of each name (strings without nulls)."""
        sizes = np.diff(_offsets(names))
        data = _bytes(names)
        starts = np.cumsum(sizes) - sizes
        place = np.arange(len(data)) - np.repeat(starts, sizes)
        dots = np.flatnonzero(data == ord("."))[::-1]  # the first dot of a name is assigned last, and stays
        lengths = sizes.copy()
        lengths[np.searchsorted(starts, dots, side="right") - 1] = place[dots]
        return cls(data[place < np.repeat(lengths, sizes)], lengths)


def _offsets(names: pa.Array) -> Counts:
    width = np.int64 if pa.types.is_large_string(names.type) else np.int32
    offsets = np.frombuffer(names.buffers()[1], width)[names.offset : names.offset + len(names) + 1]
    return offsets.astype(np.int64)


def _bytes(names: pa.Array) -> Symbols:
    buffer, offsets = names.buffers()[2], _offsets(names)
    if buffer is None:
        return np.empty(0, np.uint8)
    return np.frombuffer(buffer, np.uint8)[offsets[0] : offsets[-1]]


@dataclass(frozen=True, slots=True)
class Grams:
    """Every character of every label with the three before it, the closing edge included.

    last, before: symbol and the one before it; two, three, four: numbers of the last two, three, four symbols;
    firsts: where each label begins; counts: its length plus one.
    """

    last: Symbols
    before: Symbols
    two: Counts
    three: Counts
    four: Counts
    firsts: Counts
    counts: Counts

    @classmethod
    def of(cls, labels: Labels) -> Grams:
        """Grams of labels, in order."""
        room = labels.lengths + ORDER
        ends = np.cumsum(room)
        padded = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
        shift = np.repeat((ORDER - 1) + ORDER * np.arange(len(room)), labels.lengths)
        padded[np.arange(len(labels.data)) + shift] = _SYMBOLS[labels.data]
        inside = np.ones(len(padded), bool)
        for edge in range(ORDER - 1):
            inside[ends - room + edge] = False
        at = np.flatnonzero(inside)
        window = [padded[at - back].astype(np.int64) for back in range(ORDER)]
        two = window[1] * KINDS + window[0]
        three = window[2] * KINDS**2 + two
        four = window[3] * KINDS**3 + three
        counts = labels.lengths + 1
        return cls(padded[at], padded[at - 1], two, three, four, np.cumsum(counts) - counts, counts)

    def buckets(self) -> Counts:
        """Where in the hashed table each four symbols stand."""
        mixed = self.four.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return (mixed >> np.uint64(64 - HASHED)).astype(np.int64)

    def total(self, values: NDArray[Any]) -> Floats:
        """Sum of one value a gram, by label."""
        found: Floats = np.add.reduceat(values.astype(np.float64), self.firsts)
        return found


@dataclass(frozen=True, slots=True)
class Tables:
    """Surprise of a symbol, nats: after one and after two others, and what a third one adds to that (hashed)."""

    two: Floats
    three: Floats
    four: Floats

    def rounded(self) -> Tables:
        """The same as far as bytes hold it, which is what a file keeps."""
        three, four = np.rint(self.three / STEP3), np.rint(self.four / STEP4)
        two = self.two.astype(np.float32).astype(float)
        return Tables(two, np.clip(three, 0, 255) * STEP3, np.clip(four, -127, 127) * STEP4)

    def measures(self, labels: Labels) -> Floats:
        """What the regression weighs; shape (n, 20). Surprises by mean and by significance, shape, alphabet."""
        if not len(labels.lengths):
            return np.empty((0, 20))
        grams = Grams.of(labels)
        spans = grams.counts.astype(np.float64)
        sizes = np.maximum(labels.lengths, 1).astype(np.float64)
        second, third = self.two[grams.two], self.three[grams.three]
        sums = [grams.total(values) for values in (second, third, third + self.four[grams.buckets()])]
        means = [values / spans for values in sums]
        spread = np.sqrt(np.maximum(grams.total(third * third) / spans - means[1] ** 2, 0))
        size = np.log(np.minimum(sizes, LONGEST))
        bits = np.bitwise_or.reduceat(np.concatenate([_BITS[labels.data], np.zeros(1, np.uint64)]), _starts(labels))
        distinct = np.where(labels.lengths, np.bitwise_count(bits), 0) / sizes
        vowels, digits = grams.total(_VOWEL[grams.last]) / sizes, grams.total(grams.last == 27) / sizes
        hyphens = grams.total(grams.last == 28) / sizes
        letters = _LETTER[grams.last] & _LETTER[grams.before]
        turns = grams.total(letters & (_VOWEL[grams.last] != _VOWEL[grams.before])) / sizes
        columns = [*means, *(values / np.sqrt(spans) for values in sums), spread, sizes >= 10, sizes >= 16, size]
        columns += [size**2, vowels, np.abs(vowels - 0.4), digits, digits * (1 - digits), distinct, distinct * size]
        return np.column_stack([*columns, turns, hyphens > 0, hyphens])


def _starts(labels: Labels) -> Counts:
    """Where each label's bytes begin; an empty last label begins at the sentinel."""
    starts: Counts = np.cumsum(labels.lengths) - labels.lengths
    return starts


@dataclass(frozen=True, slots=True)
class NameModel:
    """The language model and the regression. held_out: families the training never saw."""

    tables: Tables
    means: Floats
    scales: Floats
    weights: Floats
    held_out: tuple[str, ...]

    def score(self, names: pa.Array) -> Floats:
        """Log odds that the first label of each name is generated rather than chosen; shape (n,).

        0 is where one is as likely as the other if both were equally frequent, which they are not: see the crop.
        """
        measures = (self.tables.measures(Labels.of(names)) - self.means) / self.scales
        found: Floats = measures @ self.weights[:-1] + self.weights[-1]
        return found

    def write(self, file: BinaryIO) -> None:
        """Store it; its tables are rounded ones."""
        np.savez_compressed(
            file,
            two=self.tables.two.astype(np.float32),
            three=(self.tables.three / STEP3).astype(np.uint8),
            four=(self.tables.four / STEP4).astype(np.int8),
            regression=np.stack([[*self.means, 0], [*self.scales, 1], self.weights]),
            held_out=np.array(self.held_out),
        )

    @classmethod
    def read(cls, file: BinaryIO) -> NameModel:
        """Inverse of write."""
        with np.load(file, allow_pickle=False) as stored:
            tables = Tables(stored["two"].astype(float), stored["three"] * STEP3, stored["four"] * STEP4)
            means, scales, weights = stored["regression"]
            return cls(tables, means[:-1], scales[:-1], weights, tuple(stored["held_out"].tolist()))


@cache
def shipped() -> NameModel:
    """The model that comes with the package."""
    with files("streams.detectors").joinpath("dga_model.npz").open("rb") as file:
        return NameModel.read(file)  # type: ignore[arg-type]
