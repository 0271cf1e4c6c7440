"""The ``nameward`` command: a table of commands, each imported only when it is called."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import click

from compose.lazy import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("compose.up:command", "Run the whole stack on this machine until Ctrl-C."),
    "resolver": ("compose.programs:resolver", "Run one resolver worker."),
    "streams": ("compose.programs:streams", "Run one stream processor: analytics, sink or delivery."),
    "policy": ("compose.policy_commands:policy", "Validate, diff, apply, get and delete policy objects."),
    "signal": ("compose.signal_commands:signal", "Tell policy a fact that holds for a while; list those that hold."),
    "alerts": ("compose.alert_commands:alerts", "Look at alerts, mute and close them."),
    "explain": ("compose.explain:command", "Tell why a client gets the answer it gets."),
    "schema": ("compose.schema:command", "Print the JSON Schema of policy objects."),
    "demo": ("compose.demo_commands:demo", "Play a day of three tenants, with incidents, to see analytics at work."),
    "import": ("compose.import_command:command", "Read captures and logs of others as a tenant's query events."),
    "tail": ("compose.tail:command", "Show query events as they happen."),
    "sql": ("compose.sql:command", "Ask the store in SQL."),
    "warehouse": ("compose.warehouse_commands:warehouse", "Look after the store: roll-ups, retention, analysts."),
    "ledger": ("compose.ledger:command", "Account for every event: produced, dropped, stored, missing."),
    "version": ("compose.programs:version", "Print the version."),
}
"""name -> (module:attribute, what it does)"""


@click.command(
    cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
def nameward() -> None:
    """A policy-implementing DNS resolver for many tenants, and the streaming analytics that watch it."""


def main(arguments: Sequence[str] | None = None, **extra: Any) -> None:  # noqa: ANN401 - click's own keyword arguments
    """Entry point of the console script."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters is said in one sentence by the command
    nameward(arguments, prog_name="nameward", **extra)


if __name__ == "__main__":
    main()
