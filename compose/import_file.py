"""One input of an import: opened, recognised, numbered by its content.

The epoch of an import is made of what is imported, so that the same input gives the same events, number by number: what
was stored is not stored again. Must not know Kafka.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from compose.failure import Failure
from compose.imports import FormatError
from compose.imports.formats import recognised

STDIN = Path("-")
_MINUTE_MS = 60_000


@contextmanager
def opened(path: Path, given: str) -> Iterator[BinaryIO]:
    """The input, at its beginning; standard input is kept in a temporary file first, since it is read twice.

    Args:
        path: of a file, or ``-``.
        given: format, or auto.

    Raises:
        Failure: if it cannot be read, or is of no known format.
    """
    try:
        with _file(path) as stream:
            recognised(stream, given)
            stream.seek(0)
            yield stream
    except FormatError as error:
        raise Failure(f"{path}: this is {error}") from error
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror or error}") from error


def _file(path: Path) -> BinaryIO:
    if path != STDIN:
        return cast("BinaryIO", path.open("rb"))
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(sys.stdin.buffer, kept)
    kept.seek(0)
    return cast("BinaryIO", kept)


def digest_of(stream: BinaryIO, *meaning: str) -> int:
    """64 bits of a content and of what decides which events it makes; the stream is at its beginning again."""
    found = hashlib.file_digest(cast("io.BufferedReader", stream), lambda: hashlib.blake2b(digest_size=8))
    stream.seek(0)
    for word in meaning:
        found.update(word.encode() + b"\0")
    return int.from_bytes(found.digest(), "big")


def epoch_of(first_ns: int, digest: int) -> int:
    """Epoch of an import: milliseconds that lie in the minute of its first event, which of them the content decides.

    Later captures have later epochs, as restarted resolvers have; analysis relies on that.
    """
    return first_ns // 1_000_000 // _MINUTE_MS * _MINUTE_MS + digest % _MINUTE_MS
