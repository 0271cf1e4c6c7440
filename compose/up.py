"""``nameward up``: options of the embedded stack; local.py does the work."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from compose.layout import DEFAULT_DIRECTORY, Endpoints, Layout
from compose.ports import Address

_DEFAULT = Endpoints()


@click.command("up")
@click.option(
    "--directory",
    envvar="NAMEWARD_DIRECTORY",
    type=click.Path(path_type=Path),
    default=Path(DEFAULT_DIRECTORY),
    show_default=True,
    help="Everything the stack keeps.",
)
@click.option("--listen", default=_DEFAULT.listen, show_default=True, metavar="HOST:PORT", help="DNS, udp and tcp.")
@click.option(
    "--admin", default=_DEFAULT.admin, show_default=True, metavar="HOST:PORT", help="Health, metrics, explain."
)
@click.option(
    "--kafka", default=_DEFAULT.kafka, show_default=True, metavar="HOST:PORT", help="Where the embedded broker listens."
)
@click.option(
    "--clickhouse",
    default=_DEFAULT.clickhouse,
    show_default=True,
    metavar="HOST:PORT",
    help="ClickHouse HTTP interface of the store.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=None,
    help="Resolver workers; one per processor, two at most, by default.",
)
@click.option(
    "--config",
    "documents",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    metavar="FILE|DIR",
    help="Policy to put in force at the start, the demo's on the first start by default. A directory stays the truth: "
    "its changes take effect while the stack runs, deletions too.",
)
@click.option(
    "--broker", default=None, metavar="HOST:PORT", help="Use this Apache Kafka instead of the embedded broker."
)
@click.option(
    "--broker-memory",
    type=click.IntRange(min=1),
    default=350,
    show_default=True,
    metavar="MB",
    help="Renew the embedded broker, without losing events, when it holds more than this.",
)
@click.option(
    "--delivery",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="Deliver alerts, as these settings of `nameward streams delivery` say.",
)
@click.option("--until-ready", is_flag=True, help="End as soon as everything serves.")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="End after so many seconds of service.",
)
@click.option("--quiet", is_flag=True, help="Say only what went wrong.")
def command(
    *,
    directory: Path,
    listen: str,
    admin: str,
    kafka: str,
    clickhouse: str,
    workers: int | None,
    documents: tuple[Path, ...],
    broker: str | None,
    broker_memory: int,
    delivery: Path | None,
    until_ready: bool,
    seconds: float,
    quiet: bool,
) -> None:
    """Run the whole stack on this machine until Ctrl-C: broker, store, resolver workers, stream processors."""
    from compose.console import Journal
    from compose.local import Ending, up

    layout = Layout(
        directory=directory,
        listen=Address.parse(listen),
        admin=Address.parse(admin),
        kafka=Address.parse(broker or kafka),
        clickhouse=Address.parse(clickhouse),
        workers=workers or min(2, os.cpu_count() or 1),
        embedded_broker=broker is None,
        broker_mb=broker_memory,
        demo=not documents,
        delivery=delivery,
    )
    asyncio.run(up(layout, Journal(quiet=quiet), documents, Ending(until_ready, seconds)))
