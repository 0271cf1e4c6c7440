"""``nameward warehouse``: what operators do with the store, a command each."""

from __future__ import annotations

import click

from compose.lazy import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "migrate": ("compose.warehouse_schema:migrate_command", "Bring the schema to the newest version."),
    "check": ("compose.warehouse_schema:check_command", "Compare roll-ups with the events, day by day."),
    "backfill": ("compose.warehouse_schema:backfill_command", "Build again the days of roll-ups that differ."),
    "retain": ("compose.warehouse_retain:retain_command", "Take away what is older than its tenant's retention."),
    "grant": ("compose.warehouse_grant:grant_command", "Let somebody read the rows of one tenant."),
    "revoke": ("compose.warehouse_grant:revoke_command", "End that."),
    "grants": ("compose.warehouse_grant:grants_command", "Show who reads which tenant."),
}
"""name -> (module:attribute, what it does); a module is imported when its command is called"""


@click.group("warehouse", cls=LazyGroup, table=COMMANDS)
def warehouse() -> None:
    """Look after the store: schema, roll-ups, retention, analysts. Works on a ClickHouse server too."""
