"""What is counted of one tenant or workload in one window: the mergeable content of a Telemetry message.

Shares follow from the counts: of TCP ``transport:tcp`` / queries, of cache hits ``answer_source:cache`` /
(``answer_source:cache`` + ``answer_source:upstream``); queries per second from queries / window_seconds.

On the path: telemetry.py decides which rows belong to which window, tallies.py counts them. Must not know rows,
windows or time.
"""

from __future__ import annotations

from typing import Any

from schemas.signals import TopItem
from streams.quantiles import LogHistogram
from streams.sketches import HyperLogLog
from streams.tallies import TOPS, Tally
from streams.toplist import TopList

OTHER = "(other)"
"""Bucket of what exceeds a cap; no object can have this name."""

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
        self.tops = {name: TopList(capacity) for name in TOPS}

    def add(self, tally: Tally) -> None:
        """Take in what some events add up to."""
        self.queries += tally.queries
        bytes_in, bytes_out, truncated, lost = tally.sums
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out
        for key, number in (*tally.counters, ("truncated", truncated), ("upstream_failure", lost)):
            self.count(key, number)
        for top, items in tally.items.items():
            self.tops[top].add(*items)
        for top, sketch in (("names", self.names), ("clients", self.clients)):
            if top in tally.items:
                sketch.add(tally.items[top][0])
        self.latency.add(tally.latency)
        for name, buckets in tally.upstreams:
            self._upstream(name).add(buckets)

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


def _quantiles(histogram: LogHistogram) -> dict[str, float]:
    return dict(zip(("p50", "p90", "p99"), histogram.quantiles(0.5, 0.9, 0.99), strict=True))
