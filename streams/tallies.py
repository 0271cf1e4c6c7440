"""What rows add up to, by group, in one pass over all groups: the columnar half of telemetry.

A batch has many tenants, each with some workloads in one or two panes. Counting group by group costs every numpy call
once a group; here it costs once a batch, and a group gets slices. On the path: columns.py -> here -> summary.py, which
makes state of it. Must not know tenants, windows or sketches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.columns import Codes, EventBatch, Rows
from streams.distinct import begins, in_order, inverse, tally
from streams.hashing import Hashes
from streams.quantiles import Buckets, LogHistogram
from streams.sketches import Counts, Texts

TOPS = {"names": "qname", "domains": "registered_domain", "clients": "client", "denied": "qname"}
"""Lists of the most frequent values, and the column each is of."""
_COUNTED = ("verdict", "rule", "rcode", "qtype", "transport", "answer_source")
_SUMMED = ("query_size", "response_size")
_TRUNCATED = 0x0200  # RFC 1035 section 4.1.1

Items = tuple[Hashes, Counts, Texts]
"""Distinct values of a group: hashes, how often each came, and the texts of some of them."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One group. sums: of bytes in and out, truncated answers, failures of upstream; latency: buckets, one a row."""

    queries: int
    sums: tuple[int, int, int, int]
    counters: list[tuple[str, int]]
    items: dict[str, Items]
    latency: Buckets
    upstreams: list[tuple[str, Buckets]]


