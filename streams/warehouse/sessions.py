"""Connections for the HTTP interface: a fresh one per request, or the one a ``session_id`` keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chdb.state.sqlitelike import Connection

from streams.warehouse import WarehouseError, refusal
from streams.warehouse.embedded import Database, run
from streams.warehouse.http_request import Ask
from streams.warehouse.rows import rows_of
from streams.warehouse.statements import quoted

_MOST = 64


@dataclass(slots=True)
class _Session:
    connection: Connection
    expires: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """At most 64 sessions; the one idle longest makes room."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def connection(self, ask: Ask) -> Iterator[Connection]:
        """The connection for a request; settings made on it for the request do not outlive it.

        Raises:
            RefusedError: when the session is busy with another query.
        """
        if not ask.session:
            connection = self._database.connect(ask.database)
            try:
                yield connection
            finally:
                connection.close()
            return
        session = self._enter(ask)
        try:
            with _restored(session.connection, [*ask.settings, "readonly"]):
                yield session.connection
        finally:
            session.expires = time.monotonic() + ask.session_seconds
            session.lock.release()

    def close(self) -> None:
        """End all sessions."""
        for session in self._sessions.values():
            session.connection.close()
        self._sessions.clear()

    def _enter(self, ask: Ask) -> _Session:
        with self._lock:
            self._expire()
            session = self._sessions.get(ask.session)
            if session is None:
                session = self._sessions[ask.session] = _Session(self._database.connect(ask.database))
            if not session.lock.acquire(blocking=False):
                raise refusal(
                    f"Code: 373. DB::Exception: Session {ask.session} is locked by a concurrent client."
                    " (SESSION_IS_LOCKED)",
                    373,
                )
        return session

    def _expire(self) -> None:
        now = time.monotonic()
        idle = sorted((s.expires, key) for key, s in self._sessions.items() if not s.lock.locked())
        for rank, (expires, key) in enumerate(idle):
            if expires < now or len(self._sessions) - rank >= _MOST:
                self._sessions.pop(key).connection.close()


@contextmanager
def _restored(connection: Connection, names: list[str]) -> Iterator[None]:
    """Put settings back after a request."""
    sql = "SELECT name, value, changed FROM system.settings WHERE has({names:Array(String)}, name)"
    listed = ",".join(quoted(name) for name in names)
    before = rows_of(run(connection, sql, "JSONCompact", {"names": f"[{listed}]"}).body)
    try:
        yield
    except WarehouseError:
        # A failed query may leave half its output behind, which the next one would get.
        run(connection, "SELECT 1", "TSV")
        raise
    finally:
        for name, value, changed in before:
            run(connection, f"SET {name} = {quoted(value) if int(changed) else 'DEFAULT'}")
