"""From the table of pairs to beacons, and from a beacon to words. Between beaconing and the score.

Must not know when a beacon is worth telling.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.detection_spec import BeaconingSpec
from schemas.objects import Severity
from schemas.signals import SuggestedEntry
from streams.detectors.beacon_pairs import KEPT, QUARTER, QUARTERS, SLOT, Ints, Pairs
from streams.detectors.beacon_score import Bars, age_modifier, prevalence_modifier, spread
from streams.detectors.finding import Finding

NAME = "beaconing"
REGULAR, STEADY, FEW_MARGIN, SHORT, MOST_SHORT = 0.68, 0.6, 0.12, 0.4, 0.12
"""Least timestamp score; least MAD score, and what is added to it for few contacts; what a short interval is, of the
median, and the share there may be of them. Jitter of half a period has 0.85, 0.75 and none; random times have 0.5, 0.3
and a quarter."""
SILENCE = 2 * SLOT
"""Seconds no interval can be shorter than; without them random times in quick succession would look steady."""
LEAST_QUARTERS = 8
HIGH, MEDIUM = 0.95, 0.9


@dataclass(frozen=True, slots=True)
class Beacon:
    """One pair that is regular. Scores between 0 and 1; period and ttl in seconds; last: Unix seconds."""

    key: int
    score: float
    times: float
    sizes: float
    histogram: float
    duration: float
    prevalence: float
    age: float
    period: float
    jitter: float
    ttl: int
    contacts: int
    clients: int
    last: int


def beacons(pairs: Pairs, rows: Ints, start: float, now: int, since: float) -> Iterator[Beacon]:
    """Those of these rows that are regular.

    Args:
        pairs: the table.
        rows: places in its columns.
        start: of what is looked at, Unix seconds.
        now: its end.
        since: when watching began.
    """
    first, end = max(int(-(-start // QUARTER)), now // QUARTER - QUARTERS), now // QUARTER
    if end - first < LEAST_QUARTERS:
        return
    lengths = np.minimum(pairs.columns["contacts"][rows], KEPT)
    keys = pairs.keys[np.argsort(pairs.place)]
    for length in np.unique(lengths).tolist():
        some = rows[lengths == length]
        times, sizes, marks = pairs.rings(some, length)
        intervals = np.diff(times, axis=1).astype(np.float64)
        skewed, mad, period = spread(intervals)
        regular = ((skewed + mad) / 2 >= REGULAR) & _steady(intervals, length) & ~_cached(marks[:, 1:])
        for at in np.flatnonzero(regular).tolist():
            row = int(some[at])
            bars = Bars(pairs.quarters(row, first, end), float(pairs.columns["first"][row]), float(times[at, -1]))
            even = spread(sizes[at : at + 1].astype(np.float64))
            scores = (
                float(skewed[at] + mad[at]) / 2,
                float(even[0][0] + even[1][0]) / 2,
                bars.histogram(),
                bars.duration(start, now),
            )
            asking, clients = _prevalence(pairs, row)
            rare = prevalence_modifier(asking, clients)
            age = age_modifier(now - bars.first, now - since)
            yield Beacon(
                int(keys[row]),
                round(min(1.0, max(0.0, sum(scores) / 4 + rare + age)), 3),
                *scores,
                rare,
                age,
                float(period[at]),
                float(1 - mad[at]),
                int(pairs.columns["ttl"][row]),
                int(pairs.columns["contacts"][row]),
                asking,
                int(times[at, -1]),
            )


def _steady(intervals: NDArray[np.float64], length: int) -> NDArray[np.bool_]:
    """Rows whose intervals scatter less than those of random times ever would, beyond the silence they all contain."""
    beyond = intervals - SILENCE
    _, mad, median = spread(beyond)
    short = (beyond < SHORT * median[:, None]).mean(axis=1)
    steady: NDArray[np.bool_] = (median >= 1) & (short <= MOST_SHORT)
    return steady & (mad >= STEADY + FEW_MARGIN * (1 - length / KEPT))


def _cached(marks: Ints) -> NDArray[np.bool_]:
    """Rows whose intervals are a cache's: as long as the TTL answered before them."""
    once, fits = (marks == 1).mean(axis=1), (marks > 0).mean(axis=1)
    cached: NDArray[np.bool_] = (once >= 0.5) | ((fits >= 0.8) & (once >= 0.2))
    return cached


def _prevalence(pairs: Pairs, row: int) -> tuple[int, int]:
    """(clients that ask names of the row's domain, clients)."""
    used = len(pairs.keys)
    clients, domains = pairs.columns["client"][:used], pairs.columns["domain"][:used]
    return len(np.unique(clients[domains == domains[row]])), len(np.unique(clients))


def tell(beacon: Beacon, texts: tuple[str, str, str], mine: BeaconingSpec, now: float) -> Finding:
    """The finding."""
    client, name, workload = texts
    unusual = beacon.prevalence > 0 or beacon.age > 0
    severity: Severity = "low" if beacon.score < MEDIUM else "high" if unusual and beacon.score >= HIGH else "medium"
    reason = f"score {beacon.score:.2f} of a beacon, threshold {mine.score:.2f}"
    if beacon.prevalence:
        reason += f"; the domain is {'rare' if beacon.prevalence > 0 else 'common'} among clients"
    return Finding(
        detector=NAME,
        subject=f"{client} -> {name}",
        severity=severity,
        reason=reason,
        title=f"{client} asks {name} every {beacon.period:.0f} s, as a beacon does",
        seen=now,
        evidence={
            "score": beacon.score,
            "threshold": mine.score,
            "times": round(beacon.times, 3),
            "sizes": round(beacon.sizes, 3),
            "histogram": round(beacon.histogram, 3),
            "duration": round(beacon.duration, 3),
            "prevalence_modifier": beacon.prevalence,
            "age_modifier": beacon.age,
            "period_s": round(beacon.period, 1),
            "median_deviation": round(beacon.jitter, 3),
            "ttl_s": beacon.ttl,
            "contacts": beacon.contacts,
            "clients": beacon.clients,
            "learning": "active",
        },
        samples=(name,),
        workloads=(workload,) if workload else (),
        clients=(client,),
        suggested=SuggestedEntry(pattern=name, action="deny") if severity == "high" else None,
    )
