"""Policy documents a user hands over: read them all, verify them alone and together with what is there.

Every error says file, document, object and key path. A text with one error changes nothing, so everything is checked
before anything is published. Pure but for reading the files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from compose.failure import Failure
from resolver.policy.compiler import Problem, verify
from schemas.documents import Document, DocumentError, find_twice, read_documents
from schemas.objects import PolicyObject, Tenant

STDIN = Path("-")


def read_files(paths: Iterable[Path], *, may_be_empty: bool = False) -> list[Document]:
    """Documents of files, of the ``*.yaml`` and ``*.yml`` of directories, and of standard input (``-``).

    Args:
        paths: to read.
        may_be_empty: no object at all is no failure.

    Raises:
        Failure: with every error of every file.
    """
    documents, errors = look_at(paths)
    if errors:
        raise Failure("\n".join(map(str, errors)))
    if not documents and not may_be_empty:
        raise Failure(f"there is no object in {', '.join(map(str, paths))}")
    return documents


def look_at(paths: Iterable[Path]) -> tuple[list[Document], list[DocumentError]]:
    """The same with everything that is wrong with the documents as a value.

    Raises:
        Failure: if a file cannot be read.
    """
    return documents_of((str(path) if path != STDIN else "standard input", _text(path)) for path in _files(paths))


def documents_of(texts: Iterable[tuple[str, str]]) -> tuple[list[Document], list[DocumentError]]:
    """Documents of texts, each with the name of its file, and everything that is wrong with them."""
    documents: list[Document] = []
    errors: list[DocumentError] = []
    for file, text in texts:
        found, wrong = read_documents(text, file)
        documents += found
        errors += wrong
    told = {(error.file, error.document) for error in errors}
    return documents, errors + [error for error in find_twice(documents) if (error.file, error.document) not in told]


def yaml_files(directory: Path) -> list[Path]:
    """The ``*.yaml`` and ``*.yml`` of a directory, in order."""
    return sorted(file for file in directory.iterdir() if file.suffix in {".yaml", ".yml"})


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from yaml_files(path)
        else:
            yield path


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if path == STDIN else path.read_text("utf-8")
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"cannot read {path}: not UTF-8 at byte {error.start}") from error


def check_together(
    documents: Iterable[Document], present: Mapping[str, PolicyObject], gone: Iterable[str] = ()
) -> None:
    """Verify documents together with the objects that are there and would stay.

    Args:
        documents: to be put in force.
        present: what is there, by key.
        gone: keys of what is to be deleted.

    Raises:
        Failure: with everything that is wrong with the documents, and what they would make wrong elsewhere.
    """
    written = {document.key: document for document in documents}
    problems = problems_together(list(written.values()), present, gone)
    if problems:
        raise Failure("\n".join(_located(problem, written.get(problem.key)) for problem in problems))


def problems_together(
    documents: Iterable[Document], present: Mapping[str, PolicyObject], gone: Iterable[str] = ()
) -> list[Problem]:
    """What check_together would raise, as values."""
    written = {document.key: document.obj for document in documents}
    before = set(verify(present))
    return [
        problem for problem in verify(merged(written, present, gone)) if problem.key in written or problem not in before
    ]


def merged(
    written: Mapping[str, PolicyObject], present: Mapping[str, PolicyObject], gone: Iterable[str] = ()
) -> dict[str, PolicyObject]:
    """Objects as they would be: what stays first, so that of two claiming the same the newcomer is wrong."""
    without = {*written, *gone}
    return {key: obj for key, obj in present.items() if key not in without} | dict(written)


def _located(problem: Problem, document: Document | None) -> str:
    return f"{document.file}: document {document.number}: {problem}" if document else str(problem)


def check_alone(documents: list[Document]) -> list[str]:
    """Verify documents without anything else; returns what could not be checked that way.

    Where no tenant is among the documents, those they name may exist elsewhere.

    Raises:
        Failure: with everything that is wrong.
    """
    wrong, unseen = problems_alone(documents)
    written = {document.key: document for document in documents}
    if wrong:
        raise Failure("\n".join(_located(problem, written[problem.key]) for problem in wrong))
    return [_located(problem, written[problem.key]) for problem in unseen]


def problems_alone(documents: Iterable[Document]) -> tuple[list[Problem], list[Problem]]:
    """What is wrong with documents by themselves, and references that lead out of them."""
    written = {document.key: document.obj for document in documents}
    problems = verify(written)
    if whole(written):
        return problems, []
    return [found for found in problems if not found.dangling], [found for found in problems if found.dangling]


def whole(objects: Mapping[str, PolicyObject]) -> bool:
    """Whether objects are meant to be all there are: tenants are among them."""
    return any(isinstance(obj, Tenant) for obj in objects.values())


def check_without(key: str, present: Mapping[str, PolicyObject]) -> None:
    """Verify what would be left without an object.

    Raises:
        Failure: if something that is there needs it.
    """
    before = set(verify(present))
    left = {other: obj for other, obj in present.items() if other != key}
    problems = [problem for problem in verify(left) if problem not in before]
    if problems:
        kind, _, name = key.split("/", 2)
        told = "\n".join(map(str, problems))
        raise Failure(f"{kind} {name} cannot be deleted while others need it:\n{told}")
