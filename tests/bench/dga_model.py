"""`python -m tests.bench.dga_model [DIR]`: train the name model of the detector dga, and say how well it does on families it never saw.

DIR holds one file of names a family (`FAMILY.txt.gz`) and `top-100000-domains.txt.gz`; without it `../shared/data/dga` beside the project is
taken. Popular names are split by label: the language model learns from four fifths of nine tenths, the regression from the rest of them, and
nobody from the last tenth, which is what families are judged against. Beside the families, generic made-up ones (uniform letters, hexadecimal,
part of the alphabet, consonants and vowels in turn) are shown, so that no family's alphabet is all the model knows; families made of words weigh
less, since a long name is a weak sign. Same data, same file: everything random is seeded.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.domains import registered_domain
from streams.detectors import dga_model
from streams.detectors.dga_model import HASHED, KINDS, Floats, Grams, Labels, NameModel, Tables

RANDOM = ("conficker", "cryptolocker", "pushdo", "ramdo", "tinba", "zeus")
WORDS = ("matsnu", "rovnix")
TEST = ("conficker", "matsnu", "pushdo")
"""What the shipped model never saw: letters, words, syllables."""

LISTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "dga"
_WORDS_WEIGHT = 0.25
_MOST = 6_000
_UNSEEN = 3.0
"""Occurrences, each a nat more surprising than three symbols say, that a bucket of the hashed table begins with."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Names:
    """Labels of each family, and of popular names: for the language model, for the regression, for judging."""

    families: dict[str, list[str]]
    spoken: list[str]
    weighed: list[str]
    judged: list[str]


def read(directory: Path = LISTS, seed: int = 4) -> Names:
    """Lists as they lie in a directory, shuffled and split."""
    random = np.random.default_rng(seed)
    families = {name: random.permutation(labels(directory / f"{name}.txt.gz")).tolist() for name in (*RANDOM, *WORDS)}
    popular = random.permutation(labels(directory / "top-100000-domains.txt.gz")).tolist()
    tenth = len(popular) // 10
    taught = popular[tenth:]
    most = len(taught) * 5 // 6
    return Names(families, taught[:most], taught[most:], popular[:tenth])


def labels(path: Path) -> list[str]:
    """First labels of the registered domains in a list, by name."""
    with gzip.open(path, "rt") as lines:
        return sorted({(registered_domain(name) or name).partition(".")[0] for name in lines.read().split()})


def made_up(count: int, seed: int = 5) -> list[str]:
    """Labels of no family: five ways of drawing them, 6 to 27 characters long."""
    random = np.random.default_rng(seed)
    alphabets = [_LETTERS, "0123456789abcdef", _LETTERS + "0123456789"]
    found = []
    for number in range(count):
        size, way = int(random.integers(6, 28)), number % 5
        if way == 4:
            found.append("".join(random.choice(list("bcdfghjklmnpqrstvwxz" if place % 2 == 0 else "aeiou")) for place in range(size)))
        else:
            some = random.permutation(list(_LETTERS))[: random.integers(10, 20)].tolist() if way == 3 else list(alphabets[way])
            found.append("".join(random.choice(some, size)))
    return found


def language(labels: list[str]) -> Tables:
    """Interpolated counts (Witten and Bell, IEEE Trans. Inf. Theory 37(4), 1991): each context trusts its own as far as it varies little."""
    grams = Grams.of(Labels.of(pa.array(labels)))
    lower = (np.bincount(grams.last, minlength=KINDS) + 1.0)[None]
    two = _interpolated(grams.two, lower / lower.sum(), 1)
    three = _interpolated(grams.three, two, 2)
    four = _interpolated(grams.four, three, 3)
    more = np.log(three.ravel()[grams.three]) - np.log(four.ravel()[grams.four])
    buckets, rooms = grams.buckets(), 1 << HASHED
    hashed = (np.bincount(buckets, more, rooms) + _UNSEEN) / (np.bincount(buckets, minlength=rooms) + _UNSEEN)
    return Tables(-np.log(two.ravel()), -np.log(three.ravel()), hashed).rounded()


