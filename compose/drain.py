"""Waits until the store holds all that the resolver workers published before they ended."""

from __future__ import annotations

import asyncio
import time

from compose.failure import Failure
from compose.ports import Address
from compose.store import rows

_OWED = """
SELECT countIf(NOT closed) AS open, sum(missing) AS missing
FROM (SELECT argMax(closed, epoch) AS closed, argMax(missing, epoch) AS missing FROM nameward.ledger GROUP BY source)
SETTINGS output_format_json_quote_64bit_integers = 0
"""


async def drained(store: Address, *, within_s: float) -> bool:
    """Poll until the last epoch of every worker is closed and stored in full; False if it is late or the store away.

    Args:
        store: HTTP interface.
        within_s: seconds to wait.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            (owed,) = await asyncio.to_thread(rows, store, _OWED)
        except Failure:
            return False
        if not int(owed["open"]) and not int(owed["missing"]):
            return True
        await asyncio.sleep(0.1)
    return False
