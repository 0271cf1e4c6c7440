"""`python -m tests.bench.quality`: play everything, judge, write QUALITY.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import click

from streams.caps import DETECTOR as FEEDBACK
from streams.detectors import DETECTORS
from tests.bench.quality import benign, generated, names, report, tunnels
from tests.bench.quality.judge import Verdict, judge, standings
from tests.bench.quality.play import Seen, play
from tests.bench.quality.scenario import Scenario
from tests.bench.results import machine

QUALITY = Path(__file__).parents[1] / "QUALITY.md"
COMMAND = "make quality"


@click.command()
@click.option("--days", default=2, show_default=True, help="Benign office days made of captures.")
@click.option("--live/--no-live", default=True, show_default=True, help="Run real tunnels between network namespaces; needs root.")
@click.option("--seconds", default=30.0, show_default=True, help="How long each real tunnel pushes bytes.")
@click.option("--only", default="", help="Scenarios whose name contains this.")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Write QUALITY.md.")
def main(days: int, live: bool, seconds: float, only: str, keep: bool) -> None:
    """Judge every detector by labelled traffic."""
    with ProcessPoolExecutor(len(PARTS), get_context("fork")) as pool:
        parts = [pool.submit(_played, part, days, live, seconds, only) for part in PARTS]
        seen = [one for part in parts for one in part.result()]
    tables = [
        report.detectors(standings([*(one.name for one in DETECTORS), FEEDBACK], seen), sum(v.days for _, v in seen if not v.expected), COMMAND),
        report.scenarios([verdict for _, verdict in seen], COMMAND),
        *([] if only else names.tables(COMMAND)),
    ]
    text = "\n".join(table.text() for table in tables)
    print(text)
    if keep and not only:
        head = ("# How well the detectors find, and what they leave alone\n\n`make quality` writes this file; captures are those beside the project, live tunnels ran "
                "between network namespaces, the rest is generated from fixed seeds and says so. A slowed tunnel of iodine is found by the bulk of its own handshake, before it carries anything.\n")
        QUALITY.write_text(f"{head}\nMeasured {datetime.now(UTC):%Y-%m-%d}, {machine()}.\n\n{text}")


PARTS = ("traffic", "tunnels")
"""Played at the same time, a process each."""


def _played(part: str, days: int, live: bool, seconds: float, only: str) -> list[tuple[Seen, Verdict]]:
    if part == "tunnels":
        scenarios: Iterator[Scenario] = tunnels.scenarios(live=live, seconds=seconds)
    else:
        scenarios = chain(benign.scenarios(days), generated.scenarios())
    return [_shown(scenario) for scenario in scenarios if only in scenario.name]


def _shown(scenario: Scenario) -> tuple[Seen, Verdict]:
    seen = play(scenario)
    verdict = judge(seen)
    found = f"{verdict.found_by or 'NOTHING'} after {verdict.seconds} s" if verdict.expected else "benign"
    print(f"{scenario.name}: {seen.events:,} events in {seen.took:.1f} s, {found}; false: {', '.join(verdict.false) or 'none'}", file=sys.stderr)
    return replace(seen, scenario=replace(seen.scenario, background=tuple)), verdict  # what made the background stays here


if __name__ == "__main__":
    main()
