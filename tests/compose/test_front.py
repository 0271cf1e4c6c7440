"""The stack's admin endpoint over real sockets: readiness with reasons, metrics of all workers, explain by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from compose.front import Front
from compose.metrics import ProcessFigures
from compose.ports import Address
from tests.compose.conftest import free_address

PAGE = """# HELP queries_total asked
# TYPE queries_total counter
queries_total{{transport="udp"}} {count}
# HELP latency seconds
# TYPE latency histogram
latency_bucket{{le="+Inf"}} 2
latency_sum 1.5
latency_count 2
"""


async def worker(path: Path, count: int) -> web.AppRunner:
    """A worker's admin endpoint on a Unix socket."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE.format(count=count))

    async def explain(request: web.Request) -> web.Response:
        return web.json_response({"name": request.query["name"]})

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics), web.get("/explain", explain)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    return runner


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[tuple[Address, dict[str, str]]]:
    """A front before two live workers and a dead one; the mapping is what is waited for."""
    runners = [await worker(tmp_path / f"r{number}", number * 10) for number in (1, 2)]
    waiting: dict[str, str] = {}

    async def readiness() -> dict[str, str]:
        return waiting

    workers = {name: tmp_path / name for name in ("r0", "r1", "r2")}
    address = free_address()
    served = Front(workers, readiness, lambda: [ProcessFigures("r1", 0, ready=True, restarts=3)], lambda: ["an event"])
    await served.serve(address)
    yield address, waiting
    await served.close()
    for runner in runners:
        await runner.cleanup()


async def get(address: Address, path: str) -> tuple[int, str]:
    """Status and body."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}") as response:
        return response.status, await response.text()


async def test_readiness_gives_reasons(front: tuple[Address, dict[str, str]]) -> None:
    """200 when nothing is waited for, otherwise 503 with the reason of every part."""
    address, waiting = front
    assert await get(address, "/readyz") == (200, '{"ready": true, "waiting": {}}')
    waiting["store"] = "does not answer queries"
    status, body = await get(address, "/readyz")
    assert status == 503
    assert '"store": "does not answer queries"' in body
    assert await get(address, "/healthz") == (200, "ok\n")


async def test_metrics_of_all_workers_are_one_page(front: tuple[Address, dict[str, str]]) -> None:
    """Every sample carries its worker, every family is described once, and a dead worker spoils nothing."""
    status, body = await get(front[0], "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(body)}
    counts = {sample.labels["worker"]: sample.value for sample in families["queries"].samples}
    assert counts == {"r1": 10.0, "r2": 20.0}
    assert {sample.name for sample in families["latency"].samples} == {"latency_bucket", "latency_sum", "latency_count"}
    assert families["nameward_process_restarts"].samples[0].value == 3
    assert body.count("# TYPE queries_total") == 1


async def test_explain_is_asked_of_a_worker_that_lives(front: tuple[Address, dict[str, str]]) -> None:
    """The first worker that answers explains."""
    status, body = await get(front[0], "/explain?name=www.example.com")
    assert (status, body) == (200, '{"name": "www.example.com"}')


async def test_status_tells_processes_and_events(front: tuple[Address, dict[str, str]]) -> None:
    """The status lists children and the latest events of note."""
    status, body = await get(front[0], "/status")
    assert status == 200
    assert '"restarts": 3' in body
    assert "an event" in body
