"""What the warehouse remembers for analytics, read at the start and written from time to time; it may be away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from schemas.signals import Alert, Overlay
from streams.warehouse import Warehouse, WarehouseError, learnt

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a durable memory knows of all tenants; used for those whose state is empty.

    asked: registered domains each tenant has asked, and since when (Unix seconds).
    """

    alerts: Mapping[str, list[Alert]] = field(default_factory=dict)
    overlays: Mapping[str, Overlay] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    asked: Mapping[str, tuple[list[str], float]] = field(default_factory=dict)

    @property
    def tenants(self) -> set[str]:
        """Tenants it knows anything of."""
        return {*self.alerts, *self.overlays, *self.baselines, *self.asked} - {""}


async def recall(warehouse: Warehouse) -> Learnt:
    """What was learnt of all tenants.

    Raises:
        WarehouseError: it does not tell.
    """
    return await asyncio.to_thread(_recall, warehouse)


def _recall(warehouse: Warehouse) -> Learnt:
    return Learnt(
        alerts=learnt.alerts(warehouse),
        overlays=learnt.overlays(warehouse),
        baselines=learnt.baselines(warehouse),
        asked=learnt.asked(warehouse),
    )


async def save(warehouse: Warehouse, baselines: Mapping[str, Mapping[str, float]]) -> None:
    """Tell the warehouse what was learnt; one line if it does not take it."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.to_thread(learnt.save_baselines, warehouse, baselines, datetime.now(UTC))
    except (WarehouseError, TimeoutError) as error:
        _LOG.warning("what was learnt could not be saved: %s", error or "no answer in time")
