"""What one tenant's flood does to another: a quiet client at a steady rate beside one that sends far too much.

Both ask one worker on one core; generators, authority and broker share the other. What a flood costs there, and in the
kernel's path of a datagram, is no matter of the worker's: `elsewhere` sends the same flood to a socket nobody reads. The
bench runs before other programs where the system allows it, and the quiet client before the rest of the bench, so that
it measures answers and not its own wait for the processor. Floods take turns within a round, and a ratio is the median of
the rounds' ratios, beside their lowest and highest: no other traffic is measured twice a round, and how far these two are
apart is how far a ratio may be from 1 for no reason.
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
from tests.bench.pinned import OTHER_CORE, process
from tests.bench.results import Table, median
from tests.integration import load
from tests.peers.ports import free_port
from tests.resolver.worker import eventually

QUIET_RATE = 2000
GRANTED = 1000
FLOODS = (20_000, 50_000)
_AHEAD = 0.8
NONE, AGAIN, ELSEWHERE, KINDS = "none", "none, once more", "elsewhere", ("cached", "missed", "denied")
WITH, WITHOUT, BOTH = "with", "without", "both"
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
        # Its threads take turns: with FIFO the one that sends would wait for room, at work, and never let the one that reads make it.
        before_all = (peers.require("chrt"), "-r", "2") if os.sched_getscheduler(0) == os.SCHED_RR else ()
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


def measure(rounds: int, seconds: float, limits: str = BOTH) -> list[Table]:
    """A table with limits of the other tenant and one without, or one of them: by kind and rate of the flood."""
    tables = []
    with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary, contextlib.ExitStack() as opened:
        directory = Path(temporary)
        opened.enter_context(before_others())
        upstream = opened.enter_context(contenders.authority(directory))
        bootstrap = opened.enter_context(kafka(directory))
        nowhere = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        nowhere.bind(("127.0.0.1", 0))
        names = load.write_names(directory / "names", [f"n{number}.{ZONE}" for number in range(200)], 20_000)
        for which, policy in ((WITH, _LIMITS), (WITHOUT, _NO_LIMITS)):
            if limits not in {which, BOTH}:
                continue
            run = contenders.ours(bootstrap, _POLICY.replace("{limits}", policy))
            with run(contenders.fresh(directory / which), upstream) as port:
                course = Course(port, names, rounds, seconds)
                course.quiet("-l", "2")
                tables.append(_table(course, which, nowhere.getsockname()[1]))
    return tables


def _table(course: Course, which: str, nowhere: int) -> Table:
    columns = ("other tenant, queries/s", "p50 ms", "p99 ms", "p99 of none", f"p99 of {GRANTED:,}/s", "p99 of it elsewhere", "lost")
    table = Table(f"Fairness, {which} limits: a quiet client beside another tenant's flood", columns, f"python -m tests.bench fairness --limits {which}")
    courses = [(NONE, 0, course.port), *((ELSEWHERE, rate, nowhere) for rate in FLOODS)]
    courses += [(kind, rate, course.port) for kind in KINDS for rate in (GRANTED, *FLOODS)]
    courses.append((AGAIN, 0, course.port))
    rounds: list[dict[tuple[str, int], tuple[float, float, float]]] = []
    for number in range(course.rounds):
        rounds.append({(kind, rate): course.beside(rate, kind, port) for kind, rate, port in courses})
        print(f"{which} limits, round {number + 1}, p99 in ms:", *(f"{p99:.3f}" for _, p99, _ in rounds[-1].values()), flush=True)
    for kind, rate, _ in courses:
        p50, p99, lost = ([measured[kind, rate][column] for measured in rounds] for column in range(3))
        none, granted, elsewhere = ([measured[kind, rate][1] / measured[other][1] for measured in rounds if other in measured]
                                    for other in ((NONE, 0), (kind, GRANTED), (ELSEWHERE, rate)))
        table.add(f"{kind} {rate:,}" if rate else kind, f"{median(p50):.3f}", _spread(p99, 3), _spread(none, 2), _spread(granted, 2),
                  _spread(elsewhere, 2), f"{median(lost):.2%}")
    bound = f"may ask {GRANTED:,} times: what it costs when it does just that is the measure of what more it costs when it floods" if which == WITH else (
        "is bound by nothing; where it keeps the worker busy all the time, the system stops the worker, as every real-time process, for 50 ms of each second, "
        "which p99 shows")
    table.notes.append(f"Medians of {course.rounds} rounds of {course.seconds:g} s (lowest to highest). The quiet client asks {QUIET_RATE:,} times a "
                       f"second for 200 names; its p50 and p99, and what it lost. The other tenant's client {bound}. Elsewhere is a socket nobody reads: "
                       "what the flood costs whoever it is for.")
    return table


def _spread(values: list[float], digits: int) -> str:
    """Median, lowest and highest."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})" if values else ""
