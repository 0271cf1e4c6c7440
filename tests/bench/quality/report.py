"""Verdicts -> tables for people, bars beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.bench.quality.judge import Standing, Verdict
from tests.bench.results import Table

FALSE_A_DAY = 1.0
"""False alerts a tenant-day of benign traffic may have, of all detectors together."""


def detectors(found: Sequence[Standing], days: float, command: str) -> Table:
    """One row a detector."""
    columns = ("detector", "incidents", "recall", "precision", "seconds to detection", "queries to detection", "false alerts a tenant-day")
    table = Table("Detectors", columns, command)
    for one in found:
        table.add(one.detector, one.expected, _share(one.recall), _share(one.precision), _spread(one.seconds), _spread(one.queries),
                  f"{one.false_a_day:.2f}")  # fmt: skip
    whole = sum(one.false_a_day for one in found)
    table.notes.append(
        f"Median (largest) of the incidents found. An incident that another detector may stand for counts for both. Benign: {days:.1f} tenant-days, "
        f"{whole:.2f} false alerts a day of all detectors together, severity low and above; bar {FALSE_A_DAY:.0f}: {_met(whole <= FALSE_A_DAY)}."
    )
    return table


def scenarios(verdicts: Sequence[Verdict], command: str) -> Table:
    """One row a scenario."""
    columns = ("scenario", "origin", "events", "found by", "seconds", "queries", "bar", "", "false alerts")
    table = Table("Scenarios", columns, command)
    for one in verdicts:
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        table.add(
            one.name, one.origin, f"{one.events:,}", one.found_by or ("nothing" if one.expected else "benign"), seconds,
            "" if one.queries is None else one.queries, f"{one.bar:.0f} s" if one.bar else "", _met(one.met) if one.expected else "",
            ", ".join(sorted(set(one.false))) if one.false else "none",
        )  # fmt: skip
    return table


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.0f} ({max(values):.0f})" if values else ""


def _met(yes: bool) -> str:
    return "met" if yes else "**missed**"
