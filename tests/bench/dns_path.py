"""Queries per second and latency of one core: every server on the same core, the same generator on the other, in one run."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests import peers
from tests.bench import contenders
from tests.bench.contenders import ZONE, Contender
from tests.bench.pinned import OTHER_CORE
from tests.bench.results import Table, median, thousands
from tests.integration import load
from tests.integration.kafka import ApacheKafka

CLIENT = "127.0.1.20"
_CACHED_NAMES = 1000
_GENERATOR = ("-c", "20", "-T", "1", "-q", "200")


@dataclass(frozen=True)
class Course:
    """One run: where servers keep their files, the upstream they ask, how often and for how many seconds each is measured."""

    directory: Path
    upstream: int
    rounds: int
    seconds: float

    def rates(self, servers: list[Contender], names_of: Callable[[int], Path], *, warm: bool) -> dict[str, list[float]]:
        """Queries/s of every round by server; servers take turns, so that a slow moment of the machine hits them all."""
        found: dict[str, list[float]] = {server.name: [] for server in servers}
        for turn in range(self.rounds):
            for server in servers:
                names = names_of(turn)
                with server.run(contenders.fresh(self.directory / "server"), self.upstream) as port:
                    if warm:
                        generate(port, names, "-l", "1")
                    report = generate(port, names, "-l", str(self.seconds))
                found[server.name].append(report.qps)
                print(f"{server.name}: {report.qps:,.0f} qps, {report.lost} lost of {report.sent}", flush=True)
        return found

    def latencies(self, servers: list[Contender], names: Path, rate: float) -> dict[str, list[tuple[float, float]]]:
        """p50 and p99 in ms of every round by server, all at the same rate."""
        found: dict[str, list[tuple[float, float]]] = {server.name: [] for server in servers}
        for _ in range(self.rounds):
            for server in servers:
                with server.run(contenders.fresh(self.directory / "server"), self.upstream) as port:
                    generate(port, names, "-l", "1")
                    report = generate(port, names, "-l", str(self.seconds), "-Q", str(int(rate)), "-v")
                found[server.name].append((report.percentile(0.5), report.percentile(0.99)))
                print(f"{server.name}: p50 {report.percentile(0.5):.3f} ms, p99 {report.percentile(0.99):.3f} ms", flush=True)
        return found


def measure(rounds: int, seconds: float) -> list[Table]:
    """Tables of the cached path, the miss path and the latency at a common load."""
    with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary, contextlib.ExitStack() as opened:
        directory = Path(temporary)
        course = Course(directory, opened.enter_context(contenders.authority(directory)), rounds, seconds)
        kafka = ApacheKafka(directory / "kafka", core=OTHER_CORE)
        kafka.start()
        opened.callback(kafka.stop)
        ours = contenders.ours(kafka.bootstrap)
        cached = [Contender("bare echo, uvloop protocol", contenders.echo("protocol")),
                  Contender("bare echo, drained reads", contenders.echo("drained")),
                  Contender("nameward, cached", ours), Contender("unbound, cached", contenders.unbound),
                  Contender("dnsdist, packet cache", contenders.dnsdist(cached=True))]
        missed = [Contender("nameward, miss", ours), Contender("unbound, miss", contenders.unbound),
                  Contender("dnsdist, no cache", contenders.dnsdist(cached=False))]
        names = load.write_names(directory / "cached", [f"n{number}.{ZONE}" for number in range(_CACHED_NAMES)], 50_000)
        rates = course.rates(cached, lambda _: names, warm=True)
        misses = course.rates(missed, lambda turn: _unique(directory, turn), warm=False)
        half = median(rates["nameward, cached"]) / 2
        latencies = course.latencies(cached, names, half)
    return [_rate_table("Cached answers, one core", rates, "bare echo, uvloop protocol"),
            _rate_table("Upstream misses, one core", misses, "unbound, miss"), _latency_table(latencies, half)]


def _unique(directory: Path, turn: int) -> Path:
    """Names nobody asked before, so that every query goes upstream."""
    path = directory / "missed"
    with path.open("w") as file:
        file.writelines(f"m{turn}-{number}.{ZONE} A\n" for number in range(400_000))
    return path


def generate(port: int, names: Path, *options: str) -> load.Report:
    """Dnsperf on the core that is not under test."""
    pinned = (peers.require("taskset"), "-c", str(OTHER_CORE))
    return load.start(port, names, *_GENERATOR, *options, client=CLIENT, prefix=pinned).finish(within=300)


def _rate_table(title: str, rates: dict[str, list[float]], yardstick: str) -> Table:
    table = Table(title, ("server", "queries/s (median)", "lowest", "highest", f"of {yardstick}"), "python -m tests.bench dns")
    base = median(rates[yardstick]) or 1.0
    for name, values in rates.items():
        table.add(name, thousands(median(values)), thousands(min(values)), thousands(max(values)), f"{median(values) / base:.2f}")
    table.notes.append("dnsperf, 20 sockets, at most 200 queries in flight; nameward with policy, cache per tenant and events published to "
                       "Apache Kafka, which shares the core of the generator with the authority.")
    return table


def _latency_table(latencies: dict[str, list[tuple[float, float]]], rate: float) -> Table:
    table = Table("Latency at half load", ("server", "p50 ms", "p99 ms", "p50 above echo", "p99 above echo"), "python -m tests.bench dns")
    medians = {name: (median([p50 for p50, _ in values]), median([p99 for _, p99 in values])) for name, values in latencies.items()}
    base50, base99 = medians["bare echo, uvloop protocol"]
    for name, (p50, p99) in medians.items():
        table.add(name, f"{p50:.3f}", f"{p99:.3f}", f"{p50 - base50:+.3f}", f"{p99 - base99:+.3f}")
    table.notes.append(f"Every server at {rate:,.0f} queries/s, half of what nameward answers from its cache; percentiles over dnsperf's single latencies.")
    return table
