"""The admin endpoint of one worker: health, readiness with reasons, metrics, and why a query gets the answer it gets.

HTTP on loopback or a Unix socket; it has no passwords, so app.py binds it elsewhere only when told to. This module
must not know how the parts work.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

_METRICS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a worker serves.

    Attributes:
        waiting: part -> reason why it does not serve yet; empty when it does.
        degraded: part -> what is wrong though queries are answered.
    """

    waiting: dict[str, str]
    degraded: dict[str, str]


class AdminListener:
    """Serves the endpoint.

    Args:
        readiness: asked at each /readyz.
        registry: what /metrics shows.
        explain: tells the story of the query that these keys describe, as JSON can hold it; raises ValueError.
    """

    def __init__(
        self,
        readiness: Callable[[], Readiness],
        registry: CollectorRegistry,
        explain: Callable[[Mapping[str, str]], dict[str, Any]],
    ) -> None:
        self._readiness, self._registry, self._story = readiness, registry, explain
        self._runner: web.AppRunner | None = None

    async def start(self, where: Path | tuple[str, int]) -> None:
        """Begin to serve on a Unix socket (readable by this user alone) or an address and port.

        Raises:
            OSError: if that cannot be bound.
        """
        application = web.Application(client_max_size=4096)
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/explain", self._explain),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await self._runner.setup()
        if isinstance(where, Path):
            await web.SockSite(self._runner, _private_socket(where)).start()
        else:
            await web.TCPSite(self._runner, *where).start()

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        state = self._readiness()
        body = {"ready": not state.waiting, "waiting": state.waiting, "degraded": state.degraded}
        return web.json_response(body, status=503 if state.waiting else 200)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers=_METRICS)

    async def _explain(self, request: web.Request) -> web.Response:
        """GET /explain?client=IP&name=NAME[&type=TYPE][&transport=udp|tcp][&listener=NAME][&tenant=NAME]."""
        try:
            return web.json_response(self._story(request.query))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)


def _private_socket(path: Path) -> socket.socket:
    """A listening Unix socket that only this user may connect to; what was left there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.fchmod(made.fileno(), 0o600)  # before bind: the file is never open to others
    try:
        made.bind(str(path))
    except OSError:
        made.close()
        raise
    return made
