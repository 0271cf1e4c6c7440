"""Which policy a stack starts with: what it was given, else what it remembers, else the demo.

The embedded broker starts with nothing, so everything known is published; an Apache Kafka keeps its own objects, so
only what was given is added, and the demo only where nothing was ever written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import msgspec

from compose.demo import demo_yaml
from compose.failure import Failure
from compose.mirror import Mirror, Remembered, produce, read_all
from compose.policy_files import check_together
from compose.ports import Address
from compose.store import rows
from schemas.documents import Document, read_documents
from schemas.objects import PolicyObject, decode_object, encode_object

_OBJECTS = "SELECT key, body FROM nameward.policy_objects FINAL WHERE deleted = 0 AND body != ''"
_OVERLAYS = (
    "SELECT tenant AS key, body FROM nameward.overlays FINAL ORDER BY changed DESC, revision DESC LIMIT 1 BY tenant"
)


async def plant(mirror: Mirror, bootstrap: str, documents: list[Document], *, embedded: bool) -> str:
    """Put the policy of the start on Kafka; say in one sentence what it was.

    Raises:
        Failure: if the documents are wrong together with what is there.
    """
    given = _encoded(documents)
    if not embedded:
        return await _add(bootstrap, given)
    told = "known from before"
    if given:
        check_together(documents, _present(mirror))
        told = f"{len(given)} given, the rest {told}" if mirror.values.objects.keys() - given.keys() else "as given"
        mirror.values.objects.update(given)
    elif not mirror.known and not mirror.values.objects:
        told = "of the demo"
        mirror.values.objects.update(_demo())
    objects, overlays = await mirror.publish(bootstrap)
    mirror.save()
    return f"{objects} objects ({told}) and {overlays} overlays are in force"


async def _add(bootstrap: str, given: dict[str, bytes]) -> str:
    known = await read_all(bootstrap)
    told = "given"
    if not given and not known.objects:
        given, told = _demo(), "of the demo"
    if not given:
        return f"{len(known.objects)} objects known to {bootstrap} are in force"
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


def _present(mirror: Mirror) -> dict[str, PolicyObject]:
    found = {}
    for key, value in mirror.values.objects.items():
        with contextlib.suppress(msgspec.MsgspecError):  # of another version; the resolvers will say so
            found[key] = decode_object(value)
    return found


def _encoded(documents: Iterable[Document]) -> dict[str, bytes]:
    return {document.key: encode_object(document.obj) for document in documents}


def _demo() -> dict[str, bytes]:
    documents, errors = read_documents(demo_yaml(), "demo.yaml")
    if errors:
        raise Failure("\n".join(str(error) for error in errors))
    return _encoded(documents)
