"""Puts analytics on a Faust app: its table, its agent, its tasks, its status page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faust.types import AppT, StreamT

from schemas.topics import EVENTS
from streams.agents import topic_of
from streams.agents.events import Analytics
from streams.agents.status import serve_status, standing
from streams.config import WorkerSettings
from streams.warehouse import Warehouse


def register(
    app: AppT,
    settings: WorkerSettings,
    *,
    partitions: int,
    table_options: Mapping[str, object],
    warehouse: Warehouse | None,
) -> Analytics:
    """Put the table, agents and tasks of analytics on a Faust app."""
    table = app.Table("states", key_type=bytes, value_type=bytes, partitions=partitions, options=table_options)
    analytics = Analytics(app, table, settings, partitions=partitions, warehouse=warehouse)

    async def analyse(stream: StreamT) -> None:
        source = stream.noack()
        analytics.acknowledge = source.ack
        async for event in source.events():
            await analytics.take(event)

    async def let_go(*_: object, **__: object) -> None:
        analytics.let_go()

    def page() -> dict[str, Any]:
        return {
            **standing(app),
            "prepared": analytics.prepared.is_set(),
            "tenants": len(analytics.states),
            "events": analytics.events,
            "sent": analytics.outputs.sent,
        }

    app.agent(topic_of(app, EVENTS.name), name="analyse-events")(analyse)

    async def last_words(*_: object, **__: object) -> None:
        await analytics.save()

    app.on_partitions_revoked.connect(let_go)
    app.on_before_shutdown.connect(last_words)
    serve_status(app, settings, page)
    for work in (analytics.pass_time, analytics.gather, analytics.remember):
        analytics.crew.enlist(work)
    return analytics
