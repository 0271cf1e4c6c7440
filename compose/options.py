"""Options that several commands share, and where a running stack is found: its directory says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from compose.layout import DEFAULT_DIRECTORY, Endpoints, endpoints_of
from compose.ports import Address

_F = TypeVar("_F", bound=Callable[..., Any])


def directory_option(function: _F) -> _F:
    """``--directory``: of the stack to talk to."""
    return click.option(
        "--directory",
        envvar="NAMEWARD_DIRECTORY",
        type=click.Path(path_type=Path),
        default=Path(DEFAULT_DIRECTORY),
        show_default=True,
        help="Directory of the stack; it says where the stack listens.",
        show_envvar=True,
    )(function)


def kafka_option(function: _F) -> _F:
    """``--kafka``: bootstrap address, if it is not the stack's."""
    return click.option(
        "--kafka",
        envvar="NAMEWARD_KAFKA",
        metavar="HOST:PORT",
        default=None,
        help="Kafka to talk to; the stack's by default.",
        show_envvar=True,
    )(function)


def clickhouse_option(function: _F) -> _F:
    """``--clickhouse``: HTTP interface, if it is not the stack's."""
    return click.option(
        "--clickhouse",
        envvar="NAMEWARD_CLICKHOUSE",
        metavar="HOST:PORT",
        default=None,
        help="ClickHouse HTTP interface; the stack's by default.",
        show_envvar=True,
    )(function)


def kafka_of(directory: Path, given: str | None) -> str:
    """Bootstrap address to use."""
    return str(Address.parse(given or _endpoints(directory).kafka))


def clickhouse_of(directory: Path, given: str | None) -> Address:
    """HTTP interface to use."""
    return Address.parse(given or _endpoints(directory).clickhouse)


def _endpoints(directory: Path) -> Endpoints:
    return endpoints_of(directory)
