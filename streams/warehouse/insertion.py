"""INSERT with inline data over HTTP: bytes are spooled to a file as they arrive, and the engine reads them from there.

The engine's own way of taking pieces says nothing of a commit that failed (views, partitions, constraints): rows would
be lost without a word. A statement that reads a file fails as any other.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from streams.warehouse import refusal
from streams.warehouse.embedded import Outcome, apply_settings, run
from streams.warehouse.http_body import Body
from streams.warehouse.http_request import GET_IS_READONLY, READONLY, Ask
from streams.warehouse.sessions import Sessions
from streams.warehouse.statements import Statement, from_file


async def insert(
    ask: Ask, statement: Statement, body: Body, *, sessions: Sessions, pool: ThreadPoolExecutor, spool: Path
) -> dict[str, str]:
    """Run one insert; the numbers of X-ClickHouse-Summary.

    Args:
        ask: the request.
        statement: an INSERT with data.
        body: what is left of the data.
        sessions: where connections come from.
        pool: of threads that write.
        spool: a file of this insert; it is gone afterwards.

    Raises:
        WarehouseError: the engine refused; nothing of the insert is kept when it fits one block (1 M rows).
    """
    if ask.readonly:
        raise refusal(GET_IS_READONLY, READONLY)
    in_thread = partial(asyncio.get_running_loop().run_in_executor, pool)
    started = time.perf_counter()
    try:
        file = await in_thread(spool.open, "wb")
        try:
            await in_thread(file.write, statement.data or b"")
            async for part in body.parts():
                await in_thread(file.write, part)
        finally:
            await in_thread(file.close)
        outcome = await in_thread(_insert, sessions, ask, statement, spool)
    finally:
        await in_thread(partial(spool.unlink, missing_ok=True))
    rows, size = outcome.summary["written_rows"], outcome.summary["written_bytes"]
    return {
        "read_rows": rows,
        "read_bytes": size,
        "written_rows": rows,
        "written_bytes": size,
        "total_rows_to_read": "0",
        "result_rows": rows,
        "result_bytes": size,
        "elapsed_ns": str(int((time.perf_counter() - started) * 1e9)),
    }


def _insert(sessions: Sessions, ask: Ask, statement: Statement, spool: Path) -> Outcome:
    with sessions.connection(ask) as connection:
        apply_settings(connection, ask.settings)
        head = statement.head.decode("utf-8", "surrogateescape")
        return run(connection, from_file(head, str(spool), statement.format), parameters=ask.parameters)
