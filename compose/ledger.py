"""``nameward ledger``: accounts for every event of every resolver worker and its epochs, from what the store knows.

produced = dropped + tail + stored + in flight + missing. Dropped was counted by the worker, tail never left a worker
that was killed, in flight is on its way. Missing must be nothing: it is what was on its way when the command began and
did not arrive while it waited. The mathematics is the store's view ``nameward.ledger``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click
import msgspec

from compose.options import clickhouse_of, clickhouse_option, directory_option
from compose.ports import Address
from compose.store import rows

_ACCOUNTS = """
SELECT source, toString(epoch) AS epoch, toString(started) AS started, toUInt8(closed) AS closed,
       toInt64(produced) AS produced, toInt64(dropped) AS dropped, toInt64(tail) AS tail, toInt64(stored) AS stored,
       toInt64(in_flight) AS in_flight, toInt64(missing) AS missing
FROM nameward.ledger ORDER BY source, epoch SETTINGS output_format_json_quote_64bit_integers = 0
"""
# Sequences are dense, so a bitmap of them is small where a hash set would not be.
_DUPLICATES = """
SELECT source, toString(epoch) AS epoch, toInt64(count()) - toInt64(groupBitmap(sequence)) AS duplicates
FROM nameward.query_events GROUP BY source, epoch SETTINGS output_format_json_quote_64bit_integers = 0
"""
_PATIENCE_S = 5.0
_NUMBERS = {
    "produced": "produced",
    "dropped": "dropped",
    "tail": "tail",
    "stored": "stored",
    "in_flight": "moving",
    "missing": "missing",
    "duplicates": "twice",
}
"""number of an account -> heading of its column"""


class Account(msgspec.Struct, kw_only=True):
    """One epoch of one worker: numbers of events; epoch is its start in Unix milliseconds."""

    source: str
    epoch: str
    started: str
    closed: bool
    produced: int
    dropped: int
    tail: int
    stored: int
    in_flight: int
    missing: int
    duplicates: int = 0

    @property
    def unsettled(self) -> int:
        """Events that should be stored and are not yet."""
        return self.in_flight + self.missing


def read(address: Address) -> list[Account]:
    """Accounts as the store has them now."""
    return [msgspec.convert(row, Account, strict=False) for row in rows(address, _ACCOUNTS)]


def settled(address: Address, patience_s: float = _PATIENCE_S) -> list[Account]:
    """Accounts once all produced when this began is stored, or after patience_s with what is not as missing."""
    began = time.monotonic()
    due = {(account.source, account.epoch): account.stored + account.unsettled for account in read(address)}
    while True:
        accounts = read(address)
        owed = {
            (account.source, account.epoch): max(
                0, due.get((account.source, account.epoch), 0) - account.stored - account.tail
            )
            for account in accounts
            if not account.closed
        }
        if not any(owed.values()) and not any(account.missing for account in accounts):
            break
        if time.monotonic() - began > patience_s:
            break
        time.sleep(0.2)
    doubled = {(row["source"], row["epoch"]): int(row["duplicates"]) for row in rows(address, _DUPLICATES)}
    for account in accounts:
        key = (account.source, account.epoch)
        late = min(account.in_flight, owed.get(key, 0))
        account.in_flight, account.missing = account.in_flight - late, account.missing + late
        account.duplicates = doubled.get(key, 0)
    return accounts


@click.command("ledger")
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object per worker and epoch.")
@click.option(
    "--wait",
    "patience_s",
    type=click.FloatRange(min=0),
    default=_PATIENCE_S,
    show_default=True,
    metavar="SECONDS",
    help="How long events on their way may take before they count as missing.",
)
@directory_option
@clickhouse_option
def command(*, as_json: bool, patience_s: float, directory: Path, clickhouse: str | None) -> None:
    """Account for every event: produced, dropped, stored, missing. Status 1 if any is missing or stored twice."""
    accounts = settled(clickhouse_of(directory, clickhouse), patience_s)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(accounts), indent=1))
    else:
        _show(accounts)
    wrong = [account for account in accounts if account.missing or account.duplicates]
    sys.exit(1 if wrong else 0)


def _show(accounts: list[Account]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=False, show_footer=len(accounts) > 1)
    table.add_column("source", footer="all", no_wrap=True)
    table.add_column("since (UTC)", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name, header in _NUMBERS.items():
        total = str(sum(getattr(account, name) for account in accounts))
        table.add_column(header, justify="right", footer=total, no_wrap=True)
    for account in accounts:
        if account.closed and not account.produced:
            continue  # started and ended without a query
        state = ("killed" if account.tail else "ended") if account.closed else "runs"
        table.add_row(account.source, account.started[:16], state, *(_figure(account, name) for name in _NUMBERS))
    console = Console()
    Console(width=max(console.width, 100)).print(table)
    if not accounts:
        click.echo("no resolver worker has published anything yet")


def _figure(account: Account, name: str) -> str:
    value: int = getattr(account, name)
    return f"[bold red]{value}[/]" if value and name in {"missing", "duplicates"} else str(value)
