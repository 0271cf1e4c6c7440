"""``nameward alerts mute``, ``unmute`` and ``mutes``: orders that keep alerts quiet, with reason, author and an end."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from compose.alert_options import left, patience, person, places
from compose.alert_store import find_id, history, read_alerts
from compose.alert_topic import expired, give, key_of, read_orders
from compose.console import printable
from compose.failure import Failure
from compose.options import clickhouse_of, directory_option, kafka_of, kafka_option
from compose.ports import Address
from compose.spans import Span
from schemas.signals import Alert, AlertOrder, encode_signal
from streams.orders import concerns

_LONGEST = timedelta(days=3650)


@click.command("mute")
@click.argument("alert", metavar="[ID]", required=False)
@click.option("--tenant", default="", help="Instead of an id: whose alerts.")
@click.option("--detector", default="*", metavar="PATTERN", help="Instead of an id: of which detectors; * is any text.")
@click.option("--subject", default="*", metavar="PATTERN", help="Instead of an id: about what; * is any text.")
@click.option(
    "--for", "span", type=Span(_LONGEST, "ten years"), default=None, metavar="SPAN", help="How long; 24h by default."
)
@click.option("--until", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]), help="In UTC.")
@person
@click.option("--json", "as_json", is_flag=True, help="The order as JSON.")
@patience
@places
def mute_command(
    *,
    alert: str | None,
    tenant: str,
    detector: str,
    subject: str,
    span: timedelta | None,
    until: datetime | None,
    reason: str,
    author: str,
    as_json: bool,
    timeout_s: float,
    directory: Path,
    clickhouse: str | None,
    kafka: str | None,
) -> None:
    """Mute one alert (and, if it is a parent, its findings), or all of a tenant that match.

    What is muted is still told and stored, but not delivered, and changes no policy.
    """
    now = datetime.now(UTC)
    store = clickhouse_of(directory, clickhouse)
    whose = _whose(store, alert, tenant, narrowed=(detector, subject) != ("*", "*"))
    order = AlertOrder(
        id=f"m-{secrets.token_hex(4)}",
        tenant=whose.tenant if whose else tenant,
        action="mute",
        reason=_given("--reason", reason),
        author=_given("--author", author),
        created=now,
        expires=_end(now, span, until),
        alert=whose.id if whose else "",
        detector=detector,
        subject=subject,
    )
    known = [one for one in read_alerts(store, tenant=order.tenant) if not one.muted and concerns(order, one)]
    bootstrap = kafka_of(directory, kafka)
    silent = asyncio.run(_mute(bootstrap, order, known, timeout_s))
    heard = len(known) - len(silent)
    told = f"{order.id}: {heard} open alerts are muted, and what matches later, until {_clock(order.expires)}"
    click.echo(encode_signal(order) if as_json else told)
    _complain(order, silent, timeout_s)


async def _mute(bootstrap: str, order: AlertOrder, known: list[Alert], timeout_s: float) -> set[str]:
    swept = expired(await read_orders(bootstrap), order.created)
    ids = [alert.id for alert in known]
    return await give(bootstrap, {**swept, key_of(order): order}, ids, lambda alert: bool(alert.muted), timeout_s)


def _whose(store: Address, alert: str | None, tenant: str, *, narrowed: bool) -> Alert | None:
    if alert:
        if tenant or narrowed:
            raise Failure("give either an alert's id or --tenant with --detector or --subject, not both")
        return history(store, find_id(store, alert))[-1]
    if not (tenant and narrowed):
        raise Failure("give an alert's id, or --tenant and at least one of --detector and --subject")
    return None


def _given(option: str, text: str) -> str:
    if not text.strip():
        raise Failure(f"{option} is empty: who comes after you wants to know")
    return text.strip()


def _end(now: datetime, span: timedelta | None, until: datetime | None) -> datetime:
    if span is not None and until is not None:
        raise Failure("give either --for or --until, not both")
    end = until.replace(tzinfo=UTC) if until else now + (timedelta(hours=24) if span is None else span)
    if end <= now:
        raise Failure(f"the mute would end at {_clock(end)}, which is over")
    return end


def _complain(order: AlertOrder, silent: set[str], timeout_s: float) -> None:
    if silent and timeout_s:
        raise Failure(
            f"order {order.id} is written, but analytics did not confirm it for {', '.join(sorted(silent))} within "
            f"{timeout_s:.0f} s; it will follow when it runs (see /readyz)"
        )


@click.command("unmute")
@click.argument("order", metavar="ORDER|ID")
@click.option("--json", "as_json", is_flag=True, help="The orders taken back, one JSON object a line.")
@patience
@places
def unmute_command(
    *, order: str, as_json: bool, timeout_s: float, directory: Path, clickhouse: str | None, kafka: str | None
) -> None:
    """Take a mute back: by the order's id, or every mute of one alert."""
    bootstrap, store = kafka_of(directory, kafka), clickhouse_of(directory, clickhouse)
    standing = [one for one in asyncio.run(read_orders(bootstrap)) if one.action == "mute"]
    ending = [one for one in standing if one.id.startswith(order)]
    if not ending:
        alert = history(store, find_id(store, order))[-1]
        ending = [one for one in standing if one.tenant == alert.tenant and concerns(one, alert)]
        if not ending:
            raise Failure(f"no mute holds for alert {alert.id}")
    elif len(ending) > 1:
        raise Failure(f"several mutes begin with {order!r}: {', '.join(one.id for one in ending)}")
    gone = {one.id for one in ending}
    muted = [one.id for one in read_alerts(store, tenant=ending[0].tenant) if one.muted in gone]
    revoked = {key_of(one): None for one in ending}
    silent = asyncio.run(give(bootstrap, revoked, muted, lambda alert: alert.muted not in gone, timeout_s))
    for one in ending:
        click.echo(encode_signal(one) if as_json else f"{one.id} is taken back")
    _complain(ending[0], silent, timeout_s)


@click.command("mutes")
@click.option("--tenant", default="", help="Only this tenant's.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@directory_option
@kafka_option
def mutes_command(*, tenant: str, as_json: bool, directory: Path, kafka: str | None) -> None:
    """Show the mutes that hold: for whom, about what, why, by whom and until when."""
    now = datetime.now(UTC)
    found = [
        one
        for one in asyncio.run(read_orders(kafka_of(directory, kafka)))
        if one.action == "mute" and one.expires > now and tenant in {"", one.tenant}
    ]
    found.sort(key=lambda one: (one.tenant, one.expires))
    if as_json:
        for one in found:
            click.echo(encode_signal(one))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(
        Column("ORDER", no_wrap=True),
        "TENANT",
        "ALERT",
        "DETECTOR",
        "SUBJECT",
        "LEFT",
        "AUTHOR",
        "REASON",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for one in found:
        about = (one.alert[:10], "", "") if one.alert else ("", one.detector, one.subject)
        table.add_row(one.id, one.tenant, *about, left(one.expires, now), printable(one.author), printable(one.reason))
    Console().print(table, highlight=False, markup=False)


def _clock(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
