"""``nameward policy validate``: everything that can be said about documents without changing anything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
import msgspec

from compose.failure import Failure
from compose.options import kafka_of
from compose.policy_doubts import Doubt, doubts
from compose.policy_files import look_at, merged, problems_alone, problems_together, whole
from compose.policy_options import count, echo_json, files_argument, json_option, kafka_option
from compose.policy_set_files import troubles
from compose.policy_topic import read_present
from resolver.policy.compiler import Problem
from schemas.documents import Document, DocumentError
from schemas.objects import PolicyObject


class Finding(msgspec.Struct, frozen=True):
    """One thing to say. document counts from 1, 0 is the file as a whole; object is ``Kind/name``."""

    level: Literal["error", "warning", "note"]
    file: str
    document: int
    object: str
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}: document {self.document}" if self.document else self.file
        place = " ".join(filter(None, (self.object, self.path)))
        return ": ".join(filter(None, (where, place, self.message)))


@click.command("validate")
@files_argument
@click.option("--against", type=click.Choice(["broker"]), help="Check together with the objects on the broker.")
@click.option("--strict", is_flag=True, help="Warnings are failures too.")
@json_option
@kafka_option
def validate_command(
    *, files: tuple[Path, ...], against: str | None, strict: bool, as_json: bool, directory: Path, kafka: str | None
) -> None:
    """Check documents without changing anything; offline unless --against broker is given.

    Errors are what apply would refuse. Warnings are rules that an earlier rule shadows or that have expired, objects
    nobody can come to, and wrong lines in files of domain sets that are at hand. Status 1 if there are errors, and
    with --strict if there are warnings.
    """
    documents, wrong = look_at(files)
    if not documents and not wrong:
        raise Failure(f"there is no object in {', '.join(map(str, files))}")
    present = asyncio.run(read_present(kafka_of(directory, kafka))).objects if against else None
    findings = [_of_document(error) for error in wrong] or found(documents, present, datetime.now(UTC))
    findings += [_of_file(*trouble) for trouble in troubles(documents, directory)]
    failing = [finding for finding in findings if finding.level == "error" or (strict and finding.level == "warning")]
    if as_json:
        echo_json({"valid": not failing, "objects": len(documents), "findings": findings})
    else:
        _tell(findings, documents, files)
    sys.exit(1 if failing else 0)


def found(documents: Sequence[Document], present: Mapping[str, PolicyObject] | None, now: datetime) -> list[Finding]:
    """Everything to say about documents that were read, together with what is there or by themselves."""
    places = {document.key: document for document in documents}
    written = {document.key: document.obj for document in documents}
    if present is None:
        wrong, unseen = problems_alone(documents)
    else:
        wrong, unseen = problems_together(documents, present), []
    if wrong:
        return [_of_problem(problem, places.get(problem.key)) for problem in wrong]
    outside = "in these files (--against broker looks there)"
    notes = [_of_problem(problem, places[problem.key], "note", outside) for problem in unseen]
    every = merged(written, present or {})
    if not whole(every):  # whatever seems out of reach may be reached from elsewhere
        every = {key: obj for key, obj in every.items() if not _reached_from_elsewhere(key)}
    return notes + [_of_doubt(doubt, places[doubt.key]) for doubt in doubts(every, now) if doubt.key in places]


def _reached_from_elsewhere(key: str) -> bool:
    return key.split("/", 1)[0] in {"Service", "DomainSet"}


def _of_document(error: DocumentError) -> Finding:
    return Finding("error", error.file, error.document, "", error.path, error.message)


def _of_problem(
    problem: Problem, document: Document | None, level: Literal["error", "note"] = "error", more: str = ""
) -> Finding:
    message = f"{problem.message} {more}" if more else problem.message
    return _placed(level, document, problem.key, problem.path, message)


def _of_doubt(doubt: Doubt, document: Document) -> Finding:
    return _placed(doubt.level, document, doubt.key, doubt.path, doubt.message)


def _of_file(document: Document, message: str, wrong: bool) -> Finding:  # noqa: FBT001 - as troubles says it
    return _placed("warning" if wrong else "note", document, document.key, "spec.file.path", message)


def _placed(
    level: Literal["error", "warning", "note"], document: Document | None, key: str, path: str, message: str
) -> Finding:
    kind, _, name = key.split("/", 2)
    file, number = (document.file, document.number) if document else ("on the broker", 0)
    return Finding(level, file, number, f"{kind}/{name}", path, message)


def _tell(findings: Iterable[Finding], documents: Sequence[Document], files: Iterable[Path]) -> None:
    numbers = dict.fromkeys(("error", "warning", "note"), 0)
    for finding in findings:
        numbers[finding.level] += 1
        level = "" if finding.level == "error" else f"{finding.level}: "
        click.echo(f"nameward: {level}{finding}", err=True)
    if not numbers["error"]:
        more = [count(number, level) for level, number in numbers.items() if number]
        click.echo(f"{count(len(documents))} in {', '.join(map(str, files))}: {', '.join(['valid', *more])}")
