"""Counters of one worker that outlive it: offered, dropped, acknowledged in a small mapped file.

A worker that is killed cannot say what it had not published yet; its successor under the same source name reads the
file and says it. One file per start of the process, ``<directory>/<source>/<epoch>``, removed once the last word about
that epoch is acknowledged. The page cache keeps the file over kill -9, not over a crash of the machine.
This module must not know Kafka.
"""

from __future__ import annotations

import fcntl
import mmap
from ctypes import c_uint64
from pathlib import Path
from typing import NamedTuple

_FIELDS = 3
_SIZE = 8 * _FIELDS
_LOCK = "lock"


class SourceInUseError(RuntimeError):
    """Another process runs under this source name in this directory."""


class Predecessor(NamedTuple):
    """Final counts of an epoch whose worker did not close it."""

    epoch: int
    offered: int
    dropped: int
    acknowledged: int


class Counters:
    """The counters of this process.

    Args:
        directory: where counters of all sources live; made when missing.
        source: name of the worker slot.
        epoch: Unix milliseconds at which the process started.

    Attributes:
        offered, dropped, acknowledged: cells; assign ``.value``.

    Raises:
        SourceInUseError: when another live process holds the source.
        OSError: when the directory cannot be written.
    """

    def __init__(self, directory: Path, source: str, epoch: int) -> None:
        self._directory = directory / source
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = (self._directory / _LOCK).open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SourceInUseError(f"source {source!r} is in use by another process in {directory}") from None
        self.epoch = max(epoch, *(old.epoch + 1 for old in self.predecessors()), 0)
        self._path = self._directory / str(self.epoch)
        self._path.write_bytes(bytes(_SIZE))
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self.offered, self.dropped, self.acknowledged = (c_uint64.from_buffer(self._map, 8 * i) for i in range(_FIELDS))

    def predecessors(self) -> list[Predecessor]:
        """Epochs of this source about which the last word was not acknowledged, oldest first."""
        own = getattr(self, "_path", None)
        paths = [path for path in self._directory.iterdir() if path.name.isdecimal() and path != own]
        return sorted(Predecessor(int(path.name), *_read(path)) for path in paths)

    def forget(self, epoch: int) -> None:
        """The last word about an epoch is acknowledged: remove its file."""
        (self._directory / str(epoch)).unlink(missing_ok=True)

    def close(self) -> None:
        """Let the source go; the file stays unless this epoch was forgotten."""
        self._lock.close()


def _read(path: Path) -> tuple[int, int, int]:
    value = path.read_bytes()[:_SIZE].ljust(_SIZE, b"\0")
    offered, dropped, acknowledged = (c_uint64.from_buffer_copy(value, 8 * i).value for i in range(_FIELDS))
    return offered, dropped, acknowledged
