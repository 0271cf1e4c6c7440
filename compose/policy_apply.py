"""``nameward policy apply`` and ``delete``: a change as a whole, not done until every live resolver has it in force."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from compose.failure import Failure
from compose.options import kafka_of
from compose.policy_change import Changes, change, planned, versions_of
from compose.policy_files import check_without, read_files
from compose.policy_options import Kind, files_argument, json_option, kafka_option, timeout_option
from compose.policy_outcome import finish
from compose.policy_topic import Present
from schemas.objects import object_key


@click.command("apply")
@files_argument
@timeout_option
@json_option
@kafka_option
def apply_command(
    *, files: tuple[Path, ...], timeout: float, as_json: bool, directory: Path, kafka: str | None
) -> None:
    """Put documents in force: all or, if anything is wrong, none. Returns once every live resolver has them.

    A document with metadata.resourceVersion (as `get -o yaml` shows it) is a conflict if the object was changed since.
    """
    documents = read_files(files)
    bootstrap = kafka_of(directory, kafka)
    done = asyncio.run(change(bootstrap, lambda present: planned(documents, present), versions_of(documents)))
    finish(bootstrap, done, [document.key for document in documents], timeout, as_json=as_json)


@click.command("delete")
@click.argument("kind", type=Kind())
@click.argument("name")
@timeout_option
@json_option
@kafka_option
def delete_command(*, kind: str, name: str, timeout: float, as_json: bool, directory: Path, kafka: str | None) -> None:
    """Delete an object. Returns once no live resolver has it in force."""
    bootstrap = kafka_of(directory, kafka)
    key = object_key(kind, name)

    def plan(present: Present) -> Changes:
        if key not in present.objects and key not in present.unreadable:
            raise Failure(f"there is no {kind} named {name!r} at {bootstrap}")
        check_without(key, present.objects)
        return {key: None}

    finish(bootstrap, asyncio.run(change(bootstrap, plan)), [key], timeout, as_json=as_json)
