"""``nameward policy get``: what is there, as a table for people or as documents that can be applied again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from compose.failure import Failure
from compose.options import kafka_of
from compose.policy_options import Kind, echo_json, kafka_option
from compose.policy_topic import read_present
from compose.policy_versions import shown
from compose.summaries import summary, tenants_of
from schemas.documents import plain, write_documents
from schemas.objects import API_VERSION, KINDS, PolicyObject, kind_of


@click.command("get")
@click.argument("kind", type=Kind(), required=False)
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True)
@click.option("--json", "output", flag_value="json", help="The same as -o json.")
@kafka_option
def get_command(*, kind: str | None, name: str | None, output: str, directory: Path, kafka: str | None) -> None:
    """Show objects; as yaml or json they can be applied again, and then name the version they were made for."""
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
        click.echo(write_documents(map(shown, found)), nl=False)
    else:
        every = [plain(shown(obj)) for obj in found]
        echo_json(every[0] if name is not None else {"apiVersion": API_VERSION, "kind": "List", "items": every})


def _wanted(obj: PolicyObject, kind: str | None, name: str | None) -> bool:
    return (kind is None or kind_of(obj) == kind) and (name is None or obj.metadata.name == name)


def _table(objects: list[PolicyObject]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("KIND", "NAME", "TENANTS", "WHAT", box=box.SIMPLE_HEAD, pad_edge=False)
    for obj in objects:
        table.add_row(kind_of(obj), obj.metadata.name, tenants_of(obj), summary(obj))
    Console().print(table, highlight=False, markup=False)
