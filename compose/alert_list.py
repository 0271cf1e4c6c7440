"""``nameward alerts list``: a table for people, one JSON object a line for programs, as ours or as OCSF."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from compose.alert_options import show_table
from compose.alert_store import read_alerts
from compose.options import clickhouse_of, clickhouse_option, directory_option
from compose.spans import Span
from schemas.ocsf import detection_finding
from schemas.signals import encode_signal

_STATES = {"open": ("open",), "closed": ("closed",), "all": ("open", "closed")}
_LIMIT = 1000


@click.command("list")
@click.option("--tenant", default="", help="Only this tenant's.")
@click.option(
    "--state", type=click.Choice(list(_STATES)), default="open", show_default=True, help="Muted ones are open, too."
)
@click.option("--detector", default="", help="Only this detector's; group for parents.")
@click.option(
    "--severity",
    type=click.Choice(["info", "low", "medium", "high", "critical"]),
    default="info",
    show_default=True,
    help="And above.",
)
@click.option("--since", type=Span(), default=None, metavar="SPAN", help="Only what changed within, e.g. 24h.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["own", "ocsf"]),
    default=None,
    help="JSON lines: ours, or OCSF Detection Finding.",
)
@directory_option
@clickhouse_option
def list_command(
    *,
    tenant: str,
    state: str,
    detector: str,
    severity: str,
    since: timedelta | None,
    as_json: bool,
    form: str | None,
    directory: Path,
    clickhouse: str | None,
) -> None:
    """Show alerts, the newest first."""
    now = datetime.now(UTC)
    found = read_alerts(
        clickhouse_of(directory, clickhouse),
        tenant=tenant,
        detector=detector,
        severity=severity,
        states=_STATES[state],
        since=now - since if since else None,
        limit=_LIMIT,
    )
    if form == "ocsf":
        for alert in found:
            click.echo(msgspec.json.encode(detection_finding(alert)))
    elif as_json or form:
        for alert in found:
            click.echo(encode_signal(alert))
    elif found:
        show_table(found, now)
    else:
        click.echo("no such alerts", err=True)
    if len(found) == _LIMIT:
        click.echo(f"nameward: only the newest {_LIMIT} are shown; narrow with --tenant or --since", err=True)
