"""A tenant's state as named parts: only changes are written; a write cut short leaves the state before it intact.

Each part is written under a key that alternates between two names; ``main``, written after the parts, says which one
counts. Small parts travel inside ``main``. Must not know what the parts hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import lz4.frame
import msgspec

MAIN = "main"
_INLINE = 4096

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def pack(value: object) -> bytes:
    """Plain values as compressed bytes."""
    encoded = _encode(value)
    compressed: bytes = lz4.frame.compress(encoded)
    return compressed


def unpack(value: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    """Inverse of pack."""
    return _decode(lz4.frame.decompress(value))


class Parts:
    """Current value of each part, and which of them have to be written."""

    def __init__(self) -> None:
        self._stored: dict[str, int] = {}
        self._inline: dict[str, bytes] = {}
        self._waiting: dict[str, bytes] = {}
        self._gone: set[str] = set()

    def names(self) -> Iterable[str]:
        """Parts there are, by name."""
        return sorted({*self._stored, *self._inline, *self._waiting})

    def put(self, name: str, value: bytes) -> None:
        """Set a part; it is written at the next flush."""
        self._waiting[name] = value
        self._gone.discard(name)

    def drop(self, name: str) -> None:
        """Remove a part."""
        self._waiting.pop(name, None)
        if self._inline.pop(name, None) is not None or name in self._stored:
            self._gone.add(name)

    def flush(self) -> dict[str, bytes | None]:
        """Keys to write, in order: parts, main, then what main no longer names (None)."""
        if not self._waiting and not self._gone:
            return {}
        written: dict[str, bytes | None] = {}
        gone: list[str] = []
        for name, value in self._waiting.items():
            if len(value) <= _INLINE:
                self._inline[name] = value
                gone += self._keys_of(name)
                continue
            self._inline.pop(name, None)
            self._stored[name] = self._stored.get(name, 0) + 1
            written[_key(name, self._stored[name])] = value
        for name in sorted(self._gone):
            gone += self._keys_of(name)
        self._waiting.clear()
        self._gone.clear()
        written[MAIN] = _encode([self._stored, self._inline])
        written.update(dict.fromkeys(gone))
        return written

    def _keys_of(self, name: str) -> list[str]:
        """Forget a stored part; the keys it was written under."""
        generation = self._stored.pop(name, 0)
        return [_key(name, at) for at in range(max(generation - 1, 1), generation + 1)]

    @classmethod
    def load(cls, get: Callable[[str], bytes | None]) -> tuple[Parts, dict[str, bytes]]:
        """Parts as stored, and their values.

        Raises:
            ValueError: if main names a part that is not there.
        """
        parts, values = cls(), dict[str, bytes]()
        main = get(MAIN)
        if main is None:
            return parts, values
        parts._stored, parts._inline = msgspec.msgpack.decode(main, type=tuple[dict[str, int], dict[str, bytes]])
        values.update(parts._inline)
        for name, generation in parts._stored.items():
            value = get(_key(name, generation))
            if value is None:
                raise ValueError(f"stored state lacks its part {name}, generation {generation}")
            values[name] = value
        return parts, values


def _key(name: str, generation: int) -> str:
    return f"{name}.{generation % 2}"
