"""``nameward policy diff``: what applying files would change, field by field, before it is done."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from compose.differences import ObjectChange, change_of
from compose.failure import Failure
from compose.options import kafka_of
from compose.policy_files import read_files
from compose.policy_options import count, echo_json, files_argument, json_option, kafka_option
from compose.policy_source import gone, marked, source_of
from compose.policy_topic import read_present
from schemas.documents import Document
from schemas.objects import PolicyObject

_MARKS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


@click.command("diff")
@files_argument
@click.option("--prune", is_flag=True, help="As sync would: also what came from the directory and is gone.")
@click.option("--source", default=None, metavar="NAME", help="What sync calls the directory; its path by default.")
@json_option
@kafka_option
def diff_command(
    *, files: tuple[Path, ...], prune: bool, source: str | None, as_json: bool, directory: Path, kafka: str | None
) -> None:
    """Compare documents with what is there. Status 0: the same; 1: something differs; 2: it could not be told."""
    try:
        origin = _origin(files, source) if prune else ""
        documents = read_files(files, may_be_empty=prune)
        present = asyncio.run(read_present(kafka_of(directory, kafka))).objects
    except Failure as failure:
        failure.exit_code = 2
        raise
    changes = compared(marked(documents, origin) if origin else documents, present, origin)
    if as_json:
        echo_json([change for change in changes if change.change != "unchanged"])
    else:
        _show(changes)
    sys.exit(1 if any(change.change != "unchanged" for change in changes) else 0)


def _origin(files: tuple[Path, ...], source: str | None) -> str:
    if len(files) != 1 or not files[0].is_dir():
        raise Failure("--prune compares one directory with what came from it: give that directory alone")
    return source_of(files[0], source)


def compared(documents: Sequence[Document], present: dict[str, PolicyObject], source: str = "") -> list[ObjectChange]:
    """What becomes of each object; with a source also of those that came from it and are gone."""
    changes = [change_of(doc.key, present.get(doc.key), doc.obj, doc.file) for doc in documents]
    if source:
        changes += [change_of(key, present[key], None) for key in gone(documents, present, source)]
    return changes


def _show(changes: list[ObjectChange]) -> None:
    for change in changes:
        if change.change == "unchanged":
            continue
        mark, colour = _MARKS[change.change]
        file = click.style(f"  ({change.file})", dim=True) if change.file else ""
        click.echo(f"{click.style(f'{mark} {change.kind} {change.name} {change.change}', fg=colour)}{file}")
        for field in change.fields:
            click.echo(f"    {field}")
    numbers = {word: sum(change.change == word for change in changes) for word in [*_MARKS, "unchanged"]}
    click.echo(f"{count(len(changes))}: " + ", ".join(f"{number} {word}" for word, number in numbers.items()))
