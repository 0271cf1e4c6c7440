"""Orders of people about a tenant's alerts: which of them hold, and what they mean for one alert.

On the path between the topic of orders and the book of alerts. An order that expired, or is no longer there, means
nothing. Must not know how alerts come and go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from schemas.signals import Alert, AlertOrder

MOST_ORDERS = 1000
"""Of one tenant; beyond, the newest count."""


class OrderBook:
    """The orders of one tenant."""

    def __init__(self) -> None:
        self._mutes: tuple[AlertOrder, ...] = ()
        self._closes: tuple[AlertOrder, ...] = ()
        self._done: set[str] = set()

    def take(self, orders: Iterable[AlertOrder]) -> None:
        """Replace what was known; a close order that was carried out before is not carried out again."""
        known = sorted(orders, key=lambda order: (order.created, order.id))[-MOST_ORDERS:]
        self._mutes = tuple(order for order in known if order.action == "mute")
        self._closes = tuple(order for order in known if order.action == "close")
        self._done &= {order.id for order in self._closes}

    def muting(self, alert: Alert, now: float) -> str:
        """Id of the oldest order in force that mutes an alert; empty when none does."""
        return next((order.id for order in self._mutes if _holds(order, now) and concerns(order, alert)), "")

    def lapsed(self, now: float) -> bool:
        """Whether an order has expired; it is dropped, so this is told once."""
        kept = tuple(order for order in self._mutes if _holds(order, now))
        gone = len(kept) < len(self._mutes)
        self._mutes = kept
        return gone

    def closings(self, now: float) -> list[AlertOrder]:
        """Orders to close that have not been carried out; they count as carried out from now on."""
        fresh = [order for order in self._closes if order.id not in self._done and _holds(order, now)]
        self._done |= {order.id for order in fresh}
        return fresh

    def save(self) -> list[str]:
        """What must outlive a restart: the orders themselves come from their topic."""
        return sorted(self._done)

    def load(self, done: Collection[str]) -> None:
        """Inverse of save."""
        self._done = set(done)


def concerns(order: AlertOrder, alert: Alert) -> bool:
    """Whether an order is about an alert: by its id, that of its parent, or by patterns of detector and subject."""
    if order.alert:
        return order.alert in {alert.id, alert.parent}
    return bool(_pattern(order.detector).fullmatch(alert.detector) and _pattern(order.subject).fullmatch(alert.subject))


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    """``*`` is any run of characters; everything else is itself."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _holds(order: AlertOrder, now: float) -> bool:
    return order.expires.timestamp() > now
