"""Commands that hand over to the two programs, and the version."""

from __future__ import annotations

import runpy
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def _hand_over(module: str, arguments: tuple[str, ...]) -> None:
    sys.argv = [f"nameward {module}", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=False)


@click.command("resolver", context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def resolver(arguments: tuple[str, ...]) -> None:
    """Run one resolver worker; options as in ``python -m resolver --help``."""
    _hand_over("resolver", arguments)


@click.command("streams", context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def streams(arguments: tuple[str, ...]) -> None:
    """Run one stream processor; options as in ``python -m streams --help``."""
    _hand_over("streams", arguments)


@click.command("version")
def version() -> None:
    """Print the version."""
    try:
        click.echo(installed("nameward"))
    except PackageNotFoundError:
        click.echo("unknown (run from a source tree that is not installed)")
