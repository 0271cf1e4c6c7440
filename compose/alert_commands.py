"""``nameward alerts``: what people do with alerts, a command a file."""

from __future__ import annotations

import click

from compose.lazy import LazyGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "list": ("compose.alert_list:list_command", "Show alerts, those that are open by default."),
    "show": ("compose.alert_show:show_command", "Show one alert: evidence, samples, history, what to do next."),
    "mute": ("compose.alert_mute:mute_command", "Keep alerts from being delivered and from changing policy."),
    "unmute": ("compose.alert_mute:unmute_command", "Take a mute back."),
    "mutes": ("compose.alert_mute:mutes_command", "Show the mutes that hold."),
    "close": ("compose.alert_close:close_command", "End an alert now; it opens again on fresh evidence."),
}
"""name -> (module:attribute, what it does); a module is imported when its command is called"""


@click.group("alerts", cls=LazyGroup, table=COMMANDS)
def alerts() -> None:
    """Look at alerts, mute and close them."""
