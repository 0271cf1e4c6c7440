"""Rows of a batch as numbers: dictionary codes, hashes of distinct values once per batch, views per tenant.

On the path: the first step of the analysis; telemetry and detectors read TenantRows only. A batch of many tenants
shares one EventBatch, so that a value is hashed once whoever asked for it. Must not know what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.addresses import Addresses
from streams.distinct import close_together, in_order, tally
from streams.hashing import Hashes, hash_strings

Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
T = TypeVar("T")
_FEW = 32

# Answer types that carry no payload of the asked domain's choosing, or whose size DNSSEC and addressing explain.
_PLAIN_TYPES = pa.array(
    [
        *("A", "AAAA", "NS", "SOA", "PTR", "HTTPS", "SVCB", "CAA", "OPT"),
        *("DS", "DNSKEY", "CDS", "CDNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"),
    ]
)


@dataclass(frozen=True, slots=True)
class Payloads:
    """Answer records that can carry payload, flattened: row of the batch, hash of the data, bytes."""

    rows: Rows
    hashes: Hashes
    weights: NDArray[np.int64]


class EventBatch:
    """A record batch of events (schema events.SCHEMA) and what is worth computing once for all its rows."""

    def __init__(self, columns: pa.RecordBatch) -> None:
        self.columns = columns
        self._coded: dict[str, tuple[Codes, pa.Array]] = {}
        self._kept: dict[tuple[str, str], Any] = {}

    def _column(self, name: str) -> tuple[Codes, pa.Array]:
        if name not in self._coded:
            column = self.columns.column(name)
            if column.null_count or _repeats(column.dictionary):
                column = pc.fill_null(column.cast(pa.string()), "").dictionary_encode()  # one code, one value
            self._coded[name] = (column.indices.to_numpy(zero_copy_only=False), column.dictionary)
        return self._coded[name]

    def codes(self, name: str) -> Codes:
        """Dictionary code of each row."""
        return self._column(name)[0]

    def values(self, name: str) -> pa.Array:
        """The dictionary: distinct values by code."""
        return self._column(name)[1]

    def per_value(self, name: str, what: str, compute: Callable[[pa.Array], T]) -> T:
        """Something computed from the dictionary of a column, once per batch (`what` names it)."""
        key = (name, what)
        if key not in self._kept:
            self._kept[key] = compute(self.values(name))
        found: T = self._kept[key]
        return found

    def once(self, what: str, compute: Callable[[EventBatch], T]) -> T:
        """Something computed from the whole batch for all its tenants, once (`what` names it)."""
        if ("", what) not in self._kept:
            self._kept["", what] = compute(self)
        found: T = self._kept["", what]
        return found

    def hashes(self, name: str) -> Hashes:
        """Hash of each distinct value."""
        found: Hashes = self.per_value(name, "hash", hash_strings)
        return found

    def texts(self, name: str) -> list[str]:
        """Distinct values as strings: all of them, for columns with few or where many tenants name some."""
        found: list[str] = self.per_value(name, "texts", lambda values: values.to_pylist())
        return found

    def named(self, name: str, codes: NDArray[Any]) -> list[str]:
        """Values of these codes as strings."""
        texts = self.texts(name)
        return [texts[code] for code in codes.tolist()]

    def code_of(self, name: str, text: str) -> int:
        """Code of a value; -2 when the batch has none."""
        found: int = self.per_value(name, f"code {text}", lambda values: _position(values, text))
        return found

    def numbers(self, name: str) -> NDArray[Any]:
        """A plain numeric column."""
        if ("", name) not in self._kept:
            column = self.columns.column(name)
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            self._kept["", name] = column.to_numpy(zero_copy_only=False)
        found: NDArray[Any] = self._kept["", name]
        return found

    def derived(self, name: str, what: str, compute: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
        """What `compute` makes of each value of a plain numeric column, once (`what` names it)."""
        return self.once(f"{name} {what}", lambda batch: compute(batch.numbers(name)))

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """Event time of each row, Unix seconds."""
        return self.numbers("time") / 1e6

    @cached_property
    def payloads(self) -> Payloads:
        """What answers carry beside addresses and delegation."""
        types = self.columns.column("answers.type")
        flat = types.flatten()
        wanted = np.flatnonzero(~pc.is_in(flat, value_set=_PLAIN_TYPES).to_numpy(zero_copy_only=False))
        rows = pc.list_parent_indices(types).to_numpy(zero_copy_only=False)[wanted]
        data = self.columns.column("answers.data").flatten().take(pa.array(wanted))
        sizes = pc.binary_length(data).to_numpy(zero_copy_only=False).astype(np.int64)
        generic = pc.starts_with(data, r"\#").to_numpy(zero_copy_only=False)  # RFC 3597 section 5: hexadecimal
        weights = np.where(generic, np.maximum(sizes - 6, 0) // 2, sizes)
        return Payloads(rows.astype(np.int64), hash_strings(data), weights)

    @cached_property
    def addresses(self) -> Addresses:
        """Addresses in answers that came from upstream; what a cache repeats was told when it came."""
        return Addresses.of(self.columns, self.codes("answer_source") == self.code_of("answer_source", "upstream"))

    @cached_property
    def audits(self) -> tuple[Rows, list[str]]:
        """Rules in audit mode that matched, flattened: row of the batch, rule."""
        rules = self.columns.column("audits.rule")
        rows = pc.list_parent_indices(rules).to_numpy(zero_copy_only=False)
        return rows.astype(np.int64), rules.flatten().to_pylist()


def _repeats(values: pa.Array) -> bool:
    """Whether a dictionary holds a value twice."""
    if len(values) <= _FEW:
        return len(set(values.to_pylist())) < len(values)
    return bool(pc.count_distinct(values).as_py() < len(values))


def _position(values: pa.Array, text: str) -> int:
    """Where a value is, -2 for nowhere: no row has that code."""
    found: int = pc.index(values, text).as_py() if len(values) > _FEW else [*values.to_pylist(), text].index(text)
    return found if 0 <= found < len(values) else -2


@dataclass(frozen=True, slots=True)
class TenantRows:
    """Rows of one tenant in a batch. `rows` are their positions, rising; `times` their event times, Unix seconds.

    `whole`: they are all of the tenant's, at the times they say, so that what is computed for the batch holds for them.
    """

    batch: EventBatch
    rows: Rows
    times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    whole: bool = False
    _kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, columns: pa.RecordBatch) -> TenantRows:
        """All rows of a record batch of one tenant."""
        return cls.pick(EventBatch(columns), np.arange(columns.num_rows))

    @classmethod
    def pick(cls, batch: EventBatch, rows: Rows) -> TenantRows:
        """A tenant's rows of a batch."""
        return cls(batch, rows, batch.seconds[rows], whole=True)

    def __len__(self) -> int:
        return len(self.rows)

    def codes(self, name: str) -> Codes:
        """Dictionary codes of these rows, not to be written to: whoever asks next gets the same."""
        if name not in self._kept:
            codes = self.batch.codes(name)[self.rows]
            codes.flags.writeable = False
            self._kept[name] = codes
        found: Codes = self._kept[name]
        return found

    def tally(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Distinct codes of these rows, rising, and how often each occurs; not to be written to."""
        key = f"tally {name}"
        if key not in self._kept:
            self._kept[key] = tally(self.codes(name), len(self.batch.values(name)))
        found: tuple[NDArray[np.int64], NDArray[np.int64]] = self._kept[key]
        return found

    def numbers(self, name: str) -> NDArray[Any]:
        """Values of a plain numeric column for these rows."""
        return self.batch.numbers(name)[self.rows]

    def derived(self, name: str, what: str, compute: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
        """What `compute` makes of each value of a plain numeric column, for these rows; computed once per batch."""
        return self.batch.derived(name, what, compute)[self.rows]

    def equal(self, name: str, text: str) -> Mask:
        """Which of these rows have this value."""
        same: Mask = self.codes(name) == self.batch.code_of(name, text)
        return same

    def only(self, mask: Mask | Rows) -> TenantRows:
        """Those of these rows where the mask holds, or at these places."""
        return TenantRows(self.batch, self.rows[mask], self.times[mask])

    def not_later_than(self, limit: float) -> TenantRows:
        """The same rows with times clamped: one resolver's wrong clock must not close everybody's windows."""
        if not len(self) or self.times.max() <= limit:
            return self
        return replace(self, times=np.minimum(self.times, limit), whole=False)

    def spans(self, seconds: float) -> Iterator[TenantRows]:
        """These rows in spans of so many seconds by their times, one after the other; as they are if all lie in one."""
        if not len(self) or self.times.max() - self.times.min() <= seconds:
            yield self
            return
        numbers = (self.times // seconds).astype(np.int64)
        for number in close_together(numbers):
            yield self.only(numbers == number)


def split_by_tenant(columns: pa.RecordBatch) -> list[tuple[str, TenantRows]]:
    """Rows of each tenant, tenants by name, rows in order; they share one EventBatch."""
    batch = EventBatch(columns)
    codes, texts = batch.codes("tenant"), batch.texts("tenant")
    used, counts = tally(codes, len(texts))
    order = in_order(codes, len(texts))
    parts = np.split(order, np.cumsum(counts)[:-1]) if len(used) else []
    named = zip((texts[code] for code in used.tolist()), parts, strict=True)
    return [(name, TenantRows.pick(batch, rows)) for name, rows in sorted(named, key=lambda item: item[0])]