def _interpolated(index: NDArray[np.int64], lower: Floats, order: int) -> Floats:
    counts = np.bincount(index, minlength=KINDS ** (order + 1)).reshape(-1, KINDS)
    trust = (counts > 0).sum(1, keepdims=True) + 1e-9
    return (counts + trust * np.tile(lower, (len(counts) // len(lower), 1))) / (counts.sum(1, keepdims=True) + trust)


def train(names: Names, tables: Tables, held_out: Iterable[str]) -> NameModel:
    """Logistic regression by Newton's method; every family weighs the same, those of words a quarter of it."""
    held = tuple(sorted(held_out))
    shown = [(names.families[name][:_MOST], _WORDS_WEIGHT if name in WORDS else 1.0) for name in (*RANDOM, *WORDS) if name not in held]
    shown.append((made_up(_MOST), 1.0))
    generated = [label for labels, _ in shown for label in labels]
    measures = tables.measures(Labels.of(pa.array([*generated, *names.weighed])))
    truth = np.concatenate([np.ones(len(generated)), np.zeros(len(names.weighed))])
    shares = np.concatenate([np.full(len(labels), weight / len(labels)) for labels, weight in shown])
    weights = np.concatenate([shares / shares.sum(), np.full(len(names.weighed), 1 / len(names.weighed))]) / 2
    means, scales = measures.mean(0), measures.std(0) + 1e-9
    found = _newton(np.column_stack([(measures - means) / scales, np.ones(len(measures))]), truth, weights)
    return NameModel(tables, means, scales, found, held)


def _newton(x: Floats, truth: Floats, weights: Floats, ridge: float = 1e-4) -> Floats:
    found = np.zeros(x.shape[1])
    for _ in range(25):
        odds = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (weights * (odds - truth)) + ridge * found
        curve = (x * (weights * odds * (1 - odds))[:, None]).T @ x + ridge * np.eye(len(found))
        found -= np.linalg.solve(curve, slope)
    return found


def auc(generated: Floats, chosen: Floats) -> float:
    """Chance that a generated name scores above a chosen one (Mann-Whitney, ties count half)."""
    both = np.concatenate([generated, chosen])
    _, place, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    size = len(generated)
    return float((ranks[:size].sum() - size * (size + 1) / 2) / (size * len(chosen)))


def held_out_quality(names: Names, tables: Tables, families: Iterable[str] = (*RANDOM, *WORDS)) -> dict[str, tuple[float, float]]:
    """Per family: AUC of a model that never saw it against popular names nobody learnt from, share of it above 99 % of these."""
    found = {}
    for family in families:
        model = train(names, tables, [family])
        chosen = model.score(pa.array(names.judged))
        generated = model.score(pa.array(names.families[family]))
        found[family] = (auc(generated, chosen), float((generated > np.quantile(chosen, 0.99)).mean()))
    return found


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False), default=LISTS)
@click.option("--out", type=click.Path(path_type=Path), default=Path(dga_model.__file__).with_suffix(".npz"), show_default=True)
def main(directory: Path, out: Path) -> None:
    """Judge the way of training family by family, then train and write the model that is shipped."""
    names = read(directory)
    tables = language(names.spoken)
    print(f"{'family held out':20}{'AUC':>8}  above 99 % of popular names")
    for family, (area, share) in held_out_quality(names, tables).items():
        print(f"{family + (' (words)' if family in WORDS else ''):20}{area:8.4f}  {share:.1%}")
    model = train(names, tables, TEST)
    chosen = model.score(pa.array(names.judged))
    for quantile in (0.5, 0.9, 0.95, 0.99):
        print(f"shipped model: {quantile:.0%} of popular names score below {np.quantile(chosen, quantile):.2f}")
    with out.open("wb") as file:
        model.write(file)
    print(f"{out}: {out.stat().st_size:,} bytes, never saw {', '.join(model.held_out)}")


if __name__ == "__main__":
    sys.exit(main())
