"""``python -m streams analytics|sink --config FILE``: one Faust worker, without Faust's own command line.

Prints ``ready`` once partitions are assigned and tables recovered. SIGTERM or SIGINT ends it cleanly with status 0; a
worker that cannot go on says why in one sentence and ends with status 1, so that a supervisor starts it anew.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Entry point; the exit status."""
    # Until the worker listens for signals itself, Ctrl-C ends it as SIGTERM does: at once and without a traceback.
    # Hence before the imports, which take longer than anything else here.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import argparse
    import asyncio
    import logging
    import os
    from pathlib import Path

    from streams.config import ConfigError, WorkerSettings, load

    parser = argparse.ArgumentParser(
        prog="python -m streams", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("worker", choices=["analytics", "sink"])
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings, YAML")
    arguments = parser.parse_args()
    try:
        settings = load(arguments.config, WorkerSettings)
    except ConfigError as error:
        sys.stderr.write(f"{arguments.worker}: {error}\n")
        return 1
    logging.basicConfig(
        stream=sys.stderr, level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Arrow's own allocator keeps what it once had; batches come and go, so the system's is the smaller one.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from streams.worker import OnceInAWhile, WorkerError, run

    for handler in logging.getLogger().handlers:
        handler.addFilter(OnceInAWhile())

    status = 0
    try:
        asyncio.run(run(arguments.worker, settings))
    except WorkerError as error:
        sys.stderr.write(f"{arguments.worker}: {error}\n")
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return os._exit(status)  # threads of a client that waits for its broker would hold the interpreter, for minutes


if __name__ == "__main__":
    sys.exit(main())
