"""Orders of people about alerts, from their topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from schemas.signals import AlertOrder
from schemas.topics import ORDERS
from streams.agents.following import follow

_LOG = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(AlertOrder).decode

Ordered = Callable[[str, str, AlertOrder | None], Awaitable[None]]


async def follow_orders(bootstrap: str, ordered: Ordered, known: asyncio.Event) -> None:
    """Tell of every order, then of every change, until cancelled; a broker that is away is waited for.

    Args:
        bootstrap: of the broker.
        ordered: awaited with tenant, id and order; None for one that was revoked or cannot be read.
        known: set once all that the topic holds now has been told.
    """

    async def told(key: str, value: bytes | None) -> None:
        tenant, _, name = key.partition("/")
        await ordered(tenant, name, _order(key, value))

    await follow(bootstrap, ORDERS.name, told, known)


def _order(key: str, value: bytes | None) -> AlertOrder | None:
    if value is None:
        return None
    try:
        order = _decode(value)
    except msgspec.MsgspecError as error:
        _LOG.warning("%s: order %s cannot be read and is ignored: %s", ORDERS.name, key, error)
        return None
    if key != f"{order.tenant}/{order.id}":
        _LOG.warning("%s: order %s of tenant %s has the key %s, ignored", ORDERS.name, order.id, order.tenant, key)
        return None
    return order
