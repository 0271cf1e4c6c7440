"""What the commands about alerts share: options, and alerts as rows of a table."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from compose.options import clickhouse_option, directory_option, kafka_option
from schemas.signals import Alert

_F = TypeVar("_F", bound=Callable[..., Any])
_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
_SHORT = 10


def places(function: _F) -> _F:
    """Where stack, store and broker are."""
    return directory_option(clickhouse_option(kafka_option(function)))


def person(function: _F) -> _F:
    """``--reason`` and ``--author``."""
    author = click.option("--author", default=getpass.getuser, show_default="your login name", help="Who says so.")
    reason = click.option("--reason", required=True, help="Why; it is shown wherever the order has an effect.")
    return author(reason(function))


def patience(function: _F) -> _F:
    """``--timeout``."""
    return click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0),
        default=15.0,
        show_default=True,
        metavar="SECONDS",
        help="How long analytics may take to confirm; 0 does not wait.",
    )(function)


def state_of(alert: Alert) -> str:
    """State in a word, as people ask for it."""
    if alert.state == "closed":
        return "closed"
    return "muted" if alert.muted else alert.state


def ago(time: datetime, now: datetime) -> str:
    """How long ago, roughly."""
    seconds = max(0, int((now - time).total_seconds()))
    for name, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{name} ago"
    return f"{seconds}s ago"


def left(time: datetime, now: datetime) -> str:
    """How much time is left, roughly."""
    return ago(now, time).removesuffix(" ago") if time > now + timedelta(0) else "over"


def show_table(alerts: Iterable[Alert], now: datetime) -> None:
    """Alerts for people; children stand below their parent."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from compose.console import printable

    heads = ("ID", "TENANT", "SEVERITY", "STATE", "DETECTOR", "SEEN", "WHAT")
    table = Table(*(Column(name, no_wrap=True) for name in heads[:-1]), heads[-1], box=box.SIMPLE_HEAD, pad_edge=False)
    for alert, indent in _in_order(list(alerts)):
        table.add_row(
            f"{indent}{alert.id[:_SHORT]}",
            printable(alert.tenant),
            Text(alert.severity, _COLOURS[alert.severity]),
            state_of(alert),
            alert.detector,
            ago(alert.last_seen, now),
            Text(printable(alert.title), overflow="fold"),
        )
    Console().print(table, highlight=False, markup=False)


def _in_order(alerts: list[Alert]) -> list[tuple[Alert, str]]:
    known = {alert.id for alert in alerts}
    found: list[tuple[Alert, str]] = []
    for alert in alerts:
        if alert.parent not in known:
            found.append((alert, ""))
            found += [(child, "  ") for child in alerts if child.parent == alert.id]
    return found
