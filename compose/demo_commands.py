"""``nameward demo``: traffic that was never asked, for those who want to see analytics at work before there is any."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import click
import msgspec

from compose.demo_run import alerts, last_event, publish, put_tenants, wait_judged
from compose.demo_traffic import SHORTEST_S, TENANTS, Day, Incident, day
from compose.demo_verdict import Told, matched, others
from compose.failure import Failure
from compose.options import clickhouse_of, clickhouse_option, directory_option, kafka_of, kafka_option
from compose.ports import Address


@click.group("demo")
def demo() -> None:
    """Show what the analytics do, with traffic made for it."""


@demo.command("traffic")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same names.")
@click.option("--hours", type=click.FloatRange(1, 48), default=24.0, show_default=True, help="How far back it begins.")
@click.option(
    "--rate",
    type=click.FloatRange(0.5, 50),
    default=3.0,
    show_default=True,
    help="Ordinary queries a second, on average.",
)
@click.option("--json", "as_json", is_flag=True, help="Incidents and their alerts as JSON.")
@directory_option
@kafka_option
@clickhouse_option
def traffic_command(
    *, seed: int, hours: float, rate: float, as_json: bool, directory: Path, kafka: str | None, clickhouse: str | None
) -> None:
    """Play a day in the life of three tenants, and tell what was found of its incidents.

    The tenants harbor, orchard and summit are made; events lie in the hours that end now. A second run goes on where
    the first one ended.
    """
    bootstrap, store = kafka_of(directory, kafka), clickhouse_of(directory, clickhouse)
    end = time.time()
    start = _start(end - hours * 3600, end, last_event(store))
    asyncio.run(put_tenants(bootstrap))
    made = day(seed, start, end, rate)
    if not as_json:
        click.echo(f"{len(made)} queries of {', '.join(TENANTS)} between {_clock(start)} and {_clock(end)} UTC")
    asyncio.run(_publish(bootstrap, store, made, int(start * 1000), quiet=as_json))
    judged = _judged(store, made, quiet=as_json)
    found = alerts(store, start)
    if as_json:
        click.echo(json.dumps(_builtins(made, found, judged=judged), indent=1))
    else:
        _show(made, found, judged=judged)


def _start(wanted: float, end: float, last: float) -> float:
    """Where a run begins: where the last one ended, if that is within the hours wanted.

    Raises:
        Failure: if there is too little time since then.
    """
    start = max(wanted, last + 0.001)
    if end - start < SHORTEST_S:
        again = time.strftime("%H:%M", time.gmtime(start + SHORTEST_S))
        there = f"demo traffic until {_clock(last)} UTC is there already; the next run goes on from there"
        raise Failure(f"{there} and needs an hour at least: try again at {again} UTC")
    return start


async def _publish(bootstrap: str, store: Address, made: Day, epoch: int, *, quiet: bool) -> None:
    """Publish with a bar, where a person looks."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("publishing", total=len(made))
        await publish(bootstrap, store, made, epoch, lambda sent: bar.update(task, completed=sent))


def _judged(store: Address, made: Day, *, quiet: bool) -> bool:
    """Wait for the analysis with a line that says how far it is, where a person looks."""
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet)
    with console.status("the analysis begins") as status:
        return wait_judged(store, made, lambda moment: status.update(f"judged until {moment}"))


def _show(made: Day, found: list[Told], *, judged: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "UTC", "INCIDENT", "TENANT", "CLIENT", "ABOUT", "EXPECTED OF", "ALERT", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for incident in made.incidents:
        table.add_row(
            f"{_clock(incident.start)} - {_clock(incident.end)[4:]}",
            f"demo:{incident.name}",
            incident.tenant,
            incident.client,
            incident.subject,
            ", ".join(incident.detectors),
            _told(incident, found),
        )
    console = Console()
    Console(width=max(console.width, 180)).print(table, highlight=False, markup=False)
    missed = [incident.name for incident in made.incidents if not matched(incident, found)]
    click.echo(f"{len(made.incidents) - len(missed)} of {len(made.incidents)} incidents raised an alert")
    rest = others(made.incidents, found)
    if rest:
        told = ", ".join(f"{count} of {detector} ({tenant})" for (tenant, detector), count in sorted(rest.items()))
        click.echo(f"alerts that are no incident's: {told}")
    if not judged:
        click.echo("nameward: warning: the analysis has not come to the end of the day; see its log", err=True)


def _told(incident: Incident, found: list[Told]) -> str:
    alerts_of = matched(incident, found)
    if not alerts_of:
        return "not found"
    first = alerts_of[0]
    more = f" (+{len(alerts_of) - 1})" if len(alerts_of) > 1 else ""
    about = "" if first.subject == incident.subject else f": {first.subject}"
    return f"{first.severity} at {_clock(first.first_seen)} by {first.detector}{about}{more}"


def _builtins(made: Day, found: list[Told], *, judged: bool) -> dict[str, object]:
    incidents = [
        {**_fields(incident), "alerts": msgspec.to_builtins(matched(incident, found))} for incident in made.incidents
    ]
    rest = [
        {"tenant": tenant, "detector": detector, "alerts": count}
        for (tenant, detector), count in others(made.incidents, found).items()
    ]
    return {"events": len(made), "judged": judged, "incidents": incidents, "others": rest}


def _fields(incident: Incident) -> dict[str, object]:
    return {
        name: getattr(incident, name) for name in ("name", "tenant", "start", "end", "client", "subject", "detectors")
    }


def _clock(moment: float) -> str:
    return time.strftime("%a %H:%M", time.gmtime(moment))
