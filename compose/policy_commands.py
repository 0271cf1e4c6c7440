"""``nameward policy``: what operators do with policy, a command a file."""

from __future__ import annotations

import click

from compose.lazy import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "validate": ("compose.policy_validate:validate_command", "Check documents without changing anything."),
    "diff": ("compose.policy_diff:diff_command", "Show what applying documents would change."),
    "sync": ("compose.policy_sync:sync_command", "Make a directory the truth for what comes from it."),
    "apply": ("compose.policy_apply:apply_command", "Put documents in force."),
    "get": ("compose.policy_get:get_command", "Show objects."),
    "delete": ("compose.policy_apply:delete_command", "Delete an object."),
    "replay": ("compose.policy_replay:replay_command", "Tell which real queries a change would decide differently."),
    "export": ("compose.policy_export:export_command", "Write policy in the words of other programs."),
}
"""name -> (module:attribute, what it does); a module is imported when its command is called"""


@click.group("policy", cls=LazyGroup, table=COMMANDS)
def policy() -> None:
    """Work with policy objects: validate, diff, sync, apply, get, delete, replay, export."""
