"""What the sink does for the store once an hour: it builds roll-ups that differ again and takes away what is too old.

On a connection of its own, so that inserts do not wait for it. A failure is told and made up for an hour later.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

from streams.warehouse import Warehouse, WarehouseError
from streams.warehouse.connect import connect
from streams.warehouse.retention import expired, retain, retention
from streams.warehouse.rollups import backfill

_LOG = logging.getLogger(__name__)
_FIRST_S, _EVERY_S = 15.0, 3600.0
_PATIENCE_S = 900.0


def tidy(warehouse: Warehouse, today: date, since: date | None) -> str:
    """Do it once; what was done, for the log, empty when nothing was.

    Args:
        warehouse: nobody else's.
        today: UTC.
        since: first day of storing whose roll-ups are compared; None for all.

    Raises:
        WarehouseError: some of it is not done.
    """
    done = []
    if left := backfill(warehouse, today, since):
        done.append(f"{len(left)} roll-ups of a tenant and day still differ from the events")
    if found := expired(warehouse, retention(warehouse), today):
        retain(warehouse, found)
        done.append(f"{sum(item.rows for item in found)} rows are past their tenant's retention and gone")
    return "; ".join(done)


async def keep_house(url: str) -> None:
    """Until cancelled: soon after the start everything, then each hour what may have changed."""
    since: date | None = None
    await asyncio.sleep(_FIRST_S)
    while True:
        today = datetime.now(UTC).date()
        try:
            if done := await asyncio.to_thread(_once, url, today, since):
                _LOG.warning("store: %s", done)
            since = today - timedelta(days=1)
        except WarehouseError as error:
            _LOG.warning("store: roll-ups and retention are looked after in an hour: %s", error)
        await asyncio.sleep(_EVERY_S)


def _once(url: str, today: date, since: date | None) -> str:
    with closing(connect(url, answer_s=_PATIENCE_S)) as warehouse:
        return tidy(warehouse, today, since)
