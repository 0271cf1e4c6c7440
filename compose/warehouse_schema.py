"""``nameward warehouse migrate|check|backfill``: the schema, and roll-ups that say what the events say."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

import click

from compose.failure import Failure
from compose.options import directory_option
from compose.warehouse_options import json_option, opened, warehouse_option
from streams.warehouse import Warehouse
from streams.warehouse.migrations import migrate, migrations, pending
from streams.warehouse.rollups import ROLLUPS, Difference, backfill, check

since_option = click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    default=None,
    metavar="DAY",
    help="Only days of storing from this one on, as 2026-11-22.",
)


@click.command("migrate")
@json_option
@directory_option
@warehouse_option
def migrate_command(*, as_json: bool, directory: Path, url: str | None) -> None:
    """Bring the schema to the newest version; what is there stays. The embedded store does so when it starts."""
    with opened(directory, url) as warehouse:
        applied = migrate(warehouse)
    newest = migrations()[-1].version
    if as_json:
        click.echo(json.dumps({"applied": applied, "version": newest}))
    else:
        done = f"applied {', '.join(f'{number:03}' for number in applied)}" if applied else "nothing to do"
        click.echo(f"{done}: the schema has version {newest}")


@click.command("check")
@since_option
@json_option
@directory_option
@warehouse_option
def check_command(*, since: datetime | None, as_json: bool, directory: Path, url: str | None) -> None:
    """Compare each roll-up with the events, by tenant and day. Status 1 if any differs."""
    with opened(directory, url) as warehouse:
        _refuse_old(warehouse)
        wrong = check(warehouse, _today(), _day(since))
    _tell(wrong, as_json=as_json, remedy="nameward warehouse backfill builds these days again")


@click.command("backfill")
@since_option
@json_option
@directory_option
@warehouse_option
def backfill_command(*, since: datetime | None, as_json: bool, directory: Path, url: str | None) -> None:
    """Build again the days of roll-ups that differ from the events. Status 1 if any differs afterwards."""
    with opened(directory, url) as warehouse:
        _refuse_old(warehouse)
        before = check(warehouse, _today(), _day(since))
        left = backfill(warehouse, _today(), _day(since)) if before else []
    if before and not as_json:
        tenants = len({difference.tenant for difference in before})
        click.echo(
            f"built again: {len({(item.rollup, item.day) for item in before})} days of roll-ups, {tenants} tenants"
        )
    _tell(left, as_json=as_json, remedy="these days are being written to: try again")


def _refuse_old(warehouse: Warehouse) -> None:
    if waiting := pending(warehouse):
        raise Failure(
            f"the schema lacks version {', '.join(f'{number:03}' for number in waiting)}:"
            " 'nameward warehouse migrate' applies it"
        )


def _tell(wrong: list[Difference], *, as_json: bool, remedy: str) -> None:
    if as_json:
        click.echo(json.dumps([asdict(difference) for difference in wrong], indent=1))
    elif not wrong:
        click.echo(f"{len(ROLLUPS)} roll-ups agree with the events")
    else:
        for item in wrong:
            click.echo(
                f"{item.rollup} of {item.tenant or 'unknown clients'} on {item.day}:"
                f" counts {item.counted} of {item.events} events"
            )
        click.echo(f"{len(wrong)} differences; {remedy}", err=True)
    sys.exit(1 if wrong else 0)


def _today() -> date:
    return datetime.now(UTC).date()


def _day(since: datetime | None) -> date | None:
    return since.date() if since else None
