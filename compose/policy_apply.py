"""``nameward policy apply`` and ``delete``: a change as a whole, not done until every live resolver has it in force."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from compose.failure import Failure
from compose.options import kafka_of
from compose.policy_change import Changes, Done, change, planned, versions_of
from compose.policy_files import check_without, read_files
from compose.policy_options import Kind, count, echo_json, files_argument, json_option, kafka_option, timeout_option
from compose.policy_topic import LIVE_S, Outcome, Present, wait_in_force
from compose.policy_versions import version_of
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
    _finish(bootstrap, done, [document.key for document in documents], timeout, as_json=as_json)


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

    _finish(bootstrap, asyncio.run(change(bootstrap, plan)), [key], timeout, as_json=as_json)


def _finish(bootstrap: str, done: Done, keys: Sequence[str], timeout: float, *, as_json: bool) -> None:
    """Tell what was written, wait until it is in force, tell that.

    Raises:
        Failure: if a resolver refused or stayed silent.
    """
    became = {key: word(done, key) for key in keys}
    if not as_json:
        for key, what in became.items():
            kind, _, name = key.split("/", 2)
            click.echo(f"{kind} {name} {what}")
    outcome = asyncio.run(wait_in_force(bootstrap, done.end, keys, timeout))
    if as_json:
        echo_json({"objects": [_told(done, key, what) for key, what in became.items()], "resolvers": outcome})
    if told := trouble(outcome, timeout):
        raise Failure("the change is published but not in force everywhere:\n" + "\n".join(told))
    if not as_json and outcome.confirmed:
        click.echo(f"in force in {count(len(outcome.confirmed), 'resolver')}: {', '.join(outcome.confirmed)}")
    if not outcome.confirmed:
        told_of = f"no resolver was heard of in the last {LIVE_S:g} s; the change holds once one runs"
        click.echo(f"nameward: warning: {told_of}", err=True)


def word(done: Done, key: str) -> str:
    """What became of an object: created, changed, unchanged or deleted."""
    if key not in done.changes:
        return "unchanged"
    if done.changes[key] is None:
        return "deleted"
    return "changed" if key in done.before.objects or key in done.before.unreadable else "created"


def _told(done: Done, key: str, what: str) -> dict[str, Any]:
    kind, _, name = key.split("/", 2)
    obj = done.changes[key] if key in done.changes else done.before.objects[key]
    return {"kind": kind, "name": name, "change": what, "resourceVersion": version_of(obj) if obj else ""}


def trouble(outcome: Outcome, timeout: float) -> list[str]:
    """A sentence for each resolver that does not have a change in force."""
    told: Iterable[str] = [f"{name} refused {why}" for name, refusals in outcome.refused.items() for why in refusals]
    silent = (
        f"{name} has not said within {timeout:g} s that the change is in force (last heard of {age:.0f} s ago)"
        for name, age in outcome.silent.items()
    )
    return [*told, *silent]
