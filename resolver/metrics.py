"""What one worker tells Prometheus, read from the parts when asked for: nothing here costs a query anything.

Names and labels are bounded: tenants up to a number (tally.py), servers as many as policies name; never clients or
names asked. This module must not know HTTP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from resolver.answers.upstream import Upstreams
from resolver.answers.upstream_link import BUCKETS
from resolver.bindings import Bindings
from resolver.fastpath import FastPath
from resolver.handler import Handler
from resolver.limits import Meters
from resolver.listeners.places import Listeners
from resolver.policy.store import PolicyStore
from resolver.publisher import Publisher
from resolver.resolution import Resolution
from resolver.tally import BOUNDS, MOST_TENANTS, OTHER, Kind


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a running worker."""

    publisher: Publisher
    store: PolicyStore
    resolution: Resolution
    fastpath: FastPath
    handler: Handler
    upstreams: Upstreams
    listeners: Listeners
    meters: Meters
    bindings: Bindings


class WorkerMetrics:
    """A collector of one worker's figures."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Families as they are now."""
        yield from self._queries()
        yield from self._events()
        yield from self._memory()
        yield from self._listeners()
        yield from self._upstreams()
        yield from self._policy()

    def _queries(self) -> Iterator[Metric]:
        tally = self._parts.publisher.tally
        queries = CounterMetricFamily(
            "nameward_queries", "queries, counted as their events are published", labels=Kind._fields
        )
        for kind, count in tally.queries.items():
            queries.add_metric(kind, count)
        yield queries
        latency = HistogramMetricFamily(
            "nameward_query_seconds", "time from reading a query to handing over its answer"
        )
        latency.add_metric((), _buckets(BOUNDS, tally.latencies), tally.seconds)
        yield latency

    def _events(self) -> Iterator[Metric]:
        publisher = self._parts.publisher
        counters = publisher.counters
        yield _counter("nameward_events_offered", "events to be published", counters.offered.value)
        yield _counter("nameward_events_dropped", "events given up because the buffer was full", counters.dropped.value)
        yield _counter("nameward_events_acknowledged", "events the broker has taken", counters.acknowledged.value)
        yield _gauge("nameward_events_held", "events in memory, not acknowledged yet", publisher.buffer.held())
        yield _gauge("nameward_events_held_bytes", "memory they are estimated to take", publisher.buffer.held_bytes())
        yield _gauge("nameward_events_held_limit", "most events held", publisher.limits.max_events)
        yield _gauge("nameward_events_held_limit_bytes", "most memory they may take", publisher.limits.max_bytes)
        yield _gauge("nameward_kafka_reachable", "1 while the broker acknowledges", publisher.delivery.reachable)
        yield _gauge(
            "nameward_events_held_back", "1 while events wait for a new broker (SIGUSR1)", publisher.delivery.held
        )

    def _memory(self) -> Iterator[Metric]:
        resolution, fastpath = self._parts.resolution, self._parts.fastpath
        caches = resolution.caches
        yield _gauge("nameward_cache_entries", "answers remembered for all tenants", caches.entries)
        yield _gauge("nameward_cache_bytes", "memory they are estimated to take", caches.octets)
        yield _counter("nameward_cache_evicted", "answers forgotten for want of room", caches.evicted)
        yield _counter("nameward_cache_renewals", "popular answers asked for ahead of their end", resolution.renewals)
        yield _counter(
            "nameward_cache_stale", "questions upstream failed at, answered by what it said earlier", resolution.stale
        )
        yield _gauge("nameward_fastpath_entries", "answers the fast path repeats", len(fastpath))
        yield from self._learnt()
        slow = self._parts.publisher.slow
        yield _counter(
            "nameward_fastpath_hits",
            "queries answered by the fast path",
            max(0, self._parts.publisher.counters.offered.value - slow),
        )

    def _learnt(self) -> Iterator[Metric]:
        held = self._parts.bindings
        yield _gauge("nameward_bindings_names", "names whose addresses were learnt and hold", len(held))
        yield _counter("nameward_bindings_forgotten", "names forgotten for want of room", held.forgotten)
        yield _counter("nameward_bindings_untold", "addresses not told for want of room", held.untold)

    def _listeners(self) -> Iterator[Metric]:
        handler, udp, tcp = self._parts.handler, self._parts.listeners.udp, self._parts.listeners.tcp
        yield _gauge("nameward_queries_in_flight", "queries waiting for upstream", handler.in_flight.total)
        yield _counter(
            "nameward_in_flight_refused",
            "queries not taken because too many waited for upstream",
            handler.in_flight.refused,
        )
        yield self._turned_away()
        yield _counter("nameward_messages_ignored", "messages that were no queries and got no answer", handler.ignored)
        yield _counter("nameward_udp_unsent", "answers the socket did not take", sum(one.unsent for one in udp))
        yield from self._kept_away()
        yield self._shed()
        yield _gauge("nameward_tcp_connections", "open TCP connections", sum(one.open for one in tcp))
        refused, cut = sum(one.refused for one in tcp), sum(one.cut for one in tcp)
        yield _counter("nameward_tcp_refused", "TCP connections closed at once because there were too many", refused)
        yield _counter("nameward_tcp_cut", "TCP connections ended for breaking a limit", cut)

    def _kept_away(self) -> Iterator[Metric]:
        gates = [one.gate for one in self._parts.listeners.udp]
        yield _counter(
            "nameward_udp_filtered",
            "datagrams that the packet filter against floods dropped, in the kernel, before they were read",
            sum(gate.filtered for gate in gates),
        )
        yield _counter(
            "nameward_udp_overflowed",
            "datagrams that the kernel dropped for want of room while no filter was in force",
            sum(gate.overflowed for gate in gates),
        )
        sources = sum(gate.sources for gate in gates)
        yield _gauge("nameward_udp_filter_rules", "networks the packet filter tells apart at the moment", sources)
        works = all(gate.works for gate in gates)
        yield _gauge("nameward_udp_filter_works", "0 where there can be no packet filter", works)

    def _turned_away(self) -> Metric:
        family = CounterMetricFamily("nameward_limited", "queries over a limit", labels=["tenant", "limit", "done"])
        counts = (((tenant, limit, done), count) for tenant, limit, done, count in self._parts.meters.turned_away())
        for labels, count in _few_tenants(counts).items():
            family.add_metric(labels, count)
        return family

    def _shed(self) -> Metric:
        family = CounterMetricFamily(
            "nameward_udp_shed", "queries given up because their tenant had most of too many waiting", labels=["tenant"]
        )
        backlogs = [one.backlog for one in self._parts.listeners.udp]
        waited = (((tenant,), count) for backlog in backlogs for tenant, count in backlog.shed.items())
        for labels, count in _few_tenants(waited).items():
            family.add_metric(labels, count)
        return family

    def _upstreams(self) -> Iterator[Metric]:
        asked = CounterMetricFamily("nameward_upstream_attempts", "questions to a server", labels=["upstream"])
        failed = CounterMetricFamily(
            "nameward_upstream_failures", "of these, without a usable response", labels=["upstream", "reason"]
        )
        stray = CounterMetricFamily(
            "nameward_upstream_mismatched", "datagrams that answered nothing asked", labels=["upstream"]
        )
        latency = HistogramMetricFamily(
            "nameward_upstream_seconds", "time a server took to respond", labels=["upstream"]
        )
        for url, (stats, mismatched) in self._parts.upstreams.stats().items():
            asked.add_metric([url], stats.asked)
            stray.add_metric([url], mismatched)
            latency.add_metric([url], _buckets(BUCKETS, stats.latencies), stats.seconds)
            for reason, count in stats.failed.items():
                failed.add_metric([url, reason], count)
        yield from (asked, failed, stray, latency)
        yield _counter(
            "nameward_upstream_coalesced", "questions that waited for an identical one", self._parts.upstreams.coalesced
        )

    def _policy(self) -> Iterator[Metric]:
        store = self._parts.store
        yield _gauge("nameward_policy_epoch", "rises with every change of policy", store.epoch)
        yield _gauge("nameward_policy_objects", "objects in force", len(store.objects))
        yield _gauge("nameward_policy_refused", "objects and overlays refused", len(store.refusals))
        signals = store.signals
        yield _gauge("nameward_signals_held", "context signals in memory", signals.held)
        yield _counter(
            "nameward_signals_dropped", "signals given up for want of room before they expired", signals.dropped
        )
        yield _counter("nameward_signals_refused", "signals that could not be read or made no sense", signals.refused)
        version = GaugeMetricFamily("nameward_policy_info", "version of the policy in force", labels=["version"])
        version.add_metric([store.version], 1)
        yield version


def registry_of(parts: Parts) -> CollectorRegistry:
    """Registry of one worker: its own figures, and process_* (resident memory, CPU) of the process."""
    registry = CollectorRegistry()
    registry.register(WorkerMetrics(parts))
    ProcessCollector(registry=registry)
    return registry


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _few_tenants(counts: Iterable[tuple[tuple[str, ...], int]]) -> Counter[tuple[str, ...]]:
    """Counts by labels, the tenant first; tenants beyond a number are counted together, as everywhere."""
    shown: dict[str, None] = {}
    found: Counter[tuple[str, ...]] = Counter()
    for (tenant, *others), count in counts:
        if len(shown) < MOST_TENANTS:
            shown.setdefault(tenant)
        found[tenant if tenant in shown else OTHER, *others] += count
    return found


def _buckets(bounds: Iterable[float], counts: list[int]) -> list[tuple[str, float]]:
    """Cumulative buckets as Prometheus wants them."""
    return list(zip([*map(str, bounds), "+Inf"], accumulate(counts), strict=True))
