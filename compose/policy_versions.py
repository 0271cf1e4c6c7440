"""Versions of objects, so that nobody overwrites what they have not seen; and when an object came to be.

A version is a digest of what an object says. Offsets would not do: a broker that is seeded again gives new ones to
objects that are the same. Pure; must not know Kafka or files.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from msgspec import structs

from schemas.objects import PolicyObject, encode_object

_DIGITS = 12


def bare(obj: PolicyObject) -> PolicyObject:
    """What its author said: without what `nameward policy` writes into the metadata."""
    return structs.replace(obj, metadata=structs.replace(obj.metadata, created=None, resource_version=""))


def version_of(obj: PolicyObject) -> str:
    """Version of an object that is there; the same wherever and whenever it is read."""
    stored = structs.replace(obj, metadata=structs.replace(obj.metadata, resource_version=""))
    return sha256(encode_object(stored)).hexdigest()[:_DIGITS]


def shown(obj: PolicyObject) -> PolicyObject:
    """An object as `get` shows it: with its version."""
    return structs.replace(obj, metadata=structs.replace(obj.metadata, resource_version=version_of(obj)))


def stored(obj: PolicyObject, old: PolicyObject | None, now: datetime) -> PolicyObject:
    """An object as it is to be written: created when the one before it was.

    Args:
        obj: as its author gives it. Where there is none before, `created` is as given (a backup that is put back keeps
            its age), but never in the future.
        old: what is there.
        now: the moment of the change.
    """
    created = _zoned((old or obj).metadata.created, now) or now
    metadata = structs.replace(obj.metadata, created=min(created, now), resource_version="")
    return structs.replace(obj, metadata=metadata)


def _zoned(moment: datetime | None, now: datetime) -> datetime | None:
    return moment.replace(tzinfo=now.tzinfo) if moment and moment.tzinfo is None else moment
