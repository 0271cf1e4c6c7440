"""Where the embedded stack keeps its things and where it listens.

One directory holds everything: settings of the children, logs, counters, snapshots, the store. ``run/stack.json`` tells
the other commands of ``nameward`` where a running stack listens, so that they need no options.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from compose.failure import Failure
from compose.ports import Address

DEFAULT_DIRECTORY = ".nameward"


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stack listens, as host:port."""

    listen: str = "127.0.0.1:5300"
    admin: str = "127.0.0.1:9153"
    kafka: str = "127.0.0.1:9092"
    clickhouse: str = "127.0.0.1:8123"
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below the stack's directory, and its addresses."""

    directory: Path
    listen: Address
    admin: Address
    kafka: Address
    clickhouse: Address
    workers: int = 2
    embedded_broker: bool = True
    broker_mb: int = 350
    demo: bool = field(default=True)
    delivery: Path | None = None

    @property
    def run(self) -> Path:
        """Settings of the children."""
        return self.directory / "run"

    @property
    def log(self) -> Path:
        """What the children wrote to standard error."""
        return self.directory / "log"

    @property
    def admin_sockets(self) -> Path:
        """Admin endpoints of the workers, one Unix socket each."""
        return self.directory / "admin"

    @property
    def tables(self) -> Path:
        """State of the stream processors; it belongs to one broker's log."""
        return self.directory / ("tables" if self.embedded_broker else "tables-kafka")

    @property
    def store(self) -> Path:
        """The database."""
        return self.directory / "store"

    @property
    def mirror(self) -> Path:
        """Last known objects and overlays (see mirror.py)."""
        return self.directory / "policy.mirror"

    def prepare(self) -> None:
        """Create the directories.

        Raises:
            Failure: if that is not possible.
        """
        try:
            for path in (
                self.directory,
                self.run,
                self.log,
                self.admin_sockets,
                self.tables,
                self.store,
                self.directory / "counters",
            ):
                path.mkdir(parents=True, exist_ok=True)
            if not os.access(self.directory, os.W_OK):
                raise PermissionError(13, "Permission denied", str(self.directory))
        except OSError as error:
            raise Failure(f"cannot use {self.directory} as the stack's directory: {error.strerror or error}") from error
        longest = len(str((self.admin_sockets / "analytics").absolute()))
        if longest > 100:  # sun_path of unix(7) holds 108 bytes
            raise Failure(f"the path of {self.directory} is too long for Unix sockets: choose a shorter --directory")

    def wipe_tables(self) -> None:
        """Forget the stream processors' state; what was learnt is read back from the store."""
        shutil.rmtree(self.tables, ignore_errors=True)
        self.tables.mkdir(parents=True, exist_ok=True)

    def announce(self) -> None:
        """Tell other commands where this stack listens."""
        endpoints = Endpoints(
            listen=str(self.listen),
            admin=str(self.admin),
            kafka=str(self.kafka),
            clickhouse=str(self.clickhouse),
            pid=os.getpid(),
        )
        path = self.run / "stack.json"
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(endpoints))
        draft.replace(path)


def lock(directory: Path) -> IO[str]:
    """Hold the directory for this process until it ends.

    Raises:
        Failure: if another stack runs on it.
    """
    handle = (directory / "lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        owner = handle.read().strip()
        handle.close()
        raise Failure(f"another stack already runs on {directory}{f' (pid {owner})' if owner else ''}") from error
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def endpoints_of(directory: Path) -> Endpoints:
    """Where the stack of a directory listens; the defaults if there is none or it left no word."""
    try:
        return msgspec.json.decode((directory / "run" / "stack.json").read_bytes(), type=Endpoints)
    except (OSError, msgspec.MsgspecError):
        return Endpoints()
