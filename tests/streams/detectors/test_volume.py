"""Volume against made-up weeks with labelled incidents: what is found, when, and what benign traffic never raises."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.detection_spec import Detection, VolumeSpec
from streams.detectors.finding import Scene
from streams.detectors.volume import Volume
from streams.parts import Parts
from streams.seasonal import Prior, Seasonal, prior_of
from tests.streams.weeks import DAY, MONDAY, WEEK, episodes, office, service, watch, window

NIGHT, NOON, TUESDAY = 2 * 60, 11 * 60, DAY


@pytest.fixture(scope="module")
def taught() -> list[object]:
    """What a detector knows after three benign weeks of an office, and how often it was wrong."""
    volume, parts = Volume(), Parts()
    false = episodes(list(watch(volume, office(3, seed=1))))
    return [volume.save(parts), Parts.load(dict(parts.flush()).get)[1], false]


def again(taught: list[object]) -> Volume:
    """A detector that knows it."""
    volume = Volume()
    volume.load(*taught[:2])
    return volume


def fourth(seed: int = 1) -> NDArray[np.int64]:
    """The week after."""
    return office(4, seed)[3 * WEEK :]


def test_three_benign_weeks_raise_nothing(taught: list[object]) -> None:
    """Office rhythm from the very first day, weekends, bursts of a minute or two."""
    assert taught[2] == []


@pytest.mark.parametrize(("busy", "start"), [(60_000.0, 0), (30.0, 3 * DAY + 200)])
def test_benign_weeks_of_other_sizes_raise_nothing(busy: float, start: int) -> None:
    """Large and small, begun on a Monday or in a Thursday's night."""
    assert episodes(list(watch(Volume(), office(2, seed=2, busy=busy, idle=busy / 200)[start:], MONDAY + start))) == []


def test_a_service_around_the_clock_raises_nothing() -> None:
    """With a job every night."""
    assert episodes(list(watch(Volume(), service(2, seed=3)))) == []


@pytest.mark.parametrize(
    ("at", "length", "factor", "kinds"),
    [
        (TUESDAY + NOON, 20, 6.0, ["rise"]), (TUESDAY + NIGHT, 20, 60.0, ["rise"]), (TUESDAY + NOON, 2, 6.0, []), (TUESDAY + NIGHT, 20, 5.0, []),
        (TUESDAY + NOON, 30, 0.0, ["silence"]), (TUESDAY + NOON, 8, 0.0, []), (TUESDAY + NIGHT, 120, 0.0, []), (5 * DAY + NOON, 20, 100.0, ["rise"]),
    ],
    ids=["rise by day", "rise by night", "short", "below the floor", "silence by day", "short silence", "silence by night", "rise on saturday"],
)  # fmt: skip
def test_rises_and_silences_are_told_against_the_hour(taught: list[object], at: int, length: int, factor: float, kinds: list[str]) -> None:
    """Within three minutes of a rise, ten of a silence, and over with it."""
    counts = fourth()
    counts[at : at + length] = (counts[at : at + length] * factor).astype(np.int64)
    found = [(minute, kind) for minute, subject, kind in episodes(list(watch(again(taught), counts, MONDAY + 3 * WEEK))) if subject == "tenant"]
    assert [kind for _, kind in found] == kinds
    assert all(0 <= minute - at < 12 for minute, _ in found)


def test_evidence_says_what_was_compared(taught: list[object]) -> None:
    """Numbers with their thresholds, whose past judged, the hour, and who asked most."""
    counts = fourth()
    counts[TUESDAY + NOON : TUESDAY + NOON + 20] *= 6
    ((minute, finding), *_) = watch(again(taught), counts, MONDAY + 3 * WEEK)
    evidence = finding.evidence
    assert (evidence["kind"], evidence["baseline"], evidence["hour_of_week"], evidence["learning"]) == ("rise", "own", 24 + 11, "active")
    assert (evidence["z_threshold"], evidence["factor_threshold"], evidence["floor"], evidence["minutes_threshold"]) == (4.0, 3.0, 600, 3)
    assert evidence["queries_per_minute"] == counts[minute]
    assert finding.title == "acme asks far more than is usual at this hour"
    assert (finding.clients, finding.samples) == (("10.0.0.1", "10.0.0.2"), ("www.example.com",))


