"""`python -m tests.bench [dns] [streams] [analysis] [warehouse] [fairness] [scale] [tenants] [views]`: measure, print, keep in RESULTS.md."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from tests.bench import results

BENCHES = {"dns": "tests.bench.dns_path", "streams": "tests.bench.stream_path", "warehouse": "tests.bench.warehouse_path",
           "analysis": "tests.bench.analysis_path", "fairness": "tests.bench.fairness", "scale": "tests.bench.scale", "tenants": "tests.bench.many_tenants",
           "views": "tests.bench.warehouse_views"}
_LONG = frozenset({"views"})
"""Run only when named."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHES)))
@click.option("--rounds", default=5, show_default=True, help="Measurements of each contender; the median counts.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of one measurement.")
@click.option("--rows", default=100_000_000, show_default=True, help="Events under the views.")
@click.option("--limits", type=click.Choice(["with", "without", "both"]), default="both", show_default=True, help="Of the flooding tenant (fairness).")
@click.option("--store", default="", metavar="DIR", help="Keep these events: made by the first call, asked by the next.")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Write RESULTS.md.")
def main(names: tuple[str, ...], *, rounds: int, seconds: float, rows: int, store: str, limits: str, keep: bool) -> None:
    """Run the benchmarks named, or all but the long ones."""
    chosen = names or [name for name in BENCHES if name not in _LONG]
    amounts: dict[str, dict[str, Any]] = {"views": {"rows": rows, "store": store}, "fairness": {"limits": limits}}
    tables = [table for name in chosen for table in import_module(BENCHES[name]).measure(rounds, seconds, **amounts.get(name, {}))]
    for table in tables:
        print(f"\n{table.text()}\n{table.json()}")
    if keep:
        results.write(tables)


if __name__ == "__main__":
    main()
