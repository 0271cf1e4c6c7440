"""Beaconing: periods and jitters that are found, and the regular and irregular traffic of good programs that is not."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.detection_spec import BeaconingSpec, Detection
from schemas.events import AnswerRecord, QueryEvent
from streams.detectors.beacon_pairs import MOST, Pairs, Touches
from streams.detectors.beacon_score import Bars, spread
from streams.detectors.beaconing import Beaconing
from streams.detectors.finding import Finding
from streams.hashing import mix
from tests.streams.detectors.cuts import fed, findings_of_cuts
from tests.streams.events import START, batch, event

HOUR = 3600.0


def answer(ttl: int) -> dict[str, Any]:
    """An address with a TTL."""
    return {"answers": (AnswerRecord("A", "192.0.2.9", ttl),)}


def beats(period: float, jitter: float, hours: float, name: str = "c2.evil.example", seed: int = 1, **fields: Any) -> list[QueryEvent]:
    """A client that asks by the clock; each interval varies by up to `jitter` of the period."""
    rng, at, events = random.Random(seed), 0.0, list[QueryEvent]()
    while at < hours * HOUR:
        events += [event(START + at + k / 10, name, 0, **({"client": "10.0.0.66"} | fields)) for k in range(2)]  # A and AAAA
        at += period * (1 + jitter * rng.uniform(-1, 1))
    return events


def people(hours: float, rate: float = 60.0, seed: int = 2, client: str = "10.0.0.5") -> list[QueryEvent]:
    """A client whose queries come at random, some names more often than others."""
    rng, at, events = random.Random(seed), 0.0, list[QueryEvent]()
    while at < hours * HOUR:
        events.append(event(START + at, f"www{min(int(rng.paretovariate(0.7)), 40)}.browsed.example", 0, client=client))
        at += rng.expovariate(1 / rate)
    return events


def run(*parts: list[QueryEvent], detection: Detection | None = None) -> list[Finding]:
    """Findings of these together."""
    events = sorted((item for part in parts for item in part), key=lambda item: item.time)
    return fed(Beaconing(), events, (".corp.example",), detection)


BEACONS = [(30, 0.0, 4), (30, 0.5, 4), (60, 0.2, 4), (300, 0.0, 6), (300, 0.5, 8), (900, 0.3, 16), (3600, 0.0, 24), (3600, 0.3, 25)]


@pytest.mark.parametrize(("period", "jitter", "hours"), BEACONS)
def test_a_beacon_is_found(period: float, jitter: float, hours: float) -> None:
    """From half a minute to an hour, by the clock or with much jitter; client, name, period and each score are told."""
    found = run(beats(period, jitter, hours), people(hours, 120))
    assert {item.subject for item in found} == {"10.0.0.66 -> c2.evil.example"}
    last = found[-1]
    assert last.evidence["period_s"] == pytest.approx(period, rel=0.2)
    assert float(last.evidence["score"]) >= 0.85
    assert (last.clients, last.samples, last.severity in {"low", "medium"}) == (("10.0.0.66",), ("c2.evil.example",), True)


def cached(ttl: int, hours: float) -> list[QueryEvent]:
    """A program that needs a name every few seconds, behind a cache that keeps it for its TTL."""
    rng, at, events = random.Random(3), 0.0, list[QueryEvent]()
    while at < hours * HOUR:
        events.append(event(START + at, "api.used.example", 0, client="10.0.0.66", **answer(ttl)))
        at += ttl + rng.uniform(0, 5)
    return events


QUIET: dict[str, list[list[QueryEvent]]] = {
    "people": [people(6, rate, seed=rate, client=f"10.0.0.{rate}") for rate in (3, 10, 20, 60)],
    "a cache that asks again when the TTL ends": [cached(60, 6), cached(300, 6)],
    "time servers": [beats(64, 0.02, 6, "2.debian.pool.ntp.org")],
    "update checks": [beats(1800, 0.0, 24, "update.microsoft.com")],
    "internal zones": [beats(60, 0.0, 6, "queue.corp.example"), beats(60, 0.0, 6, "printer.local")],
    "what policy denies": [beats(60, 0.0, 6, verdict="deny", answer_source="policy")],
    "what every client asks": [beats(60, 0.1, 5, "poll.everybody.example", seed=n, client=f"10.0.1.{n}") for n in range(12)],
    "too few contacts": [beats(1200, 0.0, 5)],
    "too short a time": [beats(30, 0.0, 1.5)],
}


@pytest.mark.parametrize("why", QUIET)
def test_what_is_no_beacon(why: str) -> None:
    """Nothing is told."""
    assert run(*QUIET[why]) == []


def test_a_beacon_at_a_multiple_of_the_ttl_keeps_its_own_time() -> None:
    """A cache would ask after one TTL now and then."""
    assert run(beats(300, 0.0, 6, **answer(150))) != []


def test_a_rare_name_among_many_clients_is_severe_and_suggests_an_entry() -> None:
    """One of sixty clients asks it."""
    crowd = [people(4, 900, seed=n, client=f"10.0.2.{n}") for n in range(60)]
    last = run(beats(60, 0.1, 4), *crowd)[-1]
    assert (last.severity, last.suggested and last.suggested.pattern, last.evidence["prevalence_modifier"]) == ("high", "c2.evil.example", 0.15)


def test_a_beacon_is_told_again_while_it_lasts() -> None:
    """Every few minutes, so that its alert stays open, and no longer."""
    found = run(beats(900, 0.0, 12), people(16, 10))
    gaps = np.diff([item.seen for item in found])
    assert gaps.max() <= 300
    assert found[-1].seen - START <= 12 * HOUR + 3 * 900


def test_parameters_are_the_tenants_own() -> None:
    """Score, exempt names, contacts, and how many new ones are told a day."""
    beacon = beats(60, 0.0, 4)
    for mine in (BeaconingSpec(score=1.0, contacts=64), BeaconingSpec(exempt=["*.evil.example"]), BeaconingSpec(hours=5)):
        jittered = beats(60, 0.4, 4) if mine.score == 1.0 else beacon
        assert run(jittered, detection=Detection(beaconing=mine)) == []
    two = [beats(60, 0.0, 3, f"c{n}.evil.example") for n in range(2)]
    assert len({item.subject for item in run(*two, detection=Detection(beaconing=BeaconingSpec(new_per_day=1)))}) == 1


def test_it_learns_at_first_and_forgets_when_told() -> None:
    """Its standing says so; a pair whose alert was closed is counted anew."""
    detector = Beaconing()
    fed(detector, beats(60, 0.0, 1))
    assert detector.standing(START + HOUR).state == "learning"
    assert fed(detector, [item for item in beats(60, 0.0, 3) if item.time.timestamp() > START + HOUR])
    detector.forget("10.0.0.66 -> c2.evil.example")
    assert fed(detector, [event(START + 3 * HOUR + n * 60, "c2.evil.example", n, client="10.0.0.66") for n in range(10)]) == []
    assert detector.standing(START + 3 * HOUR).state == "active"


def test_the_score_is_ritas() -> None:
    """Worked by hand from its formulas: quartiles of halves, median deviation, bars, runs that wrap around."""
    skewed, mad, median = spread(np.array([[10.0, 20, 30, 40, 50, 60, 100]]))
    assert (skewed[0], mad[0], median[0]) == (pytest.approx(1.0), pytest.approx(0.5), 40)
    skewed, mad, _ = spread(np.array([[10.0, 11, 12, 13, 60, 70]]))
    assert (skewed[0], mad[0]) == (pytest.approx(1 - (11 + 60 - 25) / 49), pytest.approx((12.5 - 2) / 12.5))
    flat, split = Bars(np.full(24, 4), 0, 86400), Bars(np.array([9] * 6 + [0] * 12 + [3] * 6), 0, 86400)
    assert (flat.histogram(), flat.duration(0, 86400)) == (1.0, 1.0)
    assert (split.histogram(), split.duration(0, 10 * 86400)) == (1.0, 1.0)


def touches(pairs: np.ndarray[Any, Any], second: int) -> Touches:
    """One touch of each pair."""
    zero = np.zeros(len(pairs), np.int64)
    return Touches(pairs, pairs, pairs, zero + second, zero + 80, zero)


def test_a_flood_of_pairs_meets_flat_memory_and_spares_regular_ones() -> None:
    """A hundred thousand one-off pairs: the table is bounded, and who came regularly is still there."""
    table, regular = Pairs(), mix(np.arange(100, dtype=np.uint64))
    for number in range(10):
        table.add(touches(regular, 1000 + number * 60))
    for number in range(200):
        table.add(touches(mix(np.arange(500, dtype=np.uint64) + np.uint64(10**6 + number * 500)), 2000 + number * 5))
    assert len(table.keys) <= MOST
    assert len(table.rows_of(regular)) == 100
    assert len(table.columns["last"]) <= MOST


@lru_cache
def mixed() -> pa.RecordBatch:
    """A beacon and people."""
    events = [*beats(60, 0.2, 3), *people(3.5, 30)]
    return batch(sorted(events, key=lambda item: item.time))


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 750), max_size=8))
def test_findings_do_not_depend_on_how_events_were_cut(cuts: list[int]) -> None:
    """Any batches of the same events lead to the same findings and the same state, also over restarts."""
    whole, cut = findings_of_cuts(Beaconing, mixed(), cuts)
    assert whole[0]
    assert cut == whole
