"""How well names alone tell: every family against a model that never saw it, and how fast names are scored."""

from __future__ import annotations

import time

import pyarrow as pa

from tests.bench import dga_model
from tests.bench.dga_model import LISTS, WORDS
from tests.bench.results import Table

BAR_AUC, BAR_RATE = 0.95, 60_000
ROUNDS = 5


def tables(command: str) -> list[Table]:
    """The table of families; none where the lists are not there."""
    if not LISTS.exists():
        return []
    names = dga_model.read()
    spoken = dga_model.language(names.spoken)
    table = Table("Generated names by name alone", ("family held out", "AUC", "bar", "", "above 99 % of popular names"), command)
    for family, (area, share) in dga_model.held_out_quality(names, spoken).items():
        words = family in WORDS
        met = "" if words else "met" if area >= BAR_AUC else "**missed**"
        table.add(f"{family} (words)" if words else family, f"{area:.4f}", "" if words else BAR_AUC, met, f"{share:.0%}")
    rate = _rate(pa.array(names.judged))
    met = "met" if rate >= BAR_RATE else "**missed**"
    table.notes.append(
        "Each family is judged by a model trained without it, against popular names that no part of that model saw. Families made of words fool every "
        f"model of names; the crop finds their clients (see the infections above). One core scores {rate:,.0f} names/s, bar {BAR_RATE:,}: {met}."
    )
    return [table]


def _rate(names: pa.Array) -> float:
    """Names scored in a second by the shipped model, the median round."""
    model = dga_model.dga_model.shipped()
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        model.score(names)
        rates.append(len(names) / (time.perf_counter() - began))
    return sorted(rates)[ROUNDS // 2]
