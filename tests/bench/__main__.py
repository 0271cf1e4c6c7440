"""`python -m tests.bench [dns] [streams] [warehouse] [fairness] [scale] [tenants]`: measure, print, keep in RESULTS.md."""

from __future__ import annotations

from importlib import import_module

import click

from tests.bench import results

BENCHES = {"dns": "tests.bench.dns_path", "streams": "tests.bench.stream_path", "warehouse": "tests.bench.warehouse_path",
           "fairness": "tests.bench.fairness", "scale": "tests.bench.scale", "tenants": "tests.bench.many_tenants"}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHES)))
@click.option("--rounds", default=5, show_default=True, help="Measurements of each contender; the median counts.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of one measurement.")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Write RESULTS.md.")
def main(names: tuple[str, ...], rounds: int, seconds: float, keep: bool) -> None:
    """Run the benchmarks named, or all of them."""
    tables = [table for name in names or BENCHES for table in import_module(BENCHES[name]).measure(rounds, seconds)]
    for table in tables:
        print(f"\n{table.text()}\n{table.json()}")
    if keep:
        results.write(tables)


if __name__ == "__main__":
    main()
