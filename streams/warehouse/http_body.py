"""The body of a request, unpacked (Content-Encoding gzip, deflate, zstd, lz4) and handed over piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol, cast

import lz4.frame
import zstandard
from aiohttp import web

from streams.warehouse import RefusedError

_HEAD = 1 << 18
_STEP = 1 << 18
_STATEMENT = 1 << 26


class _Frame(Protocol):
    """One frame of a compression format, as zlib, lz4 and zstandard model it."""

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes) -> bytes: ...


# zlib's 47: zlib or gzip header, whichever comes.
_FRAMES: dict[str, Callable[[], _Frame]] = {
    "gzip": lambda: cast("_Frame", zlib.decompressobj(47)),
    "deflate": lambda: cast("_Frame", zlib.decompressobj(47)),
    "zstd": lambda: cast("_Frame", zstandard.ZstdDecompressor().decompressobj()),
    "lz4": lambda: cast("_Frame", lz4.frame.LZ4FrameDecompressor()),
}


class _Unpacker:
    """Frames one after another: clients compress block by block."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in {"", "identity", *_FRAMES}:
            raise RefusedError(
                f"Code: 89. DB::Exception: Unknown compression method '{name}'. (UNKNOWN_COMPRESSION_METHOD)", 89
            )
        self._start = _FRAMES.get(name)
        self._frame: _Frame | None = None

    def decompress(self, data: bytes) -> bytes:
        if self._start is None:
            return data
        parts = []
        while data:
            if self._frame is None:
                self._frame = self._start()
            parts.append(self._frame.decompress(data))
            data = b""
            if self._frame.eof:
                data, self._frame = self._frame.unused_data, None
        return b"".join(parts)


class Body:
    """Unpacked bytes of a request's body, read as they are needed."""

    def __init__(self, request: web.Request) -> None:
        self._content = request.content
        self._unpacker = _Unpacker(request.headers.get("Content-Encoding", ""))
        self.complete = not request.can_read_body

    async def head(self, size: int | None = None) -> bytes:
        """The first bytes: enough to hold a statement up to its data (ClickHouse's max_query_size)."""
        parts: list[bytes] = []
        wanted = _HEAD if size is None else max(size, 1)
        while not self.complete and sum(map(len, parts)) < wanted:
            parts.append(await self._read())
        return b"".join(parts)

    async def rest(self) -> bytes:
        """All that is left; refuses what no statement can be."""
        parts: list[bytes] = []
        async for part in self.parts():
            parts.append(part)
            if sum(map(len, parts)) > _STATEMENT:
                raise RefusedError("Code: 229. DB::Exception: Query is too large. (QUERY_IS_TOO_LARGE)", 229)
        return b"".join(parts)

    async def parts(self) -> AsyncIterator[bytes]:
        """What is left, piece by piece."""
        while not self.complete:
            part = await self._read()
            if part:
                yield part

    async def _read(self) -> bytes:
        packed = await self._content.read(_STEP)
        if not packed:
            self.complete = True
            return b""
        try:
            return self._unpacker.decompress(packed)
        except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
            raise RefusedError(
                f"Code: 354. DB::Exception: cannot decompress the body: {error}. (ZLIB_INFLATE_FAILED)", 354
            ) from None
