"""What the commands of ``nameward policy`` share: their options, and how they tell what they did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from compose.options import directory_option
from schemas.objects import KINDS

_F = TypeVar("_F", bound=Callable[..., Any])


class Kind(click.ParamType):
    """A kind as people write it: any case, singular or plural."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's signature
        """The kind as documents write it."""
        word = str(value).lower()
        for kind in KINDS:
            if word in {kind.lower(), f"{kind.lower()}s", kind.lower().removesuffix("y") + "ies"}:
                return kind
        return self.fail(f"{value!r} is no kind; kinds are {', '.join(KINDS)}", param, ctx)


def kafka_option(function: _F) -> _F:
    """``--kafka`` (or --bootstrap) and ``--directory``."""
    return click.option(
        "--kafka",
        "--bootstrap",
        "kafka",
        envvar="NAMEWARD_KAFKA",
        metavar="HOST:PORT",
        default=None,
        show_envvar=True,
        help="Kafka to talk to; the stack's by default.",
    )(directory_option(function))


def timeout_option(function: _F) -> _F:
    """``--timeout``: patience with resolvers."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for resolvers.",
    )(function)


def json_option(function: _F) -> _F:
    """``--json``: one JSON value instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON value instead of text.")(function)


def files_argument(function: _F) -> _F:
    """``FILE...``: files, directories, ``-`` for standard input."""
    return click.argument(
        "files",
        nargs=-1,
        required=True,
        type=click.Path(path_type=Path, exists=True, allow_dash=True),
        metavar="FILE...",
    )(function)


def count(number: int, noun: str = "object") -> str:
    """A number and its noun: 1 object, 2 objects."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def echo_json(value: Any) -> None:  # noqa: ANN401 - whatever msgspec can write
    """One JSON value, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
