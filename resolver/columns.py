"""Templates of events -> Arrow columns: the pure half of publishing.

Stands after the answer has left: turns rows (rows.py) into the columns of events.SCHEMA, vectorised. It must not know
Kafka, files or clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from functools import cache, lru_cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from resolver.rows import Numbers, Rows
from schemas.events import SCHEMA

_TIMESTAMP = SCHEMA.field("time").type.id
_INDEX, _SLOT = pa.int32(), pa.int64()
_PLACE = {"type": 0, "data": 1, "ttl": 2, "rule": 0, "verdict": 1, "tier": 2}


def columns(rows: Rows, *, source: str, epoch: int, partition: int, first_sequence: int) -> pa.RecordBatch:
    """Columns of events.SCHEMA for rows; row i has sequence ``first_sequence + i``."""
    made = arrays(rows, source=source, epoch=epoch, partition=partition, first_sequence=first_sequence)
    return pa.RecordBatch.from_arrays(list(made), schema=SCHEMA)


def arrays(rows: Rows, *, source: str, epoch: int, partition: int, first_sequence: int) -> Iterator[pa.Array]:
    """The same one column after the other, for a caller with other work in between."""
    count = len(rows)
    given: dict[str, Numbers] = {
        "time": rows.times // 1000,
        "latency_us": rows.latencies,
        "upstream_latency_us": rows.upstreams,
        "sequence": np.arange(first_sequence, first_sequence + count, dtype=np.uint64),
        "epoch": np.full(count, epoch, np.uint64),
        "partition": np.full(count, partition, np.uint16),
    }
    for name, kind, build in _COLUMNS:
        if name in given:
            yield _numbers(kind, given[name])
        elif name == "source":
            yield _text([source], np.zeros(count, np.int64))
        else:
            yield build(name, kind, rows)


def _numbers(kind: pa.DataType, values: Numbers) -> pa.Array:
    # Built from buffers here and below: pa.array() imports pandas when it is installed, 35 MB for nothing.
    values = np.ascontiguousarray(values, None if kind.id == _TIMESTAMP else kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _strings(values: Sequence[str]) -> pa.Array:
    joined = "".join(values)
    encoded: Sequence[Sized] = values if joined.isascii() else [value.encode("utf-8", "replace") for value in values]
    content = pa.py_buffer(joined.encode("utf-8", "replace"))
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(_offsets(encoded)), content)


def _offsets(items: Sequence[Sized]) -> Numbers:
    offsets = np.zeros(len(items) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, items), np.int32, len(items)), out=offsets[1:])
    return offsets


def _text(values: Sequence[str], slots: Numbers) -> pa.Array:
    """Dictionary array whose entry i is ``values[slots[i]]``."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) == 1:
        of_event, strings = np.zeros(len(slots), np.int32), _one_string(distinct[0])
    else:
        strings = _strings(distinct)
        code = {value: number for number, value in enumerate(distinct)}
        of_event = np.fromiter(map(code.__getitem__, values), np.int32, len(values))[slots]
    indices = pa.Array.from_buffers(_INDEX, len(slots), [None, pa.py_buffer(of_event)])
    return pa.DictionaryArray.from_arrays(indices, strings, safe=False)


@lru_cache(maxsize=256)  # most columns of most batches hold one value
def _one_string(value: str) -> pa.Array:
    return _strings([value])


def _text_column(name: str, _kind: pa.DataType, rows: Rows) -> pa.Array:
    return _text(list(map(attrgetter(name), rows.templates)), rows.slots)


def _number_column(name: str, kind: pa.DataType, rows: Rows) -> pa.Array:
    values = np.fromiter(map(attrgetter(name), rows.templates), np.int64, len(rows.templates))
    return _numbers(kind, values[rows.slots])


def _list_column(name: str, kind: pa.DataType, rows: Rows) -> pa.Array:
    """List or map column: the lists of the templates, then one `take` for the events."""
    group, _, part = name.partition(".")
    cells: list[tuple[Any, ...]] = list(map(attrgetter(group), rows.templates))
    items = list(chain.from_iterable(cells))
    if not items:
        nothing = pa.py_buffer(np.zeros(len(rows) + 1, np.int32))
        return pa.Array.from_buffers(kind, len(rows), [None, nothing], children=[_no_items(kind, part)])
    if pa.types.is_map(kind):
        pairs = [_strings([item[0] for item in items]), _strings([item[1] for item in items])]
        child = pa.Array.from_buffers(pa.struct([kind.key_field, kind.item_field]), len(items), [None], children=pairs)
    else:
        values = list(map(itemgetter(_PLACE[part]), items)) if part else items
        child = _numbers(kind.value_type, np.array(values, np.uint32)) if part == "ttl" else _strings(values)
    lists = pa.Array.from_buffers(kind, len(cells), [None, pa.py_buffer(_offsets(cells))], children=[child])
    return compute.take(lists, _numbers(_SLOT, rows.slots), boundscheck=False)


@cache
def _no_items(kind: pa.DataType, part: str) -> pa.Array:
    """The child of a list or map column whose cells are all empty."""
    if pa.types.is_map(kind):
        entry = pa.struct([kind.key_field, kind.item_field])
        return pa.Array.from_buffers(entry, 0, [None], children=[_strings([]), _strings([])])
    return _numbers(kind.value_type, np.zeros(0, np.uint32)) if part == "ttl" else _strings([])


def _builder(kind: pa.DataType) -> Callable[[str, pa.DataType, Rows], pa.Array]:
    if pa.types.is_dictionary(kind):
        return _text_column
    return _list_column if pa.types.is_list(kind) or pa.types.is_map(kind) else _number_column


_COLUMNS = [(column.name, column.type, _builder(column.type)) for column in SCHEMA]
