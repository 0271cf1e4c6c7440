"""Weeks of made-up queries a minute, seeded and labelled, and the windows of telemetry that tell them: for what learns by hour of week.

An office sleeps at night and on weekends, comes within half an hour, goes to lunch, has busy minutes; a service runs around the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from schemas.signals import Telemetry, TopItem
from streams.detectors.finding import Finding, Scene
from streams.detectors.volume import Volume
from streams.seasonal import Prior

MONDAY = 27_997_920
"""A Monday, 00:00 UTC, minutes since the epoch."""
DAY, WEEK = 1440, 10_080


def office(weeks: int, seed: int, *, busy: float = 2000.0, idle: float = 20.0) -> NDArray[np.int64]:
    """Queries of each minute: a work day from nine to five, noise, and bursts of one or two minutes."""
    minutes = np.arange(weeks * WEEK)
    hour, day = minutes % DAY / 60, minutes // DAY % 7
    present = 1 / (1 + np.exp(-(hour - 8.75) * 8)) / (1 + np.exp((hour - 17.25) * 6)) * (1 - 0.4 * np.exp(-(((hour - 12.5) / 0.5) ** 2)))
    return noisy(idle + busy * np.where(day < 5, present, 0.03 * present), seed)


def service(weeks: int, seed: int, *, level: float = 800.0) -> NDArray[np.int64]:
    """Around the clock, a third more by day, a job at three."""
    minutes = np.arange(weeks * WEEK)
    hour = minutes % DAY / 60
    return noisy(level * (1 + 0.33 * np.sin((hour - 9) / 12 * np.pi)) * np.where((hour >= 3) & (hour < 3.25), 2.0, 1.0), seed)


def noisy(rate: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Counts around a rate: a day is off by a tenth, a minute by a quarter, two minutes a day hold five times as much."""
    rng = np.random.default_rng(seed)
    days = np.repeat(rng.lognormal(0, 0.1, len(rate) // DAY + 1), DAY)[: len(rate)]
    counts: NDArray[np.int64] = rng.poisson(rate * days * rng.gamma(16, 1 / 16, len(rate)))
    bursts = rng.random(len(rate)) < 2 / DAY
    counts[bursts] *= 5
    return counts


def window(minute: int, queries: int, clients: Mapping[str, int] | None = None) -> Telemetry:
    """What telemetry tells of a minute; half of it from one client unless told otherwise."""
    told = {"10.0.0.1": queries // 2, "10.0.0.2": queries // 4} if clients is None else clients
    return Telemetry(
        tenant="acme", workload="", window_start=datetime.fromtimestamp(minute * 60, UTC), window_seconds=60, queries=queries, bytes_in=0, bytes_out=0,
        counts={}, clients=2, names=1, latency_us={}, upstream_latency_us={}, top_names=(TopItem(item="www.example.com", count=queries),), top_domains=(),
        top_clients=tuple(TopItem(item=name, count=count) for name, count in told.items() if count), top_denied=(),
    )  # fmt: skip


def watch(volume: Volume, counts: NDArray[np.int64], start: int = MONDAY, prior: Prior | None = None) -> Iterator[tuple[int, Finding]]:
    """Findings, with their minute after the start; a minute without queries has no window, only time passes."""
    for index, queries in enumerate(counts.tolist()):
        scene = Scene("acme", (start + index + 1) * 60 + 15.0, prior=prior)
        found = volume.judge([window(start + index, queries)], scene) if queries else volume.tick(scene)
        yield from ((index, finding) for finding in found)


def episodes(found: list[tuple[int, Finding]]) -> list[tuple[int, str, str]]:
    """(minute, subject, kind) of alerts as they would open: what goes on within five minutes is one."""
    opened: list[tuple[int, str, str]] = []
    last: dict[str, int] = {}
    for minute, finding in found:
        if minute - last.get(finding.subject, -100) > 5:
            opened.append((minute, finding.subject, str(finding.evidence["kind"])))
        last[finding.subject] = minute
    return opened
