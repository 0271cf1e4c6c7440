"""The store process: ``python -m streams.warehouse --config FILE`` opens chDB and serves ClickHouse's HTTP interface.

It prints ``ready`` when it answers. SIGTERM or SIGINT ends it cleanly. The only process that opens the database.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from streams.config import ConfigError, StoreSettings, command_line, load
from streams.warehouse import WarehouseError
from streams.warehouse.embedded import Database, Embedded
from streams.warehouse.engine_config import Limits
from streams.warehouse.http import HttpInterface
from streams.warehouse.migrations import migrate


async def serve(settings: StoreSettings) -> None:
    """Serve until a signal.

    Raises:
        WarehouseError: the database cannot be opened or is newer than this program.
        OSError: the port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database = Database(
        Path(settings.path),
        Limits(server_mib=settings.memory_mib, query_mib=settings.query_mib, query_seconds=settings.query_seconds),
    )
    database.open()
    warehouse = Embedded(database)
    migrate(warehouse)
    interface = HttpInterface(database, version=str(warehouse.query("SELECT version()")[0][0]))
    runner = web.AppRunner(interface.application(), auto_decompress=False, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.address, settings.port).start()
        sys.stdout.write(f"ready http://{settings.address}:{settings.port}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()
        interface.close()
        database.close()


def main() -> int:
    """Entry point; the exit status."""
    try:
        asyncio.run(serve(load(command_line("streams.warehouse"), StoreSettings)))
    except (ConfigError, WarehouseError, OSError) as error:
        sys.stderr.write(f"store: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
