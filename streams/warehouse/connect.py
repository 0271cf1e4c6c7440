"""Which warehouse a setting means: ``http://…`` or ``clickhouse://…``."""

from __future__ import annotations

from streams.warehouse import RefusedError, Warehouse


def connect(url: str, *, answer_s: float = 0.0) -> Warehouse:
    """The warehouse behind a URL; nothing is asked of it yet.

    Args:
        url: of a server or an embedded store.
        answer_s: patience with one statement, seconds; 0 for what inserts need.

    Raises:
        RefusedError: for a scheme nobody serves.
    """
    scheme = url.partition("://")[0]
    if scheme == "http":
        from streams.warehouse.loopback import Loopback

        return Loopback(url, timeout_s=answer_s or 30.0)
    if scheme == "clickhouse":
        from streams.warehouse.server import Server

        return Server(url, answer_s=answer_s or 60.0)
    raise RefusedError(f"warehouse {url!r}: expected http://host:port or clickhouse://user:password@host:port/database")