def test_the_baseline_is_frozen_while_alerting_and_accepts_what_lasts(taught: list[object]) -> None:
    """Two hours of a rise are told, then it is normal; a rise of a quarter of an hour leaves no trace."""
    short, counts = again(taught), fourth()[: TUESDAY + NOON]
    before = [finding for _, finding in watch(short, counts, MONDAY + 3 * WEEK)]
    mean = short.week.means.copy()
    rise = np.full(15, 12_000)
    assert len(list(watch(short, rise, MONDAY + 3 * WEEK + len(counts)))) == 13
    assert before == []
    assert np.abs(short.week.means - mean).max() < 0.1
    told = list(watch(short, np.full(300, 12_000), MONDAY + 3 * WEEK + len(counts) + 15))
    assert 100 < told[-1][0] < 115


def test_a_gap_in_which_nobody_watched_is_no_silence(taught: list[object]) -> None:
    """As after a night of the stack being off."""
    volume = again(taught)
    assert list(watch(volume, fourth()[:NOON], MONDAY + 3 * WEEK)) == []
    late = Scene("acme", (MONDAY + 3 * WEEK + NOON + 200) * 60.0)
    assert volume.tick(late) == []
    assert volume.judge([window(MONDAY + 3 * WEEK + NOON + 200, 1500)], late) == []


def test_a_client_is_told_against_its_own_share() -> None:
    """A client that asks twenty times its share for three minutes, though the tenant as a whole hardly changes."""
    volume, told = Volume(), []
    for minute in range(200):
        clients = {f"10.0.0.{number}": 1000 - 50 * number for number in range(8)} | {"10.0.0.99": 60 if minute < 150 else 3000}
        queries = 20_000
        told += [(minute, found) for found in volume.judge([window(MONDAY + minute, queries, clients)], Scene("acme", 0.0))]
    assert {(finding.subject, finding.evidence["kind"]) for _, finding in told} == {("10.0.0.99", "client")}
    assert told[0][0] == 152
    assert volume.judge([window(MONDAY + 200, 20_000, {"10.0.0.1": 1000})], Scene("acme", 0.0)) == []


def test_parameters_are_the_tenants_own(taught: list[object]) -> None:
    """A higher floor keeps quiet."""
    counts, volume = fourth(), again(taught)
    counts[TUESDAY + NOON : TUESDAY + NOON + 20] *= 6
    detection = Detection(volume=VolumeSpec(floor=1_000_000, client_floor=1_000_000))
    found = [volume.judge([window(MONDAY + 3 * WEEK + index, int(queries))], Scene("acme", 0.0, detection=detection)) for index, queries in enumerate(counts)]
    assert not any(found)


def made_prior() -> Prior:
    """Of four offices after two weeks."""
    weeks = [Seasonal() for _ in range(4)]
    for seed, week in enumerate(weeks):
        for index, queries in enumerate(office(2, seed + 10).tolist()):
            week.learn(MONDAY + index, queries, None)
    shapes = [shape for week in weeks if (shape := week.shape()) is not None]
    prior = prior_of(shapes, [week.deviation for week in weeks])
    assert prior is not None
    return prior


def test_a_young_tenant_borrows_from_the_prior() -> None:
    """On its first day only extremes would be told; with the prior a rise is, and says so; its benign days raise nothing."""
    prior, counts = made_prior(), office(1, seed=30, busy=1000, idle=10)
    assert episodes(list(watch(Volume(), counts, prior=prior))) == []
    counts[TUESDAY + NIGHT : TUESDAY + NIGHT + 20] = 6_000
    alone, helped = Volume(), Volume()
    assert [kind for _, subject, kind in episodes(list(watch(alone, counts))) if subject == "tenant"] == []
    ((_, finding), *_) = [item for item in watch(helped, counts, prior=prior) if item[1].subject == "tenant"]
    assert (finding.evidence["baseline"], finding.evidence["learning"]) == ("prior", "learning")
    assert finding.reason.endswith("usual for tenants of its size")


def test_learning_is_visible() -> None:
    """How much of the week was seen, and what judges meanwhile."""
    volume = Volume()
    assert volume.standing(0.0).state == "learning"
    list(watch(volume, office(1, seed=1)[:DAY]))
    assert (volume.standing(0.0).state, volume.standing(0.0).reason) == ("learning", "24 of 168 hours of the week seen; only extremes are told in the rest")


def test_what_was_learnt_comes_back_from_what_was_told_hour_by_hour() -> None:
    """Few values at a time; together they are the whole week."""
    volume, told = Volume(), dict[str, float]()
    for hour, part in enumerate(np.split(office(1, seed=1), 168)):
        list(watch(volume, part, MONDAY + hour * 60))
        assert len(volume.learnt()) < 20
        told |= volume.learnt()
    other = Volume()
    other.relearn(told)
    assert other.learnt() == volume.learnt()
    assert np.abs(other.week.means - volume.week.means).max() < 0.2
    assert other.standing(0.0) == volume.standing(0.0)
