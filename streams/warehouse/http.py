"""ClickHouse's HTTP interface over the embedded database: what curl and clickhouse-connect expect of port 8123.

A result is spooled to a file by the engine, compressed as the client asked, and then sent: memory stays flat whatever
the size, an error is known before the status line, and a slow reader holds no engine thread. Engine calls run in
threads: a pool for reading and another for inserts, so that analysts never stand in the sink's way.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from chdb.state.sqlitelike import Connection

from streams.warehouse import WarehouseError, refusal
from streams.warehouse.accounts import Doorkeeper
from streams.warehouse.analysts import analyst, discreet, restricted
from streams.warehouse.embedded import Database, apply_settings, run
from streams.warehouse.http_body import Body
from streams.warehouse.http_request import (
    GET_IS_READONLY,
    OPERATORS,
    READONLY,
    Ask,
    RequestError,
    credentials,
    error_text,
    of_this_machine,
    read_ask,
    status_of,
    stranger,
)
from streams.warehouse.insertion import insert
from streams.warehouse.sessions import Sessions
from streams.warehouse.statements import Statement, StatementError, parse, quoted

_READERS, _WRITERS = 4, 2
_CHUNK = 1 << 20
_SIZE = "spooled"
_GONE = 499  # told to nobody: the client went away before its request or its answer was whole
_CONTENT_TYPES = {
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsonstrings": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "csvwithnamesandtypes": "text/csv; charset=UTF-8; header=present",
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnamesandtypes": "text/tab-separated-values; charset=UTF-8",
    "xml": "application/xml; charset=UTF-8",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "parquet": "application/octet-stream",
    "rowbinarywithnamesandtypes": "application/octet-stream",
    "arrow": "application/octet-stream",
    "arrowstream": "application/octet-stream",
}


class HttpInterface:
    """Handlers over one Database.

    Args:
        database: opened; this object does not close it.
        version: engine version shown in errors.
        name: shown as X-ClickHouse-Server-Display-Name.
    """

    def __init__(self, database: Database, *, version: str, name: str = "nameward") -> None:
        self._database = database
        self._version = version
        self._name = name
        self._sessions = Sessions(database)
        self._readers = ThreadPoolExecutor(_READERS, "read")
        self._writers = ThreadPoolExecutor(_WRITERS, "write")
        self._door = ThreadPoolExecutor(1, "door")
        self._doorkeeper = Doorkeeper(database.path)

    def application(self) -> web.Application:
        """The aiohttp application; run it with ``auto_decompress=False``, bodies are unpacked here."""
        app = web.Application(client_max_size=1 << 40)
        for path in ("/ping", "/replicas_status"):
            app.router.add_get(path, _ok)  # and HEAD
        app.router.add_route("*", "/", self._handle)
        return app

    def close(self) -> None:
        """Stop the threads; queries that run are waited for."""
        for pool in (self._readers, self._writers, self._door):
            pool.shutdown(cancel_futures=True)
        self._sessions.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            ask = replace(read_ask(request), tenant=await self._tenant(request))
        except RequestError as error:
            return self._refusal(str(error), error.code, "", error.status)
        try:
            return await self._answer(request, ask)
        except StatementError as error:
            return self._refusal(str(error), 62 if "SYNTAX" in str(error) else 1, ask.query_id)
        except WarehouseError as error:
            return self._refusal(str(error), error.code, ask.query_id)
        except ConnectionError:
            return web.Response(status=_GONE)

    async def _tenant(self, request: web.Request) -> str:
        """Whom the request comes from: an analyst's tenant, or nothing for the operator.

        Raises:
            RequestError: an unknown user, a wrong password, an operator on another machine.
        """
        user, password = credentials(request)
        if user in OPERATORS:
            if not of_this_machine(request.remote or ""):
                raise stranger(user or "default")
            return ""
        tenant = await asyncio.get_running_loop().run_in_executor(
            self._door, self._doorkeeper.tenant_of, user, password
        )
        if tenant is None:
            raise stranger(user)
        return tenant

    async def _answer(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        body = Body(request)
        text = ask.query + await body.head(None if not ask.query else 0)
        if not text.strip():
            return web.Response(text="Ok.\n")
        statement = parse(text)
        if statement.data is None and not body.complete:
            statement = parse(text + await body.rest())
        if ask.tenant:
            return await self._read(request, restricted(ask), statement)
        if statement.data is not None:
            spool = self._database.spool_file()
            summary = await insert(ask, statement, body, sessions=self._sessions, pool=self._writers, spool=spool)
            return web.Response(headers=self._headers(ask, summary))
        if ask.readonly and not statement.reads and statement.verb not in {"SET", "USE"}:
            raise refusal(GET_IS_READONLY, READONLY)
        return await self._read(request, ask, statement)

    async def _read(self, request: web.Request, ask: Ask, statement: Statement) -> web.StreamResponse:
        started = time.perf_counter()
        spool = self._database.spool_file()
        try:
            summary = await asyncio.get_running_loop().run_in_executor(self._readers, self._run, ask, statement, spool)
            summary["elapsed_ns"] = str(int((time.perf_counter() - started) * 1e9))
            return await self._send(request, ask, statement, spool, summary)
        finally:
            spool.unlink(missing_ok=True)

    def _run(self, ask: Ask, statement: Statement, spool: Path) -> dict[str, str]:
        """In a thread: run the statement, leave its result in the spool file."""
        if ask.tenant:
            with analyst(self._database, ask, statement) as connection:
                summary = discreet(self._execute(connection, ask, statement, spool))
            return {**summary, _SIZE: str(spool.stat().st_size if spool.exists() else 0)}
        with self._sessions.connection(ask) as connection:
            apply_settings(connection, ask.settings)
            if ask.readonly and not ask.session:  # a session's connection could never be written with again
                apply_settings(connection, {"readonly": "2"})
            summary = self._execute(connection, ask, statement, spool)
        return {**summary, _SIZE: str(spool.stat().st_size if spool.exists() else 0)}

    def _execute(self, connection: Connection, ask: Ask, statement: Statement, spool: Path) -> dict[str, str]:
        sql = statement.head.decode("utf-8", "surrogateescape")
        name = statement.format or ask.default_format
        tail = statement.tail.decode()
        if statement.reads:
            sql += f"\nINTO OUTFILE {quoted(str(spool))} TRUNCATE COMPRESSION '{ask.encoding or 'none'}'"
            sql += f" FORMAT {name} {tail}"
            result = run(connection, sql, name, ask.parameters)
        else:
            if statement.format:
                sql += f"\nFORMAT {statement.format} {tail}"
            result = run(connection, sql, name, ask.parameters)
            spool.write_bytes(result.body)
        return result.summary

    async def _send(
        self, request: web.Request, ask: Ask, statement: Statement, spool: Path, summary: dict[str, str]
    ) -> web.StreamResponse:
        name = statement.format or ask.default_format
        size = int(summary.pop(_SIZE))
        response = web.StreamResponse(headers=self._headers(ask, summary, name))
        if ask.encoding and statement.reads:
            response.headers["Content-Encoding"] = ask.encoding
        response.content_length = size
        await response.prepare(request)
        if size and request.method != "HEAD":
            with spool.open("rb") as file:
                os.unlink(spool)  # noqa: PTH108 - a reader that goes away leaves nothing behind; no reading, so no waiting
                while chunk := file.read(_CHUNK):
                    await response.write(chunk)
        await response.write_eof()
        return response

    def _headers(self, ask: Ask, summary: dict[str, str], name: str = "") -> dict[str, str]:
        headers = {
            "X-ClickHouse-Query-Id": ask.query_id,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": self._name,
            "X-ClickHouse-Summary": json.dumps(summary, separators=(",", ":")),
        }
        if name:
            headers["X-ClickHouse-Format"] = name
            headers["Content-Type"] = _CONTENT_TYPES.get(name.lower(), "text/plain; charset=UTF-8")
        return headers

    def _refusal(self, message: str, code: int, query_id: str, status: int = 0) -> web.Response:
        headers = {
            "X-ClickHouse-Exception-Code": str(code),
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": self._name,
        }
        return web.Response(status=status or status_of(code), text=error_text(message, self._version), headers=headers)


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n", content_type="text/plain", charset="utf-8")
