"""INSERT with inline data over HTTP: bytes are pushed into the engine as they arrive, in a writer's thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from chdb.state.sqlitelike import Connection, StreamingInserter

from streams.warehouse import refusal
from streams.warehouse.embedded import apply_settings, engine_error
from streams.warehouse.http_body import Body
from streams.warehouse.http_request import GET_IS_READONLY, READONLY, Ask
from streams.warehouse.sessions import Sessions
from streams.warehouse.statements import Statement


async def insert(
    sessions: Sessions, pool: ThreadPoolExecutor, ask: Ask, statement: Statement, body: Body
) -> dict[str, str]:
    """Run one insert; the numbers of X-ClickHouse-Summary.

    Raises:
        WarehouseError: the engine refused; nothing of the insert is kept when it fits one block (1 M rows).
    """
    if ask.readonly:
        raise refusal(GET_IS_READONLY, READONLY)
    run = partial(asyncio.get_running_loop().run_in_executor, pool)
    stack = ExitStack()
    connection = await run(stack.enter_context, sessions.connection(ask))
    try:
        inserter = await run(_begin, connection, ask, statement)
        try:
            await run(inserter.append, statement.data or b"")
            async for part in body.parts():
                await run(inserter.append, part)
            result = await run(inserter.finish)
        finally:
            await run(inserter.cancel)
    except RuntimeError as error:
        raise engine_error(error) from None
    finally:
        await run(stack.close)
    rows, size = str(result.rows_written), str(result.bytes_written)
    return {
        "read_rows": rows,
        "read_bytes": size,
        "written_rows": rows,
        "written_bytes": size,
        "total_rows_to_read": "0",
        "result_rows": rows,
        "result_bytes": size,
        "elapsed_ns": str(int(result.elapsed * 1e9)),
    }


def _begin(connection: Connection, ask: Ask, statement: Statement) -> StreamingInserter:
    apply_settings(connection, ask.settings)
    return connection.send_insert(statement.head.decode("utf-8", "surrogateescape"), statement.format)
