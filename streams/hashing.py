"""64-bit hashes of many strings at once, the same in every process and run: what all sketches stand on.

A polynomial over table-mixed bytes, finished with splitmix64's mixer, computed over the whole Arrow buffer. Stable,
since sketches are kept over restarts and merged; not a defence against someone who crafts collisions against this
very table.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_ODD = 0x9E3779B97F4A7C15
_ROOM = 1024


def mix(values: Hashes) -> Hashes:
    """splitmix64's finaliser: every input bit reaches every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _powers(count: int) -> Hashes:
    powers = np.full(count, np.uint64(_ODD | 1), np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


_TABLE: Hashes = mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(_ODD))
_POWERS: Hashes = _powers(_ROOM)


def hash_strings(values: pa.Array) -> Hashes:
    """Hash of each string (or binary) of an Arrow array without nulls; shape (n,), uint64."""
    count = len(values)
    if not count:
        return np.empty(0, np.uint64)
    _, offsets_buffer, bytes_buffer = values.buffers()
    width = np.int64 if pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type) else np.int32
    offsets = np.frombuffer(offsets_buffer, width)[values.offset : values.offset + count + 1].astype(np.int64)
    starts, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    if bytes_buffer is None or not lengths.any():
        return mix(np.full(count, np.uint64(_ODD)))
    data = np.frombuffer(bytes_buffer, np.uint8)[offsets[0] : offsets[-1]]
    longest = int(lengths.max())
    powers = _POWERS if longest <= _ROOM else _powers(longest)
    position = np.arange(len(data)) - np.repeat(starts, lengths)
    total = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(_TABLE[data] * powers[position], out=total[1:])
    summed = total[starts + lengths] - total[starts]
    return mix(summed + (lengths.astype(np.uint64) + np.uint64(1)) * np.uint64(_ODD))


def hash_text(text: str) -> int:
    """Hash of one string, equal to its hash inside an array."""
    return int(hash_strings(pa.array([text], pa.string()))[0])


def unit(hashes: Hashes) -> NDArray[np.float64]:
    """Hashes as uniform numbers in (0, 1)."""
    return ((hashes >> np.uint64(11)).astype(np.float64) + 0.5) / float(1 << 53)
