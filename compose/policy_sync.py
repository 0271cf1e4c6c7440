"""``nameward policy sync``: a directory is the truth for the objects that come from it, once or as long as it runs."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from compose.failure import Failure
from compose.options import kafka_of
from compose.policy_change import Done
from compose.policy_directory import Truth, look, put, watch
from compose.policy_options import json_option, kafka_option, timeout_option
from compose.policy_outcome import described, finish, sentence
from compose.policy_source import origin, source_of


@click.command("sync")
@click.argument("path", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--watch", "watching", is_flag=True, help="Go on until Ctrl-C, taking every change of the directory.")
@click.option(
    "--prune/--no-prune", default=True, show_default=True, help="Delete what came from DIR and is gone from it."
)
@click.option(
    "--source", default=None, metavar="NAME", help="Name of the directory in annotations; its path by default."
)
@timeout_option
@json_option
@kafka_option
def sync_command(
    *,
    path: Path,
    watching: bool,
    prune: bool,
    source: str | None,
    timeout: float,
    as_json: bool,
    directory: Path,
    kafka: str | None,
) -> None:
    """Make what is in force the same as the documents in DIR.

    Objects are annotated with where they came from (nameward.io/source); only those are ever deleted. If one document
    is wrong nothing changes. Without --watch it returns once every live resolver has the change in force.
    """
    bootstrap, truth = kafka_of(directory, kafka), Truth(path, source_of(path, source), prune)
    if watching:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(watch(bootstrap, truth, lambda result: _say(path, result, as_json=as_json)))
        return
    contents = look(path)
    done = asyncio.run(put(bootstrap, truth, contents))
    finish(bootstrap, done, _keys(done, truth), timeout, as_json=as_json)


def _keys(done: Done, truth: Truth) -> list[str]:
    """Objects to tell of: everything that came from the directory, and what was deleted."""
    kept = [key for key, obj in done.before.objects.items() if origin(obj) == truth.source]
    return list(dict.fromkeys([*kept, *done.changes]))


def _say(path: Path, result: Done | Failure, *, as_json: bool) -> None:
    now = datetime.now(UTC)
    if as_json:
        value = (
            {"error": result.message}
            if isinstance(result, Failure)
            else {"objects": [described(result, key) for key in result.changes]}
        )
        click.echo(msgspec.json.encode({"time": now, "directory": str(path), **value}))
    else:
        click.echo(f"{now:%H:%M:%S} {sentence(path, result)}", err=isinstance(result, Failure))
