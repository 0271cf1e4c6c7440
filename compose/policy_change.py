"""One change of policy.objects, whoever makes it: in its turn read what is there, check the whole, write; then wait.

What to change is a function of what is there, given by the caller; it runs when nobody else can write. This module must
not know files or people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from compose.differences import change_of
from compose.failure import Failure
from compose.policy_files import check_together
from compose.policy_topic import Present, publish, read_present
from compose.policy_turns import me, turn
from compose.policy_versions import bare, stored, version_of
from schemas.documents import Document
from schemas.objects import PolicyObject

Changes = dict[str, PolicyObject | None]
Plan = Callable[[Present], Changes]
"""What is there -> what to write; raises Failure where the change must not be."""


@dataclass(frozen=True, slots=True)
class Done:
    """A change that was written: what was there before, what was written, and the offset behind it."""

    before: Present
    changes: Changes
    end: int


async def change(bootstrap: str, plan: Plan, versions: Mapping[str, str] | None = None) -> Done:
    """Write what the plan says.

    Args:
        bootstrap: host:port of the broker.
        plan: see Plan; it may take its time.
        versions: see read_present.

    Raises:
        Failure: of the plan, of the broker.
    """
    async with turn(bootstrap) as held:
        present = await read_present(bootstrap, versions)
        changes = await asyncio.to_thread(plan, present)
        held.still()
        return Done(present, changes, await publish(held.producer, changes, me()) if changes else present.end)


def planned(documents: Sequence[Document], present: Present, gone: Sequence[str] = ()) -> Changes:
    """What applying these documents, and deleting what is gone, writes: only what differs from what is there.

    Raises:
        Failure: if a document was made for another version, or the result would be wrong.
    """
    check_versions(documents, present)
    check_together(documents, present.objects, gone)
    now = datetime.now(UTC)
    changes: Changes = {}
    for document in documents:
        old = present.objects.get(document.key)
        if old is None or bare(old) != bare(document.obj):
            changes[document.key] = stored(document.obj, old, now)
    return changes | dict.fromkeys(gone)


def versions_of(documents: Sequence[Document]) -> dict[str, str]:
    """The versions that documents were made for, by key."""
    return {doc.key: doc.obj.metadata.resource_version for doc in documents if doc.obj.metadata.resource_version}


def check_versions(documents: Sequence[Document], present: Present) -> None:
    """Make sure that what is there is what the authors of the documents saw.

    Raises:
        Failure: with what was changed since, and by whom.
    """
    conflicts = []
    for document in documents:
        seen, there = document.obj.metadata.resource_version, present.objects.get(document.key)
        if seen and (there is None or version_of(there) != seen) and not _settled(there, document):
            conflicts.append(_conflict(document, seen, there, present))
    if conflicts:
        raise Failure("\n".join(conflicts))


def _settled(there: PolicyObject | None, document: Document) -> bool:
    """Whether what is there says what the document says: whoever was first wanted the same."""
    return there is not None and bare(there) == bare(document.obj)


def _conflict(document: Document, seen: str, there: PolicyObject | None, present: Present) -> str:
    kind, _, name = document.key.split("/", 2)
    written = present.written.get(document.key)
    by = f" by {written.who}" if written and written.who else ""
    when = f" at {written.time:%Y-%m-%d %H:%M:%S} UTC" if written else ""
    where = f"{document.file}: document {document.number}: {kind}/{name} metadata.resourceVersion: conflict"
    if there is None:
        return f"{where}: the object was deleted{by}{when} since version {seen}"
    told = f"{where}: the object was changed{by}{when}, it is no longer version {seen} but {version_of(there)}"
    base = present.earlier.get((document.key, seen))
    fields = change_of(document.key, base or document.obj, there).fields
    heading = "what was changed since" if base else "what is there, compared with the document"
    return "\n".join([f"{told}; {heading}:", *(f"  {field}" for field in fields)])
