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
from compose.mirror import Mirror
from compose.policy_change import Changes, change, planned
from compose.policy_source import gone
from compose.policy_topic import Present
from compose.ports import Address
from compose.store import rows
from schemas.documents import Document, read_documents
from schemas.objects import PolicyObject, decode_object, encode_object

_OBJECTS = "SELECT key, body FROM nameward.policy_objects FINAL WHERE deleted = 0 AND body != ''"
_OVERLAYS = (
    "SELECT tenant AS key, body FROM nameward.overlays FINAL ORDER BY changed DESC, revision DESC LIMIT 1 BY tenant"
)
_ORDERS = "SELECT tenant || '/' || id AS key, body FROM nameward.alert_orders FINAL WHERE revoked = 0 AND body != ''"


async def plant(
    mirror: Mirror, bootstrap: str, documents: list[Document], *, embedded: bool, sources: Iterable[str] = ()
) -> str:
    """Put the policy of the start on Kafka; say in one sentence what it was.

    Args:
        mirror: what is remembered.
        bootstrap: host:port of the broker.
        documents: given for this start.
        embedded: the broker knows nothing but what it is told now.
        sources: directories among what was given; what came from them and is gone is deleted.

    Raises:
        Failure: if the documents are wrong together with what is there.
    """
    if not embedded:
        return await _add(bootstrap, documents, sources)
    told = "known from before"
    if documents or sources:
        changes = _planned(documents, sources, Present(_present(mirror)))
        given = {document.key for document in documents}
        told = f"{len(given)} given, the rest {told}" if mirror.values.objects.keys() - given else "as given"
        _remember(mirror, changes)
    elif not mirror.known and not mirror.values.objects:
        told = "of the demo"
        _remember(mirror, _planned(_demo(), (), Present()))
    objects, overlays = await mirror.publish(bootstrap)
    mirror.save()
    return f"{objects} objects ({told}) and {overlays} overlays are in force"


def _planned(documents: list[Document], sources: Iterable[str], present: Present) -> Changes:
    lost = [key for source in sources for key in gone(documents, present.objects, source)]
    return planned(documents, present, lost)


def _remember(mirror: Mirror, changes: Changes) -> None:
    for key, obj in changes.items():
        if obj is None:
            mirror.values.objects.pop(key, None)
        else:
            mirror.values.objects[key] = encode_object(obj)


async def _add(bootstrap: str, documents: list[Document], sources: Iterable[str]) -> str:
    def plan(present: Present) -> Changes:
        nothing = not present.objects and not present.unreadable
        return _planned(documents or (_demo() if nothing else []), sources, present)

    done = await change(bootstrap, plan)
    known = len(done.before.objects) + len(done.before.unreadable)
    if not done.changes:
        return f"{known} objects known to {bootstrap} are in force"
    told = "given" if documents else "of the demo"
    return f"{len(done.changes)} objects {told} were written to the {known} on {bootstrap}"


async def recall(mirror: Mirror, store: Address) -> None:
    """Learn objects, overlays and orders from the store's durable memory, where the mirror's own file is lost."""
    try:
        objects = await asyncio.to_thread(rows, store, _OBJECTS)
        overlays = await asyncio.to_thread(rows, store, _OVERLAYS)
        orders = await asyncio.to_thread(rows, store, _ORDERS)
    except Failure:  # a store that never held any
        return
    mirror.values.objects.update({row["key"]: row["body"].encode() for row in objects})
    mirror.values.overlays.update({row["key"]: row["body"].encode() for row in overlays})
    mirror.values.orders.update({row["key"]: row["body"].encode() for row in orders})


def _present(mirror: Mirror) -> dict[str, PolicyObject]:
    found = {}
    for key, value in mirror.values.objects.items():
        with contextlib.suppress(msgspec.MsgspecError):  # of another version; the resolvers will say so
            found[key] = decode_object(value)
    return found


def _demo() -> list[Document]:
    documents, errors = read_documents(demo_yaml(), "demo.yaml")
    if errors:
        raise Failure("\n".join(str(error) for error in errors))
    return documents
