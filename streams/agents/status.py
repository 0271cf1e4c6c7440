"""How a worker is, as JSON on a Unix socket (``GET /status``): for a supervisor's readiness and metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from faust.types import AppT

from streams.config import WorkerSettings


class StatusPage:
    """One page on a Unix socket.

    Args:
        path: of the socket; an old one is replaced.
        page: what to say, asked for at each request.
    """

    def __init__(self, path: Path, page: Callable[[], Mapping[str, Any]]) -> None:
        self._path, self._page = path, page

    async def serve(self) -> None:
        """Answer until cancelled."""
        app = web.Application()
        app.router.add_get("/status", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            await web.UnixSite(runner, str(self._path)).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _answer(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self._page()))


def standing(app: AppT) -> dict[str, Any]:
    """What can be said of any Faust worker: assignment, recovery, records behind.

    ``behind`` counts records between what is done for good (committed) and what the broker had at the last fetch.
    """
    consumer = app.consumer
    mine = sorted(
        (place for place in consumer.assignment() if not place.topic.endswith("-changelog")),
        key=lambda place: (place.topic, place.partition),
    )
    committed = consumer._committed_offset  # noqa: SLF001 - Faust shows it nowhere else
    behind = sum(max(0, (consumer.highwater(place) or 0) - (committed.get(place) or 0)) for place in mine)
    return {
        "running": bool(app.started and not app.should_stop and not app.crashed),
        "recovered": not app.in_recovery and not app.rebalancing,
        "assigned": [f"{place.topic}/{place.partition}" for place in mine],
        "behind": behind,
    }


def serve_status(app: AppT, settings: WorkerSettings, page: Callable[[], Mapping[str, Any]]) -> None:
    """Serve the page while the app runs, where the settings name a socket."""
    if settings.status:
        app.task(StatusPage(Path(settings.status), page).serve)
