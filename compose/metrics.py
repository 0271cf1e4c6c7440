"""Prometheus exposition of the whole stack: every worker's metrics under a ``worker`` label, and the processes' own.

Text in, text out; front.py fetches and serves.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """One child as the supervisor sees it."""

    name: str
    pid: int
    ready: bool
    restarts: int


class _Families:
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def merge(pages: Mapping[str, str]) -> list[Metric]:
    """Families of several workers as one, every sample labelled with its worker.

    Args:
        pages: worker name -> its exposition text.
    """
    merged: dict[str, Metric] = {}
    for worker, page in pages.items():
        for family in text_string_to_metric_families(page):
            whole = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                whole.add_sample(
                    sample.name, {**sample.labels, "worker": worker}, sample.value, sample.timestamp, sample.exemplar
                )
    return list(merged.values())


def processes(figures: Iterable[ProcessFigures]) -> list[Metric]:
    """What the supervisor knows of its children."""
    up = GaugeMetricFamily("nameward_process_ready", "1 while the process runs and serves", labels=["process"])
    restarts = CounterMetricFamily(
        "nameward_process_restarts", "times the process was started again", labels=["process"]
    )
    resident = GaugeMetricFamily("nameward_process_resident_bytes", "resident memory", labels=["process"])
    seconds = CounterMetricFamily(
        "nameward_process_cpu_seconds", "processor time of the current process", labels=["process"]
    )
    for figure in figures:
        up.add_metric([figure.name], float(figure.ready))
        restarts.add_metric([figure.name], figure.restarts)
        resident.add_metric([figure.name], resident_bytes(figure.pid))
        seconds.add_metric([figure.name], cpu_seconds(figure.pid))
    return [up, restarts, resident, seconds]


def exposition(families: Iterable[Metric]) -> bytes:
    """Prometheus text of these families."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if it is gone."""
    with (
        contextlib.suppress(OSError, IndexError, ValueError),
        Path(f"/proc/{pid}/statm").open(encoding="ascii") as handle,
    ):
        return int(handle.read().split()[1]) * _PAGE
    return 0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process; 0 if it is gone."""
    with (
        contextlib.suppress(OSError, IndexError, ValueError),
        Path(f"/proc/{pid}/stat").open(errors="replace") as handle,
    ):
        fields = handle.read().rpartition(")")[2].split()  # the name before may contain anything
        return (int(fields[11]) + int(fields[12])) / _TICK
    return 0.0
