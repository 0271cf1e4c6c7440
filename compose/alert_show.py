"""``nameward alerts show``: one alert as an analyst wants it, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from compose.alert_options import ago, show_table, state_of
from compose.alert_store import children, entries, find_id, history
from compose.console import printable
from compose.options import clickhouse_of, clickhouse_option, directory_option
from schemas.signals import Alert

_WORDS = 20
_SECOND = timedelta(seconds=1)


@click.command("show")
@click.argument("alert", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: alert, history, children, overlay.")
@directory_option
@clickhouse_option
def show_command(*, alert: str, as_json: bool, directory: Path, clickhouse: str | None) -> None:
    """Show one alert; the beginning of its id is enough."""
    store = clickhouse_of(directory, clickhouse)
    known = find_id(store, alert)
    told, parts, put = history(store, known), children(store, known), entries(store, known)
    if as_json:
        whole = {"alert": told[-1], "history": told, "children": parts, "overlay": put}
        click.echo(msgspec.json.format(msgspec.json.encode(whole)))
        return
    now = datetime.now(UTC)
    for line in story(told, put, now):
        click.echo(printable(line))
    if parts:
        click.echo("\nFindings")
        show_table(parts, now)
    click.echo("\nNext")
    for line in next_steps(told[-1]):
        click.echo(f"  {printable(line)}")


def story(told: list[Alert], put: list[dict[str, Any]], now: datetime) -> Iterator[str]:
    """An alert line by line.

    Args:
        told: every word about it, not none.
        put: entries of the overlay.
        now: what time it is.
    """
    alert = told[-1]
    yield alert.title
    yield f"  {alert.id}, tenant {alert.tenant}, detector {alert.detector}, about {alert.subject}"
    yield f"  {alert.severity}: {alert.severity_reason}"
    yield f"  {state_of(alert)}; first seen {_clock(alert.first_seen)}, last {ago(alert.last_seen, now)}"
    if alert.ending:
        yield f"  ended: {alert.ending}"
    if alert.muted:
        yield f"  muted by order {alert.muted}: `nameward alerts mutes` says why"
    if alert.parent:
        yield f"  part of {alert.parent}"
    for name, values in (("workloads", alert.workloads), ("clients", alert.clients)):
        if values:
            yield f"  {name}: {', '.join(values)}"
    yield ""
    yield "Evidence"
    yield from (f"  {name:<28} {value}" for name, value in alert.evidence.items())
    if alert.samples:
        yield ""
        yield "Samples"
        yield from (f"  {name}" for name in alert.samples)
    yield ""
    yield "History"
    skipped = len(told) - _WORDS
    yield from ([f"  ({skipped} earlier)"] if skipped > 0 else [])
    yield from (f"  {_clock(word.changed)}  {_change(word)}" for word in told[-_WORDS:])
    if put:
        yield ""
        yield "Policy"
        yield from map(_entry, put)


def _entry(entry: dict[str, Any]) -> str:
    end = f"ended {entry['ended'][:19]}: {entry['ending']}" if entry["ended"] else "in force"
    what = f"{entry['mode']} {entry['action']} {entry['pattern']}"
    return f"  {what}, {entry['created'][:19]} to {entry['expires'][:19]}, {end}"


def _change(word: Alert) -> str:
    why = word.ending or (f"muted by {word.muted}" if word.muted else word.severity_reason)
    return f"{word.state:<8} {word.severity:<9} {why}"


def next_steps(alert: Alert) -> Iterator[str]:
    """Commands that fit the alert, ready to be pasted."""
    where = f"tenant = {_sql(alert.tenant)}"
    if len(alert.clients) == 1:
        where += f" AND client = {_sql(alert.clients[0])}"
    elif alert.samples:
        where += f" AND qname IN ({', '.join(_sql(name) for name in alert.samples[:5])})"
    span = f"time BETWEEN {_sql(_clock(alert.first_seen))} AND {_sql(_clock(alert.last_seen + _SECOND))}"
    columns = "time, workload, client, qname, rcode, verdict, rule"
    rest = f"FROM nameward.query_events WHERE {where} AND {span} ORDER BY time LIMIT 100"
    query = f"SELECT {columns} {rest}"
    yield f"nameward sql {shlex.quote(query)}"
    if alert.state != "closed":
        yield f"nameward alerts close {alert.id[:10]} --reason ..."
        if not alert.muted:
            yield f"nameward alerts mute {alert.id[:10]} --for 24h --reason ..."
    if alert.suggested and not alert.muted:
        domain = alert.suggested.pattern.lstrip("*.")
        yield f"never block it: add '.{domain}' to feedback.exempt of tenant {alert.tenant}"


def _sql(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _clock(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
