"""``nameward policy export``: policy in the words of other programs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from compose.failure import Failure
from compose.options import kafka_of
from compose.policy_files import check_alone, read_files
from compose.policy_options import kafka_option
from compose.policy_rpz import zone
from compose.policy_topic import read_present
from schemas.objects import PolicyObject, Tenant


@click.command("export")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, allow_dash=True), metavar="[FILE]...")
@click.option(
    "--as", "form", type=click.Choice(["rpz", "envoy", "networkpolicy"]), required=True, help="What to write."
)
@click.option("--tenant", default="", metavar="NAME", help="Whose policy; needed where there are several tenants.")
@kafka_option
def export_command(*, files: tuple[Path, ...], form: str, tenant: str, directory: Path, kafka: str | None) -> None:
    """Write policy in the words of other programs: what is in FILES, or what is on the broker.

    rpz: a response policy zone with the tenant's rules on names; what a zone cannot say stands in comments.
    """
    if form != "rpz":
        raise Failure(f"--as {form} is not there yet: it comes with the enforcement of EgressRules; --as rpz is")
    objects = _objects(files, directory, kafka)
    try:
        click.echo(zone(objects, _tenant(objects, tenant), time.time()), nl=False)
    except ValueError as error:  # objects on the broker that no resolver takes
        raise Failure(str(error)) from error


def _objects(files: tuple[Path, ...], directory: Path, kafka: str | None) -> dict[str, PolicyObject]:
    if not files:
        return asyncio.run(read_present(kafka_of(directory, kafka))).objects
    documents = read_files(files)
    check_alone(documents)
    return {document.key: document.obj for document in documents}


def _tenant(objects: dict[str, PolicyObject], wanted: str) -> str:
    names = [obj.metadata.name for obj in objects.values() if isinstance(obj, Tenant)]
    if wanted and wanted not in names:
        raise Failure(f"there is no tenant {wanted!r}, there is {', '.join(sorted(names)) or 'none'}")
    if not wanted and len(names) != 1:
        raise Failure(f"whose policy? give --tenant, one of {', '.join(sorted(names)) or 'none that are there'}")
    return wanted or names[0]
