"""``python -m streams analytics|sink|delivery --config FILE``: one worker, without Faust's own command line.

Prints ``ready`` once partitions are assigned and tables recovered. SIGTERM or SIGINT ends it cleanly with status 0; a
worker that cannot go on says why in one sentence and ends with status 1, so that a supervisor starts it anew.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def main() -> int:
    """Entry point; the exit status."""
    # Until the worker listens for signals itself, Ctrl-C ends it as SIGTERM does: at once and without a traceback.
    # Hence before the imports, which take longer than anything else here.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import argparse
    from pathlib import Path

    from streams.config import ConfigError

    parser = argparse.ArgumentParser(
        prog="python -m streams", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("worker", choices=["analytics", "sink", "delivery"])
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument("--kafka", default="", metavar="HOST:PORT", help="delivery: the broker, if not in the settings")
    arguments = parser.parse_args()
    try:
        if arguments.worker == "delivery":
            return _deliver(arguments.config, arguments.kafka)
        return _work(arguments.worker, arguments.config)
    except ConfigError as error:
        sys.stderr.write(f"{arguments.worker}: {error}\n")
        return 1


def _work(worker: str, config: Path) -> int:
    import asyncio
    import os

    from streams.config import WorkerSettings, load
    from streams.log import log_to_stderr

    settings = load(config, WorkerSettings)
    log_to_stderr(settings.log_level)
    # Arrow's own allocator keeps what it once had; batches come and go, so the system's is the smaller one.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from streams.worker import WorkerError, run

    status = 0
    try:
        asyncio.run(run(worker, settings))
    except WorkerError as error:
        sys.stderr.write(f"{worker}: {error}\n")
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return os._exit(status)  # threads of a client that waits for its broker would hold the interpreter, for minutes


def _deliver(config: Path, bootstrap: str) -> int:
    import asyncio

    import msgspec

    from streams.config import ConfigError, KafkaSettings
    from streams.delivery.settings import read_settings
    from streams.delivery.worker import run
    from streams.log import log_to_stderr

    settings = read_settings(config)
    kafka = settings.kafka or KafkaSettings(bootstrap=bootstrap)
    if bootstrap:
        kafka = msgspec.structs.replace(kafka, bootstrap=bootstrap)
    if not kafka.bootstrap:
        raise ConfigError(f"{config}: kafka: is missing, and --kafka is not given")
    log_to_stderr(settings.log_level)
    asyncio.run(run(settings, kafka))
    return 0


if __name__ == "__main__":
    sys.exit(main())
