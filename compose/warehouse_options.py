"""Which store a command of ``nameward warehouse`` means, and how what it says becomes a sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from compose.failure import Failure
from compose.options import clickhouse_of
from compose.store import HINT
from streams.warehouse import AwayError, Warehouse, WarehouseError

_F = TypeVar("_F", bound=Callable[..., Any])
_PATIENCE_S = 900.0
"""Of one statement: a day of many events is built or rewritten in minutes."""


def warehouse_option(function: _F) -> _F:
    """``--warehouse``: a URL, if it is not the stack's own store."""
    return click.option(
        "--warehouse",
        "url",
        envvar="NAMEWARD_WAREHOUSE",
        metavar="URL",
        default=None,
        help="clickhouse://user:password@host:port of a server; the stack's store by default.",
        show_envvar=True,
    )(function)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


def is_server(url: str | None) -> bool:
    """Whether a URL means a ClickHouse server rather than an embedded store."""
    return bool(url) and str(url).startswith("clickhouse://")


@contextlib.contextmanager
def opened(directory: Path, url: str | None) -> Iterator[Warehouse]:
    """The store of a with block.

    Raises:
        Failure: it is away or refuses, in its own words.
    """
    from streams.warehouse.connect import connect

    found = None
    try:
        found = connect(url or f"http://{clickhouse_of(directory, None)}", answer_s=_PATIENCE_S)
        yield found
    except AwayError as error:
        raise Failure(f"{error} ({HINT})" if not is_server(url) else str(error)) from error
    except WarehouseError as error:
        raise Failure(str(error)) from error
    finally:
        if found is not None:
            found.close()
