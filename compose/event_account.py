"""What the store has of one (source, epoch) of events, and the wait until it has all. Asks over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable

from compose.failure import Failure
from compose.ports import Address
from compose.store import rows

_ACCOUNT = """
SELECT count() AS stored, (SELECT toInt64(max(if(closed, offered, 0))) FROM nameward.source_counters FINAL
  WHERE source = {source:String} AND epoch = {epoch:UInt64}) AS closed
FROM nameward.query_events WHERE source = {source:String} AND epoch = {epoch:UInt64}
SETTINGS output_format_json_quote_64bit_integers = 0
"""
_LATEST = """
SELECT toInt64(toUnixTimestamp64Micro(max(time))) AS latest FROM nameward.query_events
WHERE tenant = {tenant:String} AND NOT (source = {source:String} AND epoch = {epoch:UInt64})
SETTINGS output_format_json_quote_64bit_integers = 0
"""
_PATIENCE_S = 30.0


def account(address: Address, source: str, epoch: int) -> tuple[int, int]:
    """Events stored, and events of the whole epoch once it is closed (0 before).

    Raises:
        Failure: if the store does not answer.
    """
    (found,) = rows(address, _ACCOUNT, {"source": source, "epoch": str(epoch)})
    return int(found["stored"]), int(found["closed"])


def latest(address: Address, tenant: str, source: str, epoch: int) -> int:
    """Time of a tenant's latest event that is not of this (source, epoch), Unix nanoseconds; 0 without any.

    Raises:
        Failure: if the store does not answer.
    """
    (found,) = rows(address, _LATEST, {"tenant": tenant, "source": source, "epoch": str(epoch)})
    return max(0, int(found["latest"])) * 1000


def wait_stored(
    address: Address, source: str, epoch: int, count: int, tell: Callable[[int], None] = lambda _: None
) -> None:
    """Wait until the store has so many events; as long as some come, patience lasts.

    Args:
        address: of the store's HTTP interface.
        source: of the events.
        epoch: of the events.
        count: so many.
        tell: is told how many there are, several times a second.

    Raises:
        Failure: if none came for half a minute, or the store does not answer.
    """
    reached, deadline = -1, 0.0
    while (stored := account(address, source, epoch)[0]) < count:
        tell(stored)
        if stored > reached:
            reached, deadline = stored, time.monotonic() + _PATIENCE_S
        elif time.monotonic() > deadline:
            missing = f"{count - stored} of {count} events of source {source}"
            raise Failure(f"{missing} are not in the store after {_PATIENCE_S:g} s: see `nameward ledger` and the sink")
        time.sleep(0.2)
