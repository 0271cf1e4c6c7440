"""Orders about alerts on their topic: read them, give them, and wait until analytics has said what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from compose.policy_topic import following, producing, read_to_end
from schemas.signals import Alert, AlertOrder, encode_signal
from schemas.topics import ALERTS, ORDERS

Confirms = Callable[[Alert], bool]
_decode_order = msgspec.json.Decoder(AlertOrder).decode
_decode_alert = msgspec.json.Decoder(Alert).decode


async def read_orders(bootstrap: str) -> list[AlertOrder]:
    """Every order that is not revoked, also those that have expired.

    Raises:
        Failure: if the broker does not answer.
    """
    found: dict[bytes, AlertOrder] = {}
    async with following(bootstrap, ORDERS.name) as (consumer, partition):
        async for record in read_to_end(consumer, partition):
            found.pop(record.key, None)
            try:
                found[record.key] = _decode_order(record.value or b"")
            except msgspec.MsgspecError:
                continue
    return list(found.values())


async def give(
    bootstrap: str,
    orders: Mapping[str, AlertOrder | None],
    concerned: Iterable[str],
    confirms: Confirms,
    patience_s: float,
) -> set[str]:
    """Write orders (None revokes) and wait until analytics has told each alert concerned as it should be now.

    Args:
        bootstrap: of the broker.
        orders: by ``tenant/id``.
        concerned: ids of alerts.
        confirms: whether a word about one of them is the one that is waited for.
        patience_s: how long.

    Returns:
        Alerts about which nothing was heard in time.

    Raises:
        Failure: if the broker does not answer.
    """
    waiting = set(concerned)
    deadline = time.monotonic() + patience_s
    async with following(bootstrap, ALERTS.name) as (consumer, partition):
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, end)
        await write(bootstrap, orders)
        while waiting and time.monotonic() < deadline:
            for record in (await consumer.getmany(partition, timeout_ms=100)).get(partition, ()):
                alert = _alert(record.value)
                if alert is not None and alert.id in waiting and confirms(alert):
                    waiting.discard(alert.id)
    return waiting


async def write(bootstrap: str, orders: Mapping[str, AlertOrder | None]) -> None:
    """Write orders, tombstones for None; the broker has them on return."""
    async with producing(bootstrap) as producer:
        for key, order in orders.items():
            value = encode_signal(order) if order else None
            await producer.send_and_wait(ORDERS.name, value, key=key.encode(), partition=0)


def expired(orders: Iterable[AlertOrder], now: datetime) -> dict[str, None]:
    """Tombstones for orders that hold no longer: whoever writes sweeps, so that the topic stays small."""
    return {key_of(order): None for order in orders if order.expires <= now}


def key_of(order: AlertOrder) -> str:
    """Key of an order's record."""
    return f"{order.tenant}/{order.id}"


def _alert(value: bytes | None) -> Alert | None:
    try:
        return _decode_alert(value or b"")
    except msgspec.MsgspecError:
        return None
