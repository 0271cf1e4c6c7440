"""What is counted of one tenant or workload in one window: the mergeable content of a Telemetry message.

Shares follow from the counts: of TCP ``transport:tcp`` / queries, of cache hits ``answer_source:cache`` /
(``answer_source:cache`` + ``answer_source:upstream``); queries per second from queries / window_seconds.

On the path: telemetry.py decides which rows belong to which window and adds them here. Must not know windows or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.signals import TopItem
from streams.columns import Codes, EventBatch, TenantRows, tally
from streams.quantiles import LogHistogram
from streams.sketches import HyperLogLog
from streams.toplist import TopList

OTHER = "(other)"
"""Bucket of what exceeds a cap; no object can have this name."""

_COUNTED = ("verdict", "rule", "rcode", "qtype", "transport", "answer_source")
_TOPS = ("names", "domains", "clients", "denied")
_TOP_COLUMN = {"names": "qname", "domains": "registered_domain", "clients": "client", "denied": "qname"}
_TRUNCATED = 0x0200  # RFC 1035 section 4.1.1
MAX_COUNTERS = 512
MAX_UPSTREAMS = 16


class Summary:
    """Counts and sketches of some events.

    Args:
        p: size of the HyperLogLogs, see there.
        capacity: items each top list keeps an eye on.
    """

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "capacity",
        "clients",
        "counts",
        "dropped",
        "latency",
        "names",
        "newly_observed",
        "p",
        "queries",
        "tops",
        "upstreams",
    )

    def __init__(self, p: int = 12, capacity: int = 100) -> None:
        self.p, self.capacity = p, capacity
        self.queries = self.bytes_in = self.bytes_out = self.newly_observed = 0
        self.counts: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self.clients, self.names = HyperLogLog(p), HyperLogLog(p)
        self.latency = LogHistogram()
        self.upstreams: dict[str, LogHistogram] = {}
        self.tops = {name: TopList(capacity) for name in _TOPS}

    def add(self, rows: TenantRows) -> None:
        """Take in events."""
        self.queries += len(rows)
        self.bytes_in += int(rows.numbers("query_size").sum())
        self.bytes_out += int(rows.numbers("response_size").sum())
        self._count_values(rows)
        self._count_rest(rows)
        self._add_distinct(rows)
        self._add_latency(rows)

    def count(self, key: str, number: int) -> None:
        """Raise a counter; past the cap, the one for the rest of its kind."""
        if not number:
            return
        if key not in self.counts and len(self.counts) >= MAX_COUNTERS:
            key = f"{key.partition(':')[0]}:{OTHER}"
        self.counts[key] = self.counts.get(key, 0) + number

    def drop(self, source: str, number: int) -> None:
        """Count events a resolver could not publish; sources past the cap share one counter."""
        if source not in self.dropped and len(self.dropped) >= MAX_COUNTERS:
            source = OTHER
        self.dropped[source] = self.dropped.get(source, 0) + number

    def _count_values(self, rows: TenantRows) -> None:
        kinds = rows.batch.once("kinds", _Kinds.of)
        used, counts = tally(kinds.rows[rows.rows], len(kinds.counters))
        numbers = np.bincount(kinds.counters[used].ravel(), np.repeat(counts, len(_COUNTED)), len(kinds.names))
        for at in np.flatnonzero(numbers).tolist():
            if kinds.names[at]:
                self.count(kinds.names[at], int(numbers[at]))

    def _count_rest(self, rows: TenantRows) -> None:
        self.count("truncated", int(np.count_nonzero(rows.derived("flags", "truncated", _truncated))))
        self.count("upstream_failure", int(np.count_nonzero(rows.batch.once("lost", _lost_upstream)[rows.rows])))
        audit_rows, rules = rows.batch.audits
        if not len(audit_rows):
            return
        ours = np.isin(audit_rows, rows.rows)
        for position in np.flatnonzero(ours).tolist():
            self.count(f"audit:{rules[position]}", 1)

    def _add_distinct(self, rows: TenantRows) -> None:
        batch = rows.batch
        for top, column in _TOP_COLUMN.items():
            chosen = rows.only(rows.equal("verdict", "deny")) if top == "denied" else rows
            if not len(chosen):
                continue
            texts, hashes = batch.texts(column), batch.hashes(column)
            codes, counts = chosen.tally(column)
            shown = codes != batch.code_of(column, "")  # no client shown, no registered domain: nothing to list
            codes, counts = codes[shown], counts[shown]
            self.tops[top].add(hashes[codes], counts, partial(_texts, texts, codes))
            if top == "names":
                self.names.add(hashes[codes])
            elif top == "clients":
                self.clients.add(hashes[codes])

    def _add_latency(self, rows: TenantRows) -> None:
        self.latency.add(rows.derived("latency_us", "bucket", LogHistogram.bucket))
        texts = rows.batch.texts("upstream")
        codes, waited = rows.codes("upstream"), rows.derived("upstream_latency_us", "bucket", LogHistogram.bucket)
        for code in rows.tally("upstream")[0].tolist():
            if texts[code]:
                self._upstream(texts[code]).add(waited[codes == code])

    def _upstream(self, name: str) -> LogHistogram:
        if name not in self.upstreams and len(self.upstreams) >= MAX_UPSTREAMS:
            name = OTHER
        return self.upstreams.setdefault(name, LogHistogram())

    def merge(self, other: Summary) -> None:
        """Become the summary of both."""
        self.queries += other.queries
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        for key, number in other.counts.items():
            self.count(key, number)
        for source, number in other.dropped.items():
            self.drop(source, number)
        self.newly_observed += other.newly_observed
        self.clients.merge(other.clients)
        self.names.merge(other.names)
        self.latency.merge(other.latency)
        for name, histogram in other.upstreams.items():
            self._upstream(name).merge(histogram)
        for top, sketch in self.tops.items():
            sketch.merge(other.tops[top])

    def values(self, tops: int = 10) -> dict[str, Any]:
        """Fields of a Telemetry message: everything but tenant, workload and window."""
        return {
            "queries": self.queries,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "counts": dict(sorted(self.counts.items())),
            "clients": float(round(self.clients.estimate())),
            "names": float(round(self.names.estimate())),
            "latency_us": _quantiles(self.latency),
            "upstream_latency_us": {name: _quantiles(self.upstreams[name]) for name in sorted(self.upstreams)},
            **{
                f"top_{name}": tuple(
                    TopItem(item=item, count=count, error=error) for item, count, error in sketch.top(tops)
                )
                for name, sketch in self.tops.items()
            },
            "newly_observed": self.newly_observed,
            "dropped": dict(sorted(self.dropped.items())),
            "bounds": {
                "clients": round(self.clients.bound, 4),
                "names": round(self.names.bound, 4),
                "latency_us": LogHistogram.ACCURACY,
            },
        }

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        upstreams = {name: histogram.pack() for name, histogram in self.upstreams.items()}
        tops = {name: sketch.pack() for name, sketch in self.tops.items() if sketch}
        plain = [self.p, self.capacity, self.queries, self.bytes_in, self.bytes_out, self.counts]
        sketches = [self.clients.pack(), self.names.pack(), self.latency.pack(), upstreams, tops]
        return [*plain, *sketches, self.newly_observed, self.dropped]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Summary:
        """Inverse of pack."""
        summary = cls(packed[0], packed[1])
        summary.queries, summary.bytes_in, summary.bytes_out, summary.counts = packed[2:6]
        summary.clients, summary.names = HyperLogLog(summary.p, packed[6]), HyperLogLog(summary.p, packed[7])
        summary.latency = LogHistogram(*packed[8])
        summary.upstreams = {name: LogHistogram(*item) for name, item in packed[9].items()}
        summary.tops.update({name: TopList.unpack(item) for name, item in packed[10].items()})
        summary.newly_observed, summary.dropped = packed[11:] or (0, {})
        return summary


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
            found, kinds = np.unique(kinds * len(texts) + codes, return_inverse=True)
            before, code = np.divmod(found, len(texts))
            counters = np.column_stack([counters[before], code + len(names)])
            names += [f"{column}:{text or 'none'}" if text or column != "rule" else "" for text in texts]
        return cls(kinds.astype(np.int32), counters, names)


def _truncated(flags: NDArray[Any]) -> NDArray[Any]:
    truncated: NDArray[Any] = (flags & _TRUNCATED) != 0
    return truncated


def _lost_upstream(batch: EventBatch) -> NDArray[np.bool_]:
    """Rows that asked a server in vain."""
    rcode, upstream = batch.codes("rcode"), batch.codes("upstream")
    failed = (rcode == batch.code_of("rcode", "SERVFAIL")) | (rcode == batch.code_of("rcode", ""))
    lost: NDArray[np.bool_] = failed & (upstream != batch.code_of("upstream", ""))
    return lost


def _texts(texts: list[str], codes: NDArray[np.int64], some: NDArray[np.int64]) -> list[str]:
    return [texts[code] for code in codes[some].tolist()]


def _quantiles(histogram: LogHistogram) -> dict[str, float]:
    return dict(zip(("p50", "p90", "p99"), histogram.quantiles(0.5, 0.9, 0.99), strict=True))