class Tallies:
    """Rows of a batch by group.

    Args:
        batch: whose rows they are.
        rows: positions in it, by group; at least one.
        groups: number of each row's group, rising from 0 without gaps.
    """

    def __init__(self, batch: EventBatch, rows: Rows, groups: Rows) -> None:
        self._batch, self._rows, self._groups = batch, rows, groups
        self._count = int(groups[-1]) + 1
        self._starts = _slices(groups, self._count)
        self._sums = np.column_stack([self._summed(values) for values in self._measures()]).tolist()
        self._counters = self._counted()
        self._items = {top: self._distinct(top, column) for top, column in TOPS.items()}
        self._latency = batch.derived("latency_us", "bucket", LogHistogram.bucket)[self._rows]
        self._upstreams = self._by_upstream()

    def of(self, group: int) -> Tally:
        """What one of the groups adds up to."""
        first, end = self._starts[group], self._starts[group + 1]
        items = ((top, _slice(self._batch, TOPS[top], found, group)) for top, found in self._items.items())
        return Tally(
            end - first,
            tuple(self._sums[group]),
            self._counters.get(group, []),
            {top: some for top, some in items if len(some[0])},
            self._latency[first:end],
            self._upstreams.get(group, []),
        )

    def _measures(self) -> Iterator[NDArray[Any]]:
        batch, rows = self._batch, self._rows
        for column in _SUMMED:
            yield batch.numbers(column)[rows].astype(np.int64)
        yield batch.derived("flags", "truncated", _truncated)[rows]
        yield batch.once("lost", _lost_upstream)[rows]

    def _summed(self, values: NDArray[Any]) -> NDArray[np.int64]:
        return np.add.reduceat(values.astype(np.int64), self._starts[:-1])

    def _counted(self) -> dict[int, list[tuple[str, int]]]:
        """Counters of each group that are not zero."""
        kinds = self._batch.once("kinds", _Kinds.of)
        many = len(kinds.counters)
        used, counts = tally(self._groups * many + kinds.rows[self._rows], self._count * many)
        group, kind = np.divmod(used, many)
        keys = (group[:, None] * len(kinds.names) + kinds.counters[kind]).ravel()
        keys, place = inverse(keys)
        numbers = np.bincount(place, np.repeat(counts, len(_COUNTED)), len(keys)).astype(np.int64)
        groups, names = (part.tolist() for part in np.divmod(keys, len(kinds.names)))
        found: dict[int, list[tuple[str, int]]] = {}
        for at, name, number in zip(groups, names, numbers.tolist(), strict=True):
            if kinds.names[name]:
                found.setdefault(at, []).append((kinds.names[name], number))
        for at, rule in self._audited():
            found.setdefault(at, []).append((f"audit:{rule}", 1))
        return found

    def _audited(self) -> Iterator[tuple[int, str]]:
        """Rules in audit mode that matched, and in which group."""
        rows, rules = self._batch.audits
        if not len(rows):
            return
        group_of = np.full(self._batch.columns.num_rows, -1, np.int64)
        group_of[self._rows] = self._groups
        for group, rule in zip(group_of[rows].tolist(), rules, strict=True):
            if group >= 0:
                yield group, rule

    def _distinct(self, top: str, column: str) -> tuple[Codes, Counts, list[int]]:
        """Distinct codes by group, how often each came, where each group's begin."""
        batch, rows, groups = self._batch, self._rows, self._groups
        if top == "denied":
            denied = batch.codes("verdict")[rows] == batch.code_of("verdict", "deny")
            rows, groups = rows[denied], groups[denied]
        size = len(batch.values(column))
        used, counts = tally(groups * size + batch.codes(column)[rows], self._count * size)
        group, code = np.divmod(used, max(size, 1))
        shown = code != batch.code_of(column, "")  # no client shown, no registered domain: nothing to list
        return code[shown], counts[shown], _slices(group[shown], self._count)

    def _by_upstream(self) -> dict[int, list[tuple[str, Buckets]]]:
        batch, texts = self._batch, self._batch.texts("upstream")
        codes = batch.codes("upstream")[self._rows]
        asked = np.flatnonzero(codes != batch.code_of("upstream", ""))
        if not len(asked):
            return {}
        keys, rows = self._groups[asked] * len(texts) + codes[asked], self._rows[asked]
        order = in_order(keys, self._count * len(texts))
        waited = batch.derived("upstream_latency_us", "bucket", LogHistogram.bucket)
        keys, waited = keys[order], waited[rows[order]]
        starts = np.flatnonzero(begins(keys))
        found: dict[int, list[tuple[str, Buckets]]] = {}
        for key, some in zip(keys[starts].tolist(), np.split(waited, starts[1:]), strict=True):
            found.setdefault(key // len(texts), []).append((texts[key % len(texts)], some))
        return found


def _slices(groups: Rows, count: int) -> list[int]:
    """Where each of `count` groups begins among sorted groups, and the end."""
    found: list[int] = np.searchsorted(groups, np.arange(count + 1)).tolist()
    return found


def _slice(batch: EventBatch, column: str, found: tuple[Codes, Counts, list[int]], group: int) -> Items:
    codes, counts, starts = found
    here = slice(starts[group], starts[group + 1])
    return batch.hashes(column)[codes[here]], counts[here], partial(_texts, batch.texts(column), codes[here])


def _texts(texts: list[str], codes: Codes, some: NDArray[np.int64]) -> list[str]:
    return [texts[code] for code in codes[some].tolist()]


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Rows of a batch that have the same values in all counted columns are of one kind; there are few.

    rows: kind of each row. counters: of each kind, one counter a column. names: of counters, empty for one not kept.
    """

    rows: Codes
    counters: NDArray[np.int64]
    names: list[str]

    @classmethod
    def of(cls, batch: EventBatch) -> _Kinds:
        kinds: NDArray[Any] = np.zeros(batch.columns.num_rows, np.int64)
        counters: NDArray[Any] = np.zeros((1, 0), np.int64)
        names: list[str] = []
        for column in _COUNTED:
            texts, codes = batch.texts(column), batch.codes(column)
            found, kinds = inverse(kinds * len(texts) + codes)
            before, code = np.divmod(found, len(texts))
            counters = np.column_stack([counters[before], code + len(names)])
            names += [f"{column}:{text or 'none'}" if text or column != "rule" else "" for text in texts]
        return cls(kinds.astype(np.int32), counters, names)


def _truncated(flags: NDArray[Any]) -> NDArray[np.bool_]:
    truncated: NDArray[np.bool_] = (flags & _TRUNCATED) != 0
    return truncated


def _lost_upstream(batch: EventBatch) -> NDArray[np.bool_]:
    """Rows that asked a server in vain."""
    rcode, upstream = batch.codes("rcode"), batch.codes("upstream")
    failed = (rcode == batch.code_of("rcode", "SERVFAIL")) | (rcode == batch.code_of("rcode", ""))
    lost: NDArray[np.bool_] = failed & (upstream != batch.code_of("upstream", ""))
    return lost
