"""The tenants' settings, from policy.objects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from schemas.objects import Tenant, decode_object, object_key
from schemas.topics import OBJECTS
from streams.agents.following import follow
from streams.analysis import TenantSettings

_LOG = logging.getLogger(__name__)
_TENANT = object_key("Tenant", "x").partition("/")[0] + "/"

Configured = Callable[[str, TenantSettings], Awaitable[None]]


async def follow_settings(bootstrap: str, configured: Configured, known: asyncio.Event) -> None:
    """Tell of every Tenant object, then of every change, until cancelled; a broker that is away is waited for.

    Args:
        bootstrap: of the broker.
        configured: awaited with a tenant's name and its settings; defaults for one that was deleted.
        known: set once all that the topic holds now has been told.
    """

    async def told(key: str, value: bytes | None) -> None:
        if key.startswith(_TENANT):
            await configured(key.rpartition("/")[2], _settings(value))

    await follow(bootstrap, OBJECTS.name, told, known)


def _settings(value: bytes | None) -> TenantSettings:
    if value is None:
        return TenantSettings()
    try:
        obj = decode_object(value)
    except msgspec.MsgspecError as error:
        _LOG.warning("policy.objects: a Tenant object that cannot be read is ignored: %s", error)
        return TenantSettings()
    return TenantSettings.of(obj.spec) if isinstance(obj, Tenant) else TenantSettings()
