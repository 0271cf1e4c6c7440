"""``python -m resolver --config FILE``: one resolver worker until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import pyarrow as pa
import uvloop

from resolver.app import StartError, Worker
from resolver.config import ConfigError, Settings, load_settings


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0 after a clean end, 2 for settings that cannot be used, 1 when the start fails."""
    parser = argparse.ArgumentParser(prog="nameward resolver", description="Run one resolver worker.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in YAML; without it, the defaults hold")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters of it is said once by publisher and feed
    try:
        settings = load_settings(given.config) if given.config else Settings()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # Arrow's own allocators keep ten megabytes they have no use for: batches here are small and short-lived.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        uvloop.run(_serve(settings))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    await Worker(settings).run()


if __name__ == "__main__":
    sys.exit(main())
