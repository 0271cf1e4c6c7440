"""A directory as the truth for the objects that come from it: an annotation says so, and only those are ever deleted.

Pure: documents and what is there in, what to change out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import structs

from compose.failure import Failure
from schemas.documents import Document
from schemas.objects import PolicyObject

SOURCE = "nameward.io/source"
"""Annotation of objects that come from a directory."""


def source_of(directory: Path, given: str | None = None) -> str:
    """What a directory is called in the annotation: its path, or the name given (to be the same on several hosts)."""
    return given or str(directory.resolve())


def marked(documents: Iterable[Document], source: str) -> list[Document]:
    """The documents with their origin said; the directory is the truth, so they are for no version."""
    return [_marked(document, source) for document in documents]


def unversioned(documents: Iterable[Document]) -> list[Document]:
    """The documents for whatever version is there."""
    return [_with(document, resource_version="") for document in documents]


def _marked(document: Document, source: str) -> Document:
    annotations = {**document.obj.metadata.annotations, SOURCE: source}
    return _with(document, annotations=dict(sorted(annotations.items())), resource_version="")


def _with(document: Document, **changes: object) -> Document:
    metadata = structs.replace(document.obj.metadata, **changes)
    return Document(document.file, document.number, structs.replace(document.obj, metadata=metadata))


def origin(obj: PolicyObject) -> str:
    """The source an object came from; empty for none."""
    return obj.metadata.annotations.get(SOURCE, "")


def gone(documents: Iterable[Document], present: Mapping[str, PolicyObject], source: str) -> list[str]:
    """Keys of objects that came from the source and stand in none of its documents any more."""
    written = {document.key for document in documents}
    return [key for key, obj in present.items() if origin(obj) == source and key not in written]


def check_owned(documents: Iterable[Document], present: Mapping[str, PolicyObject], source: str) -> None:
    """Make sure that no other directory is the truth for any of these.

    Raises:
        Failure: with each document and whose object it is.
    """
    others = []
    for document in documents:
        there = present.get(document.key)
        if there is not None and origin(there) not in {"", source}:
            kind, _, name = document.key.split("/", 2)
            others.append(
                f"{document.file}: document {document.number}: {kind}/{name} metadata.name: "
                f"this object comes from {origin(there)} already"
            )
    if others:
        raise Failure("\n".join(others))
