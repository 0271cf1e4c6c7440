"""Which warehouse a setting means: ``http://…`` or ``clickhouse://…``."""

from __future__ import annotations

from streams.warehouse import RefusedError, Warehouse


def connect(url: str) -> Warehouse:
    """The warehouse behind a URL; nothing is asked of it yet.

    Raises:
        RefusedError: for a scheme nobody serves.
    """
    scheme = url.partition("://")[0]
    if scheme == "http":
        from streams.warehouse.loopback import Loopback

        return Loopback(url)
    if scheme == "clickhouse":
        from streams.warehouse.server import Server

        return Server(url)
    raise RefusedError(f"warehouse {url!r}: expected http://host:port or clickhouse://user:password@host:port/database")
