"""``nameward signal``: tell policy a fact that holds for a while, and list those that hold.

What `set` writes is one JSON message on dns.context; any health checker can write the same with kcat.
"""

from __future__ import annotations

import asyncio
import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from compose.failure import Failure
from compose.options import directory_option, kafka_of, kafka_option
from compose.signal_topic import publish, read_signals
from compose.spans import Span
from resolver.policy.signal_book import check_signal
from schemas.signals import ContextSignal, encode_signal

_SPAN = Span(timedelta(days=1), "a day, which is how long the topic keeps it")
"""What lived longer would be forgotten by resolvers that start then."""


@click.group("signal")
def signal() -> None:
    """Tell policy facts that hold for a while (context signals), and list those that hold."""


@signal.command("set")
@click.option("--tenant", required=True, help="Tenant whose policy may use it; '' is all tenants.")
@click.option("--kind", required=True, help="health, latency, or what rules look at.")
@click.option("--subject", required=True, metavar="NAME|ADDR:PORT", help="What it is about.")
@click.option("--value", required=True, help="health: up, degraded, down; latency: milliseconds.")
@click.option(
    "--for", "span", type=_SPAN, default="60s", show_default=True, help="How long it holds; 0s takes it away."
)
@click.option("--reason", default="", help="Why, for those who ask explain.")
@click.option("--source", default=None, help="Who says so; you by default.")
@directory_option
@kafka_option
def set_command(
    *,
    tenant: str,
    kind: str,
    subject: str,
    value: str,
    span: timedelta,
    reason: str,
    source: str | None,
    directory: Path,
    kafka: str | None,
) -> None:
    """Tell one fact; it is in force within two seconds if some object uses its kind."""
    now = datetime.now(UTC)
    said = ContextSignal(
        tenant=tenant,
        kind=kind,
        subject=subject,
        value=value,
        source=getpass.getuser() if source is None else source,
        reason=reason,
        created=now,
        expires=now + span,
    )
    try:
        check_signal(said)
    except ValueError as error:
        raise Failure(str(error)) from error
    asyncio.run(publish(kafka_of(directory, kafka), said))
    seconds = int(span.total_seconds())
    click.echo(f"{kind} of {subject} is {value} for {seconds} s" if seconds else f"{kind} of {subject} is taken back")


@signal.command("list")
@click.option("--tenant", default=None, help="Only this tenant's; '' is those for all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@directory_option
@kafka_option
def list_command(*, tenant: str | None, as_json: bool, directory: Path, kafka: str | None) -> None:
    """Show the signals that hold."""
    now = datetime.now(UTC)
    found = [one for one in asyncio.run(read_signals(kafka_of(directory, kafka), now)) if tenant in {None, one.tenant}]
    found.sort(key=lambda one: (one.tenant, one.kind, one.subject))
    if as_json:
        for one in found:
            click.echo(encode_signal(one))
    else:
        _table(found, now)


def _table(signals: list[ContextSignal], now: datetime) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("TENANT", "KIND", "SUBJECT", "VALUE", "FOR", "SOURCE", "REASON", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in signals:
        left = f"{(one.expires - now).total_seconds():.0f} s"
        table.add_row(one.tenant or "(all)", one.kind, one.subject, one.value, left, one.source, one.reason)
    Console().print(table, highlight=False, markup=False)
