"""Failure: what a user can do something about. One clear sentence, a non-zero exit, no traceback."""

from __future__ import annotations

from typing import IO, Any

import click


class Failure(click.ClickException):
    """An expected failure; the message is one sentence naming what and where."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence on standard error."""
        click.echo(f"nameward: {self.format_message()}", file=file, err=file is None)
