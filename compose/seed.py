"""Which policy a stack starts with: what it was given, else what it remembers, else the demo.

The embedded broker starts with nothing, so everything known is published; an Apache Kafka keeps its own objects, so
only what was given is added, and the demo only where nothing was ever written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

from compose.demo import demo_yaml
from compose.failure import Failure
from compose.mirror import Mirror, Remembered, produce, read_all
from compose.ports import Address
from compose.store import rows
from schemas.documents import read_documents
from schemas.objects import encode_object

_OBJECTS = "SELECT key, body FROM nameward.policy_objects FINAL WHERE deleted = 0 AND body != ''"
_OVERLAYS = (
    "SELECT tenant AS key, body FROM nameward.overlays FINAL ORDER BY changed DESC, revision DESC LIMIT 1 BY tenant"
)


async def plant(mirror: Mirror, bootstrap: str, documents: tuple[Path, ...], *, embedded: bool) -> str:
    """Put the policy of the start on Kafka; say in one sentence what it was.

    Raises:
        Failure: if a document cannot be read or is wrong.
    """
    given = objects_of_files(documents)
    if not embedded:
        return await _add(bootstrap, given)
    told = "known from before"
    if given:
        told = f"{len(given)} given, the rest {told}" if mirror.values.objects.keys() - given.keys() else "as given"
        mirror.values.objects.update(given)
    elif not mirror.known and not mirror.values.objects:
        told = "of the demo"
        mirror.values.objects.update(_objects(demo_yaml(), "demo.yaml"))
    objects, overlays = await mirror.publish(bootstrap)
    mirror.save()
    return f"{objects} objects ({told}) and {overlays} overlays are in force"


async def _add(bootstrap: str, given: dict[str, bytes]) -> str:
    known = await read_all(bootstrap)
    told = "given"
    if not given and not known.objects:
        given, told = _objects(demo_yaml(), "demo.yaml"), "of the demo"
    await produce(bootstrap, Remembered(objects=given))
    return f"{len(given)} objects {told} were added to {len(known.objects)} on {bootstrap}"


async def recall(mirror: Mirror, store: Address) -> None:
    """Learn objects and overlays from the store's durable memory, where the mirror's own file is lost."""
    try:
        objects = await asyncio.to_thread(rows, store, _OBJECTS)
        overlays = await asyncio.to_thread(rows, store, _OVERLAYS)
    except Failure:  # a store that never held any
        return
    mirror.values.objects.update({row["key"]: row["body"].encode() for row in objects})
    mirror.values.overlays.update({row["key"]: row["body"].encode() for row in overlays})


def objects_of_files(paths: Iterable[Path]) -> dict[str, bytes]:
    """Key -> JSON of every object in these files and, for a directory, its ``*.yaml`` and ``*.yml``.

    Raises:
        Failure: with every error of the first wrong file.
    """
    found: dict[str, bytes] = {}
    for path in _files(paths):
        try:
            found.update(_objects(path.read_text("utf-8"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"cannot read {path}: {error}") from error
    return found


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})
        else:
            yield path


def _objects(text: str, origin: str) -> dict[str, bytes]:
    documents, errors = read_documents(text, origin)
    if errors:
        raise Failure("\n".join(str(error) for error in errors))
    return {document.key: encode_object(document.obj) for document in documents}
