"""``nameward warehouse retain``: take away what is older than its tenant keeps; the sink does the same each hour."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from compose.options import directory_option
from compose.warehouse_options import json_option, opened, warehouse_option
from streams.warehouse.retention import DEFAULT_DAYS, Expired, expired, retain, retention


@click.command("retain")
@click.option("--dry-run", is_flag=True, help="Say what would go, and leave it.")
@json_option
@directory_option
@warehouse_option
def retain_command(*, dry_run: bool, as_json: bool, directory: Path, url: str | None) -> None:
    """Take away what is older than its tenant's privacy.retentionDays: events, and roll-ups that name clients."""
    with opened(directory, url) as warehouse:
        days = retention(warehouse)
        found = expired(warehouse, days, datetime.now(UTC).date())
        if not dry_run:
            retain(warehouse, found)
    if as_json:
        click.echo(json.dumps([asdict(item) for item in found], indent=1))
        return
    for (tenant, table), items in _by_tenant(found).items():
        rows = sum(item.rows for item in items)
        kept = days.get(tenant, DEFAULT_DAYS)
        click.echo(
            f"{tenant or 'unknown clients'}: {table} until {max(item.day for item in items)},"
            f" {rows} rows (kept {kept} days)"
        )
    done = "would go" if dry_run else "gone"
    click.echo(f"{sum(item.rows for item in found)} rows {done}")


def _by_tenant(found: list[Expired]) -> dict[tuple[str, str], list[Expired]]:
    grouped: dict[tuple[str, str], list[Expired]] = {}
    for item in found:
        grouped.setdefault((item.tenant, item.table), []).append(item)
    return dict(sorted(grouped.items()))
