"""What one tenant's flood does to another: a quiet client at a steady rate beside one that sends far too much.

Both ask one worker on one core; generators, authority and broker share the other. The quiet client asks either only for
what is cached, where its p99 is microseconds and every one shows, or, as tenants do, for something new at every tenth
time, of a server far away. What a flood costs on the other core, and in the kernel's path of a datagram, is no matter of
the worker's: `elsewhere` sends the same flood to a socket nobody reads. The bench runs before other programs where the
system allows it, and the quiet client before the rest of the bench, so that it measures answers and not its own wait for
the processor. Floods take turns within a round; a percentile is that of all queries of all rounds, since a machine's slow
moments then fall to all. No other traffic is measured twice a round: how far these two are apart is how far a ratio may be
from 1 for no reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compose import broker
from tests import peers
from tests.bench import contenders
from tests.bench.contenders import ZONE
from tests.bench.pinned import OTHER_CORE, process, wait_for_answers
from tests.bench.results import Table, median
from tests.integration import load
from tests.peers.ports import free_port
from tests.resolver.worker import eventually

QUIET_RATE = 2000
GRANTED = 1000
FLOODS = (20_000, 50_000)
FAR = 0.005
_AHEAD = 0.8
NONE, AGAIN, ELSEWHERE, KINDS = "none", "none, once more", "elsewhere", ("cached", "missed", "denied")
CACHED, TENTH = "all cached", "a tenth missed"
WITH, WITHOUT, BOTH = "with", "without", "both"
_LIMITS, _NO_LIMITS = f"{{{{queriesPerSecond: 2000, clientQueriesPerSecond: {GRANTED}, inFlight: 200}}}}", "{{}}"
_POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: quiet}}
spec: {{default: allow, clients: [{{subnets: [127.0.1.0/24]}}], upstreams: [{{servers: ["udp://127.0.0.1:{far}"]}}]}}
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


@dataclass(frozen=True)
class Seen:
    """What the quiet client saw in one run; latencies in ms, infinite for a query that was lost."""

    latencies: NDArray[np.float64]
    lost: float


@dataclass
class Course:
    """One worker at a port, where names to ask are written, and how often and long everything is measured."""

    port: int
    directory: Path
    rounds: int
    seconds: float
    _run: int = 0

    def names(self, kind: str) -> Path:
        """Names of one run of the quiet client, of which a tenth may be new ones."""
        self._run += 1
        count, draw = int(QUIET_RATE * self.seconds), random.Random(self._run)
        known = draw.choices([f"n{number}.{ZONE}" for number in range(200)], k=count + QUIET_RATE)
        # None at the end: what is still on its way then dnsperf calls lost.
        new = {turn for turn in range(count - QUIET_RATE // 10) if kind == TENTH and draw.random() < 0.1}
        lines = [f"q{self._run}-{turn}.{ZONE}" if turn in new else name for turn, name in enumerate(known)]
        file = self.directory / "names"
        file.write_text("".join(f"{line} A\n" for line in lines))
        return file

    def quiet(self, kind: str) -> load.Report:
        """The quiet client's run; the core is the generators'."""
        # Its threads take turns: with FIFO the one that sends would wait for room, at work, and never let the one that reads make it.
        before_all = (peers.require("chrt"), "-r", "2") if os.sched_getscheduler(0) == os.SCHED_RR else ()
        prefix = (*before_all, peers.require("taskset"), "-c", str(OTHER_CORE))
        fixed = ("-c", "1", "-T", "1", "-Q", str(QUIET_RATE), "-t", "1", "-v", "-l", str(self.seconds))
        return load.start(self.port, self.names(kind), *fixed, client="127.0.1.20", prefix=prefix).finish(within=120)

    def beside(self, quiet: str, rate: int, kind: str, port: int) -> Seen:
        """A run beside a flood to a port."""
        with flood(port, rate, self.seconds + _AHEAD + 2, kind):
            time.sleep(_AHEAD)  # the burst that a full bucket lets pass is over
            report = self.quiet(quiet)
        return Seen(np.array((*report.latencies_ms, *[math.inf] * report.lost)), report.lost / max(1, report.sent))


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


@contextlib.contextmanager
def far_away(directory: Path, authority: int) -> Iterator[int]:
    """The authority as a server FAR seconds away, off the core under test; its port."""
    port, log = free_port(), directory / "far.log"
    script = (sys.executable, str(Path(__file__).with_name("far.py")))
    with process((*script, str(port), str(authority), str(FAR)), OTHER_CORE, log) as running:
        wait_for_answers(port, f"up.{ZONE}", running, log)
        yield port


def measure(rounds: int, seconds: float, limits: str = BOTH) -> list[Table]:
    """A table with limits of the other tenant and one without, or one of them: by kind and rate of the flood."""
    tables = []
    with tempfile.TemporaryDirectory(prefix="nameward-bench-") as temporary, contextlib.ExitStack() as opened:
        directory = Path(temporary)
        opened.enter_context(before_others())
        upstream = opened.enter_context(contenders.authority(directory))
        far = opened.enter_context(far_away(directory, upstream))
        bootstrap = opened.enter_context(kafka(directory))
        nowhere = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        nowhere.bind(("127.0.0.1", 0))
        for which, policy in ((WITH, _LIMITS), (WITHOUT, _NO_LIMITS)):
            if limits not in {which, BOTH}:
                continue
            run = contenders.ours(bootstrap, _POLICY.replace("{limits}", policy).replace("{far}", str(far)))
            with run(contenders.fresh(directory / which), upstream) as port:
                course = Course(port, directory, rounds, seconds)
                course.quiet(CACHED)
                tables.append(_table(course, which, nowhere.getsockname()[1]))
    return tables


def _table(course: Course, which: str, nowhere: int) -> Table:
    columns = ("quiet client", "other tenant, queries/s", "p50 ms", "p99 ms", "p99 by round", "p99 of none", f"p99 of {GRANTED:,}/s", "lost")
    table = Table(f"Fairness, {which} limits: a quiet client beside another tenant's flood", columns, f"python -m tests.bench fairness --limits {which}")
    others = [(NONE, 0, course.port), (ELSEWHERE, FLOODS[-1], nowhere)]
    others += [(kind, rate, course.port) for kind in KINDS for rate in (GRANTED, *FLOODS)]
    others.append((AGAIN, 0, course.port))
    seen: dict[tuple[str, str, int], list[Seen]] = {}
    for number in range(course.rounds):
        for quiet in (CACHED, TENTH):
            for kind, rate, port in others:
                seen.setdefault((quiet, kind, rate), []).append(course.beside(quiet, rate, kind, port))
            print(f"{which} limits, round {number + 1}, {quiet}, p99 in ms:", *(f"{_p99(runs[-1:]):.3f}" for key, runs in seen.items() if key[0] == quiet), flush=True)
    for (quiet, kind, rate), runs in seen.items():
        p50, p99 = np.percentile(np.concatenate([run.latencies for run in runs]), [50, 99])
        none = _p99([*seen[quiet, NONE, 0], *seen[quiet, AGAIN, 0]])
        granted = f"{p99 / _p99(seen[quiet, kind, GRANTED]):.2f}" if (quiet, kind, GRANTED) in seen else ""
        by_round = [_p99([run]) for run in runs]
        table.add(quiet, f"{kind} {rate:,}" if rate else kind, f"{p50:.3f}", f"{p99:.3f}", f"{min(by_round):.3f} to {max(by_round):.3f}",
                  f"{p99 / none:.2f}", granted, f"{median([run.lost for run in runs]):.2%}")
    bound = f"may ask {GRANTED:,} times: what it costs when it does just that is no flood's doing" if which == WITH else (
        "is bound by nothing; where it keeps the worker busy all the time, the system stops the worker, as every real-time process, for 50 ms of each second, "
        "which p99 shows")
    table.notes.append(f"Of all queries in {course.rounds} rounds of {course.seconds:g} s. The quiet client asks {QUIET_RATE:,} times a second for 200 names, or for a new one at every "
                       f"tenth time, of a server {FAR * 1000:g} ms away. The other tenant's client {bound}. Elsewhere is a socket nobody reads: what the flood costs whoever it is for. "
                       "None: both of its rows.")
    return table


def _p99(runs: list[Seen]) -> float:
    return float(np.percentile(np.concatenate([run.latencies for run in runs]), 99))
