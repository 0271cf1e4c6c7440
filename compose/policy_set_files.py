"""Files of domain sets that lie at hand, looked into as a resolver would: which of their lines are wrong.

A file is looked for below the stack's directory of such files and beside the document that names it; one that is in
neither place may well lie on the resolvers' hosts. This module must not know commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from resolver.policy.set_contents import SetContents, build_index, open_index
from resolver.set_place import PlaceError, Places
from schemas.documents import Document
from schemas.objects import DomainSet, PolicyObject, SetFile


def at_hand(documents: Iterable[Document], stack: Path) -> Iterator[tuple[Document, SetFile, SetContents | None]]:
    """Each set of a file with what the file holds, None if it is not at hand.

    Args:
        documents: of any kind.
        stack: directory of the stack.
    """
    for document in documents:
        if isinstance(document.obj, DomainSet) and (file := document.obj.spec.file) is not None:
            content = _content(file, (stack / "domain-sets", Path(document.file).parent))
            index = None if content is None else b"".join(build_index(content, file.format))
            yield document, file, None if index is None else open_index(index, file.path)


def held_files(documents: Iterable[Document], stack: Path) -> tuple[dict[SetFile, SetContents], list[str]]:
    """What the files of sets hold as far as they are at hand, and the names of the sets whose files are not."""
    found = [(document.obj.metadata.name, file, held) for document, file, held in at_hand(documents, stack)]
    absent = dict.fromkeys(name for name, _, held in found if held is None)
    return {file: held for _, file, held in found if held is not None}, list(absent)


def kept_documents(objects: Mapping[str, PolicyObject], stack: Path) -> list[Document]:
    """Objects that stand in no file, as if written beside the stack's files of sets."""
    return [Document(str(stack / "domain-sets" / "-"), 0, obj) for obj in objects.values()]


def troubles(documents: Iterable[Document], stack: Path) -> Iterator[tuple[Document, str, bool]]:
    """What is to be said of each file, and whether that was found in it, so that it is wrong."""
    for document, file, contents in at_hand(documents, stack):
        if contents is None:
            yield document, f"{file.path} is not at hand, its lines are not checked here", False
        else:
            yield from ((document, trouble, True) for trouble in contents.troubles)


def _content(file: SetFile, roots: Iterable[Path]) -> bytes | None:
    for root in roots:
        try:
            return Places(root, root).look(file).path.read_bytes()
        except (PlaceError, OSError):
            continue
    return None
