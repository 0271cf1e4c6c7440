"""The snapshot of a policy in force: bytes that outlive the process, to start from when there is no broker.

Pure. Must not know where the bytes are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from resolver.policy.steps import Steps, slices
from schemas.objects import PolicyObject
from schemas.signals import Overlay


class SnapshotError(ValueError):
    """Bytes that are no snapshot of this program."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was in force, and how far the topics had been read.

    Attributes:
        objects: key and object, in the order in which they claim.
        overlays: of all tenants.
        objects_offset: next offset of policy.objects.
        overlays_offset: next offset of policy.overlays.
    """

    objects: list[tuple[str, PolicyObject]]
    overlays: list[Overlay]
    objects_offset: int
    overlays_offset: int
    version: int = 1


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Snapshot).decode


def encoding(
    objects: Mapping[str, PolicyObject], overlays: Mapping[str, Overlay], objects_offset: int, overlays_offset: int
) -> Steps[bytes]:
    """Bytes of a snapshot, in slices; the mappings are what they are when it begins."""
    fixed = {"overlays": list(overlays.values()), "objects_offset": objects_offset, "overlays_offset": overlays_offset}
    items: list[msgspec.Raw] = []
    for part in slices(list(objects.items())):
        yield
        items += [msgspec.Raw(_encode(item)) for item in part]
    return _encode({"objects": items, **fixed})


def decode_snapshot(value: bytes) -> Snapshot:
    """The snapshot of these bytes.

    Raises:
        SnapshotError: if they are none.
    """
    try:
        return _decode(value)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"not a policy snapshot: {error}") from error
