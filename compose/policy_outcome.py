"""What became of a change: told object by object, and then by every live resolver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from compose.failure import Failure
from compose.policy_change import Done
from compose.policy_options import count, echo_json
from compose.policy_topic import LIVE_S, Outcome, wait_in_force
from compose.policy_versions import version_of


def finish(bootstrap: str, done: Done, keys: Sequence[str], timeout: float, *, as_json: bool) -> None:
    """Tell what was written, wait until it is in force, tell that.

    Raises:
        Failure: if a resolver refused or stayed silent.
    """
    objects = [described(done, key) for key in keys]
    if not as_json:
        for one in objects:
            click.echo(f"{one['kind']} {one['name']} {one['change']}")
    outcome = asyncio.run(wait_in_force(bootstrap, done.end, keys, timeout))
    if as_json:
        echo_json({"objects": objects, "resolvers": outcome})
    if told := trouble(outcome, timeout):
        raise Failure("the change is published but not in force everywhere:\n" + "\n".join(told))
    if not as_json and outcome.confirmed:
        click.echo(f"in force in {count(len(outcome.confirmed), 'resolver')}: {', '.join(outcome.confirmed)}")
    if not outcome.confirmed:
        told_of = f"no resolver was heard of in the last {LIVE_S:g} s; the change holds once one runs"
        click.echo(f"nameward: warning: {told_of}", err=True)


def described(done: Done, key: str) -> dict[str, str]:
    """What became of an object: its kind, name and version, and whether it was created, changed or deleted."""
    kind, _, name = key.split("/", 2)
    obj = done.changes[key] if key in done.changes else done.before.objects.get(key)
    version = version_of(obj) if obj else ""
    return {"kind": kind, "name": name, "change": _word(done, key), "resourceVersion": version}


def _word(done: Done, key: str) -> str:
    if key not in done.changes:
        return "unchanged"
    if done.changes[key] is None:
        return "deleted"
    return "changed" if key in done.before.objects or key in done.before.unreadable else "created"


def sentence(path: Path, result: Done | Failure) -> str:
    """What became of a directory that is watched."""
    if isinstance(result, Failure):
        return f"{path} changes nothing until this is right:\n{result.message}"
    objects = [
        f"{one['kind']} {one['name']} {one['change']}" for one in (described(result, key) for key in result.changes)
    ]
    return f"{path}: {', '.join(objects) or 'right again, nothing changed'}"


def trouble(outcome: Outcome, timeout: float) -> list[str]:
    """A sentence for each resolver that does not have a change in force."""
    told: Iterable[str] = [f"{name} refused {why}" for name, refusals in outcome.refused.items() for why in refusals]
    silent = (
        f"{name} has not said within {timeout:g} s that the change is in force (last heard of {age:.0f} s ago)"
        for name, age in outcome.silent.items()
    )
    return [*told, *silent]
