"""``nameward alerts close``: an order that ends an alert now; fresh evidence opens it again."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from compose.alert_options import patience, person, places
from compose.alert_store import children, find_id, history
from compose.alert_topic import expired, give, key_of, read_orders, write
from compose.failure import Failure
from compose.options import clickhouse_of, kafka_of
from schemas.signals import Alert, AlertOrder, encode_signal

_LIFE = timedelta(minutes=10)
"""How long analytics may be away and still carry it out."""


@click.command("close")
@click.argument("alert", metavar="ID")
@person
@click.option("--json", "as_json", is_flag=True, help="The order as JSON.")
@patience
@places
def close_command(
    *,
    alert: str,
    reason: str,
    author: str,
    as_json: bool,
    timeout_s: float,
    directory: Path,
    clickhouse: str | None,
    kafka: str | None,
) -> None:
    """End an alert now, with its findings if it is a parent; what it put into policy ends with it."""
    store, now = clickhouse_of(directory, clickhouse), datetime.now(UTC)
    known = history(store, find_id(store, alert))[-1]
    if known.state == "closed":
        raise Failure(f"alert {known.id} is closed already: {known.ending or 'without a word'}")
    order = AlertOrder(
        id=f"c-{secrets.token_hex(4)}",
        tenant=known.tenant,
        action="close",
        reason=reason,
        author=author,
        created=now,
        expires=now + _LIFE,
        alert=known.id,
    )
    several = [known, *(child for child in children(store, known.id) if child.state != "closed")]
    silent = asyncio.run(_close(kafka_of(directory, kafka), order, several, timeout_s))
    click.echo(encode_signal(order) if as_json else f"{len(several) - len(silent)} closed: {known.title}")
    if silent and timeout_s:
        raise Failure(
            f"order {order.id} is written, but analytics did not confirm it for {', '.join(sorted(silent))} within "
            f"{timeout_s:.0f} s; it will follow if it runs within ten minutes (see /readyz)"
        )


async def _close(bootstrap: str, order: AlertOrder, several: list[Alert], timeout_s: float) -> set[str]:
    swept = expired(await read_orders(bootstrap), order.created)
    ids = [alert.id for alert in several]
    silent = await give(
        bootstrap, {**swept, key_of(order): order}, ids, lambda alert: alert.state == "closed", timeout_s
    )
    if not silent:  # carried out: it must not outlive its purpose
        await write(bootstrap, {key_of(order): None})
    return silent
