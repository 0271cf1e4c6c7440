"""The stack's admin endpoint: health of the whole, readiness with reasons, metrics of all workers, explain by one.

It aggregates what the children say on their own endpoints (Unix sockets) and must not know how they work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
from aiohttp import web

from compose.failure import Failure
from compose.metrics import ProcessFigures, exposition, merge, processes
from compose.ports import Address

_PATIENCE = aiohttp.ClientTimeout(total=3)

Readiness = Callable[[], Awaitable[dict[str, str]]]
Figures = Callable[[], list[ProcessFigures]]


class Front:
    """Serves /healthz, /readyz, /metrics, /explain and /status for the stack.

    Args:
        workers: resolver worker name -> its admin socket.
        readiness: part -> reason why it is not ready; empty when all are.
        figures: what the supervisor knows of its children.
        events: latest events of note.
    """

    def __init__(
        self, workers: Mapping[str, Path], readiness: Readiness, figures: Figures, events: Callable[[], list[str]]
    ) -> None:
        self._workers = workers
        self._readiness = readiness
        self._figures = figures
        self._events = events
        self._runner: web.AppRunner | None = None

    async def serve(self, address: Address) -> None:
        """Begin to answer.

        Raises:
            Failure: if the address cannot be bound.
        """
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/explain", self._explain),
                web.get("/status", self._status),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address.host, address.port).start()
        except OSError as error:
            raise Failure(f"cannot listen on {address} for the admin endpoint: {error.strerror or error}") from error

    async def close(self) -> None:
        """Stop answering."""
        if self._runner:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        waiting = await self._readiness()
        return web.json_response({"ready": not waiting, "waiting": waiting}, status=503 if waiting else 200)

    async def _status(self, _request: web.Request) -> web.Response:
        parts = [
            {"name": part.name, "pid": part.pid, "ready": part.ready, "restarts": part.restarts}
            for part in self._figures()
        ]
        return web.json_response({"processes": parts, "events": self._events()})

    async def _metrics(self, _request: web.Request) -> web.Response:
        pages = await asyncio.gather(*(fetch(path, "/metrics") for path in self._workers.values()))
        answered = {worker: page for worker, (status, page) in zip(self._workers, pages, strict=True) if status == 200}
        body = exposition([*merge(answered), *processes(self._figures())])
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _explain(self, request: web.Request) -> web.Response:
        for path in self._workers.values():
            status, body = await fetch(path, f"/explain?{request.query_string}")
            if status:
                kind = "application/json" if body.lstrip().startswith(("{", "[")) else "text/plain"
                return web.Response(text=body, status=status, content_type=kind)
        return web.json_response({"error": "no resolver worker answers"}, status=503)


async def fetch(socket: Path, path: str) -> tuple[int, str]:
    """GET a path from a Unix socket: status and body; status 0 if nobody answers."""
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=_PATIENCE) as session,
            session.get(f"http://localhost{path}") as response,
        ):
            return response.status, await response.text()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return 0, str(error)
