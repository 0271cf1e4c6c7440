"""What one tenant's flood does to another: a quiet client at a steady rate beside one that sends far too much.

Both ask one worker on one core; generators, authority and broker share the other. What a flood costs there, and in the
kernel's path of a datagram, is no matter of the worker's: `elsewhere` sends the same flood to a socket nobody reads. The
bench runs before other programs where the system allows it, and the quiet client before the rest of the bench, so that
it measures answers and not its own wait for the processor. Floods take turns within a round, and a ratio is the median of
the rounds' ratios.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compose import broker
from tests import peers
from tests.bench import contenders
from tests.bench.contenders import ZONE
from tests.bench.pinned import OTHER_CORE, free_port, process
from tests.bench.results import Table, median
from tests.integration import load
from tests.resolver.worker import eventually

QUIET_RATE = 2000
GRANTED = 1000
FLOODS = (20_000, 50_000)
_AHEAD = 1.5
NONE, ELSEWHERE, KINDS = "none", "elsewhere", ("cached", "missed", "denied")
_LIMITS, _NO_LIMITS = f"{{{{queriesPerSecond: 2000, clientQueriesPerSecond: {GRANTED}, inFlight: 200}}}}", "{{}}"
_POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: quiet}}
spec: {{default: allow, clients: [{{subnets: [127.0.1.0/24]}}], upstreams: [{{servers: ["udp://127.0.0.1:{upstream}"]}}]}}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: flood}}
spec:
  default: allow
  clients: [{{subnets: [127.0.2.0/24]}}]
  upstreams: [{{servers: ["udp://127.0.0.1:{upstream}"]}}]
  limits: {limits}
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {{name: denied}}
spec: {{tier: platform, rules: [{{name: denied, match: {{qname: [.denied.example]}}, action: deny}}]}}
"""


@dataclass
class Course:
    """One worker at a port, the names its quiet client asks, and how often and long everything is measured."""

    port: int
    names: Path
    rounds: int
    seconds: float

    def quiet(self, *options: str) -> load.Report:
        """The quiet client's run; the core is the generators'."""
        before_all = (peers.require("chrt"), "-f", "2") if os.sched_getscheduler(0) == os.SCHED_RR else ()
        prefix = (*before_all, peers.require("taskset"), "-c", str(OTHER_CORE))
        fixed = ("-c", "1", "-T", "1", "-Q", str(QUIET_RATE), "-t", "1", "-v", *options)
        return load.start(self.port, self.names, *fixed, client="127.0.1.20", prefix=prefix).finish(within=120)

    def beside(self, rate: int, kind: str, port: int) -> tuple[float, float, float]:
        """p50 and p99 in ms and the share of lost queries, beside a flood to a port."""
        with flood(port, rate, self.seconds + _AHEAD + 2, kind):
            time.sleep(_AHEAD)  # the burst that a full bucket lets pass is over
            report = self.quiet("-l", str(self.seconds))
        p50, p99 = (report.percentile(share) if report.completed > 1 else math.inf for share in (0.5, 0.99))
        return p50, p99, report.lost / max(1, report.sent)


@contextlib.contextmanager
def before_others() -> Iterator[None]:
    """This process and those it starts run before other programs; nothing changes where that is not allowed."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def flood(port: int, rate: int, seconds: float, kind: str) -> Iterator[None]:
    """The flooding client at work; a rate of 0 is none."""
    if not rate:
        yield
        return
    script = (sys.executable, str(Path(__file__).with_name("flood.py")))
    command = (peers.require("taskset"), "-c", str(OTHER_CORE), *script, "127.0.2.20", str(port), str(rate), str(seconds), kind, ZONE)
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(10)


@contextlib.contextmanager
def kafka(directory: Path) -> Iterator[str]:
    """The embedded broker, off the core under test."""
    port = free_port()
    with process(broker.command(broker.binary(), "127.0.0.1", port), OTHER_CORE, directory / "broker.log"):
        eventually(lambda: asyncio.run(broker.listens("127.0.0.1", port)))
        yield f"127.0.0.1:{port}"


def measure(rounds: int, seconds: float) -> list[Table]:
    """One table: with and without limits, by kind and rate of the flood."""
    table = Table("Fairness: a quiet client beside another tenant's flood",
                  ("other tenant, queries/s", "limits", "p50 ms", "p99 ms", "p99 of none", f"of {GRANTED:,}/s", "of it elsewhere", "lost"),
                  "python -m tests.bench fairness")
    with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary, contextlib.ExitStack() as opened:
        directory = Path(temporary)
        opened.enter_context(before_others())
        upstream = opened.enter_context(contenders.authority(directory))
        bootstrap = opened.enter_context(kafka(directory))
        nowhere = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        nowhere.bind(("127.0.0.1", 0))
        names = load.write_names(directory / "names", [f"n{number}.{ZONE}" for number in range(200)], 20_000)
        for limits, shown in ((_LIMITS, "yes"), (_NO_LIMITS, "no")):
            run = contenders.ours(bootstrap, _POLICY.replace("{limits}", limits))
            with run(contenders.fresh(directory / f"server-{shown}"), upstream) as port:
                course = Course(port, names, rounds, seconds)
                course.quiet("-l", "2")
                _rows(table, course, shown, nowhere.getsockname()[1])
    table.notes.append(f"The quiet client asks {QUIET_RATE:,} times a second for 200 names; its p50 and p99, and what it lost. The other "
                       f"tenant's client may ask {GRANTED:,} times where it has limits: what it costs when it does just that is the measure of what more "
                       "it costs when it floods. Elsewhere is a socket nobody reads: what the flood costs whoever it is for.")
    return [table]


def _rows(table: Table, course: Course, shown: str, nowhere: int) -> None:
    courses = [(NONE, 0, course.port), *((ELSEWHERE, rate, nowhere) for rate in FLOODS)]
    courses += [(kind, rate, course.port) for kind in KINDS for rate in (GRANTED, *FLOODS)]
    rounds: list[dict[tuple[str, int], tuple[float, float, float]]] = []
    for number in range(course.rounds):
        rounds.append({(kind, rate): course.beside(rate, kind, port) for kind, rate, port in courses})
        print(f"limits {shown}, round {number + 1}, p99 in ms:", *(f"{p99:.3f}" for _, p99, _ in rounds[-1].values()), flush=True)
    for kind, rate, _ in courses:
        p50, p99, lost = (median([measured[kind, rate][column] for measured in rounds]) for column in range(3))
        others = [(NONE, 0), (kind, GRANTED), (ELSEWHERE, rate)]
        ratios = [median([measured[kind, rate][1] / measured[other][1] for measured in rounds]) if other in rounds[0] else None for other in others]
        table.add(f"{kind} {rate:,}" if rate else kind, shown, f"{p50:.3f}", f"{p99:.3f}",
                  *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios), f"{lost:.2%}")
