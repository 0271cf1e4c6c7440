"""A file of JSON lines: appended, opened again when somebody moved it away, rotated when it has grown."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from schemas.signals import Alert
from streams.delivery.errors import DeliveryError
from streams.delivery.forms import body_of
from streams.delivery.settings import Target

_MODE = 0o640


class File:
    """Writes lines to one path.

    Args:
        target: its settings.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._path = target, Path(target.path)
        self._most = int(target.rotate_mib * 2**20)

    async def send(self, alert: Alert) -> None:
        """One attempt.

        Raises:
            DeliveryError: the file cannot be written.
        """
        try:
            await asyncio.to_thread(self._append, body_of(alert, self._target.form) + b"\n")
        except OSError as error:
            raise DeliveryError(f"{self._path}: {error.strerror or error}") from error

    async def close(self) -> None:
        """Nothing is held open between lines."""

    def _append(self, line: bytes) -> None:
        """A whole line or none: what a full disk took of it is taken back."""
        self._rotate(len(line))
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
        try:
            size = os.fstat(handle).st_size
            written = os.write(handle, line)
            if written < len(line):
                os.ftruncate(handle, size)
                raise OSError(28, "no space left for a whole line")
            os.fsync(handle)
        finally:
            os.close(handle)

    def _rotate(self, more: int) -> None:
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if not size or size + more <= self._most:
            return
        for number in range(self._target.keep, 0, -1):
            older = self._older(number - 1)
            if older.exists():
                older.replace(self._older(number))
        if not self._target.keep:
            self._path.unlink()

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
