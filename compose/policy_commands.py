"""``nameward policy``: validate, apply, get and delete what operators write.

A change is checked as a whole before any of it is published, and a command that changes returns once every live
resolver has the change in force, so that whoever asks next is answered by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from compose.failure import Failure
from compose.options import directory_option, kafka_of
from compose.policy_files import check_alone, check_together, check_without, read_files
from compose.policy_topic import LIVE_S, Outcome, Present, publish, read_present, wait_in_force
from compose.summaries import summary, tenants_of
from schemas.documents import plain, write_documents
from schemas.objects import API_VERSION, KINDS, PolicyObject, kind_of, object_key

_F = TypeVar("_F", bound=Callable[..., Any])


class _Kind(click.ParamType):
    """A kind as people write it: any case, singular or plural."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's signature
        word = str(value).lower()
        for kind in KINDS:
            if word in {kind.lower(), f"{kind.lower()}s", kind.lower().removesuffix("y") + "ies"}:
                return kind
        return self.fail(f"{value!r} is no kind; kinds are {', '.join(KINDS)}", param, ctx)


def _kafka(function: _F) -> _F:
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


def _timeout(function: _F) -> _F:
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for resolvers.",
    )(function)


_files = click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, allow_dash=True), metavar="FILE..."
)


@click.group("policy")
def policy() -> None:
    """Validate, apply, get and delete policy objects: Tenant, DNSPolicy, VirtualName."""


@policy.command("validate")
@_files
@click.option("--against", type=click.Choice(["broker"]), help="Check together with the objects on the broker.")
@_kafka
def validate_command(*, files: tuple[Path, ...], against: str | None, directory: Path, kafka: str | None) -> None:
    """Check documents without changing anything; offline unless --against broker is given."""
    documents = read_files(files)
    if against:
        check_together(documents, asyncio.run(read_present(kafka_of(directory, kafka))).objects)
    else:
        for note in check_alone(documents):
            click.echo(f"nameward: not checked here: {note} in these files (--against broker looks there)", err=True)
    click.echo(f"{_count(len(documents))} in {', '.join(map(str, files))}: valid")


@policy.command("apply")
@_files
@_timeout
@_kafka
def apply_command(*, files: tuple[Path, ...], timeout: float, directory: Path, kafka: str | None) -> None:
    """Put documents in force: all or, if anything is wrong, none. Returns once every live resolver has them."""
    documents = read_files(files)
    bootstrap = kafka_of(directory, kafka)
    present = asyncio.run(read_present(bootstrap))
    check_together(documents, present.objects)
    changes: dict[str, PolicyObject | None] = {}
    for document in documents:
        old = present.objects.get(document.key)
        if old != document.obj:
            changes[document.key] = document.obj
        known = document.key in present.objects or document.key in present.unreadable
        word = "unchanged" if old == document.obj else "changed" if known else "created"
        click.echo(f"{kind_of(document.obj)} {document.obj.metadata.name} {word}")
    _enforce(bootstrap, present, changes, [document.key for document in documents], timeout)


@policy.command("delete")
@click.argument("kind", type=_Kind())
@click.argument("name")
@_timeout
@_kafka
def delete_command(*, kind: str, name: str, timeout: float, directory: Path, kafka: str | None) -> None:
    """Delete an object. Returns once no live resolver has it in force."""
    bootstrap = kafka_of(directory, kafka)
    present = asyncio.run(read_present(bootstrap))
    key = object_key(kind, name)
    if key not in present.objects and key not in present.unreadable:
        raise Failure(f"there is no {kind} named {name!r} at {bootstrap}")
    check_without(key, present.objects)
    click.echo(f"{kind} {name} deleted")
    _enforce(bootstrap, present, {key: None}, [key], timeout)


def _enforce(
    bootstrap: str, present: Present, changes: Mapping[str, PolicyObject | None], keys: Iterable[str], timeout: float
) -> None:
    async def run() -> Outcome:
        end = await publish(bootstrap, changes) if changes else present.end
        return await wait_in_force(bootstrap, end, keys, timeout)

    outcome = asyncio.run(run())
    told = [f"{name} refused {why}" for name, refusals in outcome.refused.items() for why in refusals]
    told += [
        f"{name} has not said within {timeout:g} s that the change is in force (last heard of {age:.0f} s ago)"
        for name, age in outcome.silent.items()
    ]
    if told:
        raise Failure("the change is published but not in force everywhere:\n" + "\n".join(told))
    if outcome.confirmed:
        click.echo(f"in force in {len(outcome.confirmed)} resolvers: {', '.join(outcome.confirmed)}")
    else:
        told_of = f"no resolver was heard of in the last {LIVE_S:g} s; the change holds once one runs"
        click.echo(f"nameward: warning: {told_of}", err=True)


@policy.command("get")
@click.argument("kind", type=_Kind(), required=False)
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True)
@_kafka
def get_command(*, kind: str | None, name: str | None, output: str, directory: Path, kafka: str | None) -> None:
    """Show objects; as yaml or json they can be applied again."""
    bootstrap = kafka_of(directory, kafka)
    present = asyncio.run(read_present(bootstrap))
    for key, error in present.unreadable.items():
        click.echo(f"nameward: warning: {key} on the broker cannot be read: {error}", err=True)
    found = [obj for obj in present.objects.values() if _wanted(obj, kind, name)]
    found.sort(key=lambda obj: (list(KINDS).index(kind_of(obj)), obj.metadata.name))
    if name is not None and not found:
        raise Failure(f"there is no {kind} named {name!r} at {bootstrap}")
    if output == "table":
        _table(found)
    elif output == "yaml":
        click.echo(write_documents(found), nl=False)
    else:
        every = [plain(obj) for obj in found]
        shown = every[0] if name is not None else {"apiVersion": API_VERSION, "kind": "List", "items": every}
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


def _wanted(obj: PolicyObject, kind: str | None, name: str | None) -> bool:
    return (kind is None or kind_of(obj) == kind) and (name is None or obj.metadata.name == name)


def _count(number: int) -> str:
    return f"{number} object" if number == 1 else f"{number} objects"


def _table(objects: list[PolicyObject]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("KIND", "NAME", "TENANTS", "WHAT", box=box.SIMPLE_HEAD, pad_edge=False)
    for obj in objects:
        table.add_row(kind_of(obj), obj.metadata.name, tenants_of(obj), summary(obj))
    Console().print(table, highlight=False, markup=False)
