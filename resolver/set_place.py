"""Where files of domain sets lie, and where their indexes are kept: names of files in, open maps out.

The blocking half of set_files.py, run in threads. A path an operator wrote is held below the directory of the
settings, whatever ``..`` or link stands in it.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from time import time

from resolver.policy.set_contents import SetContents, build_index, index_key, open_index, opening_index
from resolver.policy.set_index import DamagedIndexError
from resolver.policy.steps import Steps
from resolver.set_build import SUFFIX
from schemas.objects import SetFile

SMALL = 1 << 16
"""Bytes up to which a file's index is built by each worker for itself, in memory."""
_LARGEST = 1 << 30
_UNUSED_S = 600.0


class PlaceError(Exception):
    """A file that cannot be read; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was found: its real path, and what tells that it changed."""

    path: Path
    size: int
    stamp: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Places:
    """Directories: root of what operators name (None: there is none), indexes for what is built of it."""

    root: Path | None
    indexes: Path

    def look(self, file: SetFile) -> Seen:
        """Find a file.

        Raises:
            PlaceError: if it is not there, not below the root or no regular file.
        """
        if self.root is None:
            raise PlaceError("the resolver's settings name no directory for files of domain sets (domain_sets)")
        wrong = f"expected a path below the directory of the resolver's settings, got {file.path!r}"
        try:
            root = self.root.resolve()
            path = (root / file.path).resolve(strict=True)
            if not path.is_relative_to(root):
                raise PlaceError(wrong)
            found = path.stat()
        except OSError as error:
            inside = Path(os.path.normpath(self.root / file.path)).is_relative_to(self.root)
            if not inside or error.errno == errno.ELOOP:
                raise PlaceError(wrong) from error
            raise PlaceError(f"{file.path}: {_reason(error)}") from error
        except (ValueError, RuntimeError) as error:  # a NUL in the path; links in a circle, before Python 3.13
            raise PlaceError(wrong) from error
        if not stat.S_ISREG(found.st_mode):
            raise PlaceError(f"{file.path}: no regular file")
        if found.st_size > _LARGEST:
            raise PlaceError(f"{file.path}: larger than {_LARGEST >> 20} MiB")
        return Seen(path, found.st_size, (found.st_mtime_ns, found.st_size, found.st_ino))

    def key_of(self, seen: Seen, file: SetFile) -> str:
        """Name of the index of a file; raises PlaceError as look does."""
        try:
            with seen.path.open("rb") as source:
                return index_key(file_digest(source, "sha256").digest(), file.format)
        except OSError as error:
            raise PlaceError(f"{file.path}: {_reason(error)}") from error

    def read_small(self, seen: Seen, file: SetFile) -> SetContents:
        """Contents of a small file, in memory; raises PlaceError as look does."""
        try:
            content = seen.path.read_bytes()
        except OSError as error:
            raise PlaceError(f"{file.path}: {_reason(error)}") from error
        return open_index(b"".join(build_index(content, file.format)), file.path)

    def opening(self, key: str, file: SetFile) -> Steps[SetContents | None]:
        """Contents of the index of this name, mapped, in slices; None when it has to be built."""
        path = self.indexes / f"{key}{SUFFIX}"
        try:
            with path.open("rb") as source:
                os.utime(source.fileno())  # still in use
                mapped = mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ)
            return (yield from opening_index(memoryview(mapped), file.path))
        except FileNotFoundError:
            return None
        except (DamagedIndexError, ValueError):  # not what this program wrote
            path.unlink(missing_ok=True)
            return None

    def tidy(self, used: set[str]) -> None:
        """Remove what nobody used for a while; what is mapped somewhere lives on until it is let go."""
        for path in self.indexes.iterdir() if self.indexes.is_dir() else ():
            with suppress(OSError):
                if path.name.partition(".")[0] in used:
                    os.utime(path)
                elif path.stat().st_mtime < time() - _UNUSED_S:
                    path.unlink()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
