"""dnsperf against the running resolver: query files with a seed, and its report read."""

from __future__ import annotations

import random
import re
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import peers

_COUNT = re.compile(r"^\s+(Queries sent|Queries completed|Queries lost):\s+(\d+)", re.MULTILINE)
_RATE = re.compile(r"Queries per second:\s+([\d.]+)")
_AVERAGE = re.compile(r"Average Latency \(s\):\s+([\d.]+)")
_ANSWERED = re.compile(r"^> \S+ \S+ \S+ ([\d.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Report:
    """What dnsperf counted; latencies in milliseconds, single ones only with ``verbose``."""

    sent: int
    completed: int
    lost: int
    qps: float
    mean_ms: float
    latencies_ms: tuple[float, ...] = ()

    def percentile(self, share: float) -> float:
        """Latency in ms below which this share of the answers came."""
        return statistics.quantiles(self.latencies_ms, n=1000)[round(share * 1000) - 1]


def write_names(path: Path, names: Sequence[str], count: int, *, kinds: Sequence[str] = ("A",), seed: int = 1) -> Path:
    """A dnsperf data file of ``count`` lines drawn from the names."""
    draw = random.Random(seed)
    with path.open("w") as file:
        file.writelines(f"{name} {kind}\n" for name, kind in zip(draw.choices(names, k=count), draw.choices(kinds, k=count), strict=True))
    return path


class Running:
    """A dnsperf at work; its words go to a file, since a full pipe would hold it up."""

    def __init__(self, command: Sequence[str]) -> None:
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by finish
        self._process = subprocess.Popen(command, stdout=self._words, stderr=subprocess.STDOUT)

    def finish(self, *, within: float) -> Report:
        """Wait for its end and read its report."""
        with self._words as words:
            try:
                status = self._process.wait(within)
            finally:
                self._process.kill()
            words.seek(0)
            text = words.read()
        assert status == 0, text[-2000:]
        counts = {name: int(number) for name, number in _COUNT.findall(text)}
        rate, average = _RATE.search(text), _AVERAGE.search(text)
        assert rate, text[-2000:]
        latencies = tuple(float(seconds) * 1000 for seconds in _ANSWERED.findall(text))
        return Report(counts["Queries sent"], counts["Queries completed"], counts["Queries lost"], float(rate[1]),
                      float(average[1]) * 1000 if average else 0.0, latencies)


def start(port: int, names: Path, *options: str, client: str = "127.0.1.20", prefix: Sequence[str] = ()) -> Running:
    """Start dnsperf on a data file from a client address; `prefix` may pin it to a core."""
    return Running([*prefix, peers.require("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-a", client, "-d", str(names), *options])


def run(port: int, names: Path, *options: str, client: str = "127.0.1.20", within: float = 120) -> Report:
    """Run dnsperf to its end."""
    return start(port, names, *options, client=client).finish(within=within)
