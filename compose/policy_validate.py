"""``nameward policy validate``: everything that can be said about documents without changing anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from compose.options import kafka_of
from compose.policy_files import check_alone, check_together, read_files
from compose.policy_options import count, files_argument, kafka_option
from compose.policy_topic import read_present


@click.command("validate")
@files_argument
@click.option("--against", type=click.Choice(["broker"]), help="Check together with the objects on the broker.")
@kafka_option
def validate_command(*, files: tuple[Path, ...], against: str | None, directory: Path, kafka: str | None) -> None:
    """Check documents without changing anything; offline unless --against broker is given."""
    documents = read_files(files)
    if against:
        check_together(documents, asyncio.run(read_present(kafka_of(directory, kafka))).objects)
    else:
        for note in check_alone(documents):
            click.echo(f"nameward: not checked here: {note} in these files (--against broker looks there)", err=True)
    click.echo(f"{count(len(documents))} in {', '.join(map(str, files))}: valid")
