"""A directory put in force, once or as long as it is watched; what is gone from it is deleted, if it came from it.

Files are looked at by their bytes, so nothing depends on clocks or notifications: a change is taken once two looks in a
row saw the same, and what is put in force are the very bytes that were compared. A directory with a mistake changes
nothing. This module must not know terminals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from compose.failure import Failure
from compose.policy_change import Changes, Done, change, planned
from compose.policy_files import documents_of, read_files, yaml_files
from compose.policy_source import check_owned, gone, marked, source_of, unversioned
from compose.policy_topic import Present, read_present
from schemas.documents import Document

Contents = dict[str, bytes]
"""File -> what is in it."""
Say = Callable[["Done | Failure"], None]
"""Takes what became of a look that changed something, or that found something wrong; each wrong thing once."""

_LOOK_EVERY_S = 0.5
_AGAIN_AFTER_S = 2.0
_COMPARE_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Truth:
    """A directory and how it counts. source: its name in the annotation; prune: what is gone from it is deleted."""

    path: Path
    source: str
    prune: bool = True


def look(path: Path) -> Contents:
    """What is in the directory's YAML files now.

    Raises:
        Failure: if that cannot be read. A directory that is gone deletes nothing.
    """
    try:
        return {str(file): file.read_bytes() for file in yaml_files(path)}
    except OSError as error:
        raise Failure(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def documents_in(contents: Contents, source: str) -> list[Document]:
    """The documents in these files, with their origin said.

    Raises:
        Failure: with every error of every file.
    """
    texts = []
    for file, value in contents.items():
        try:
            texts.append((file, value.decode()))
        except UnicodeDecodeError as error:
            raise Failure(f"cannot read {file}: not UTF-8 at byte {error.start}") from error
    documents, errors = documents_of(texts)
    if errors:
        raise Failure("\n".join(map(str, errors)))
    return marked(documents, source)


async def put(bootstrap: str, truth: Truth, contents: Contents) -> Done:
    """Put a directory in force, all of it or nothing.

    Raises:
        Failure: if a document is wrong, belongs to another directory, or the broker does not answer.
    """
    documents = documents_in(contents, truth.source)

    def plan(present: Present) -> Changes:
        check_owned(documents, present.objects, truth.source)
        return planned(documents, present, gone(documents, present.objects, truth.source) if truth.prune else ())

    present = await read_present(bootstrap)
    if not await asyncio.to_thread(plan, present):
        return Done(present, {}, present.end)
    return await change(bootstrap, plan)


async def watch(bootstrap: str, truth: Truth, say: Say) -> None:
    """Keep a directory in force until cancelled, also against changes made elsewhere to what came from it."""
    before = done = None
    told, due = "", 0.0
    while True:
        try:
            now = look(truth.path)
            if now == before and (now != done or time.monotonic() >= due):
                due = time.monotonic() + _AGAIN_AFTER_S
                result = await put(bootstrap, truth, now)
                if result.changes or told:
                    say(result)
                done, told, due = now, "", time.monotonic() + _COMPARE_EVERY_S
            before = now
        except Failure as failure:
            if failure.message != told:
                say(failure)
            told, done = failure.message, before
            due = min(due, time.monotonic() + _AGAIN_AFTER_S)
        await asyncio.sleep(_LOOK_EVERY_S)


def given(paths: Iterable[Path]) -> tuple[list[Document], list[Truth]]:
    """The documents of what a stack is started with, and the directories among it.

    Raises:
        Failure: with everything that is wrong with the documents.
    """
    documents: list[Document] = []
    truths: list[Truth] = []
    for path in paths:
        if path.is_dir():
            truths.append(Truth(path, source_of(path)))
            documents += documents_in(look(path), truths[-1].source)
        else:
            documents += unversioned(read_files([path]))
    return documents, truths
