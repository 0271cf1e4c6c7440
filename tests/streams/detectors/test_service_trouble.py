"""Service trouble: servers and sources that fail or slow down, minute by minute, against what is usual of each."""

from __future__ import annotations

import pytest

from schemas.detection_spec import Detection, ServiceTroubleSpec
from streams.analysis import TenantState
from streams.answerers import Answerers
from streams.columns import TenantRows
from streams.detectors.finding import Finding, Scene
from streams.detectors.service_trouble import MOST, ServiceTrouble
from streams.parts import Parts
from tests.streams.events import START, batch, event
from tests.streams.weeks import window

SERVER, CACHE = "192.0.2.53:53", "source:cache"


class Watched:
    """A detector and the minutes it is shown, of one server or of the cache."""

    def __init__(self, detection: Detection | None = None) -> None:
        self.detector, self.minute, self.detection = ServiceTrouble(), 0, detection or Detection()

    def pass_minute(self, *, failing: int = 0, took_ms: float = 20, count: int = 40, domains: int = 5, source: str = "upstream", server: str = SERVER) -> list[Finding]:
        """Queries of one more minute, the first of them failing."""
        seen, start = Answerers(), START + self.minute * 60
        seen.add(TenantRows.of(batch([
            event(start + number, f"www.d{number % domains}.test", number, answer_source=source, upstream=f"udp://{server}" if source == "upstream" else "",
                  upstream_latency_us=int(took_ms * 1000), latency_us=int(took_ms * 1000), rcode="SERVFAIL" if number < failing else "NOERROR")
            for number in range(count)
        ])))  # fmt: skip
        self.minute += 1
        return self.detector.judge([window(int(start) // 60, count)], Scene("acme", start + 65, detection=self.detection, answerers=seen))


def taught(detection: Detection | None = None, **usual: object) -> Watched:
    """After twenty minutes of the usual."""
    watched = Watched(detection)
    assert not any(watched.pass_minute(**usual) for _ in range(20))  # type: ignore[arg-type]
    return watched


@pytest.mark.parametrize(
    ("trouble", "minutes", "kinds", "severity"),
    [
        ({"failing": 20}, 1, ["failing"], "medium"), ({"failing": 8}, 1, [], ""), ({"failing": 8}, 2, ["failing"], "low"), ({"failing": 40, "domains": 2}, 5, [], ""),
        ({"took_ms": 200}, 1, [], ""), ({"took_ms": 200}, 2, ["slow"], "low"), ({"took_ms": 45}, 5, [], ""), ({"failing": 8, "took_ms": 200}, 2, ["failing and slow"], "low"),
        ({"failing": 15, "count": 15}, 5, [], ""),
    ],
    ids=["half fails", "a fifth once", "a fifth twice", "one domain's fault", "slow once", "slow twice", "below the floor", "both", "too few to say"],
)  # fmt: skip
def test_trouble_is_told_against_what_is_usual(trouble: dict[str, int], minutes: int, kinds: list[str], severity: str) -> None:
    """Failing by half at once, less after two minutes; slow by three times and 50 ms after two."""
    watched = taught()
    found = [finding for _ in range(minutes) for finding in watched.pass_minute(**trouble)]  # type: ignore[arg-type]
    assert [finding.evidence["kind"] for finding in found[:1]] == kinds
    assert {finding.subject for finding in found} <= {SERVER}
    assert all(finding.severity == severity for finding in found)


def test_a_source_that_answers_by_itself_is_watched_too() -> None:
    """A cache that takes a tenth of a second is in trouble, and is named."""
    watched = taught(source="cache", took_ms=0.1)
    found = [finding for _ in range(2) for finding in watched.pass_minute(source="cache", took_ms=100)]
    assert [(finding.subject, finding.title) for finding in found] == [(CACHE, "Answers from cache: the median answer takes 99 ms where 0.1 is usual")]


def test_evidence_has_numbers_and_thresholds() -> None:
    """What was seen, what is usual, from where on it is told, whose names failed."""
    watched = taught()
    (finding,) = watched.pass_minute(failing=30)
    assert finding.title == "Upstream 192.0.2.53:53: 75% of queries fail"
    assert finding.evidence | {"z": 0} == {
        "kind": "failing", "queries": 40, "failed": 30, "share_failed": 0.75, "usual_share_failed": 0.0, "share_threshold": 0.1, "median_ms": 20.0,
        "usual_median_ms": 20.0, "factor_threshold": 3.0, "z": 0, "z_threshold": 4.0, "minutes": 1, "learning": "active",
    }  # fmt: skip
    assert set(finding.samples) <= {f"d{number}.test" for number in range(5)}


def test_usual_failures_are_no_trouble() -> None:
    """A server that always fails a sixth of queries is told when it fails more, not every minute."""
    watched = taught(failing=6)
    assert not any(watched.pass_minute(failing=7) for _ in range(10))
    assert [bool(watched.pass_minute(failing=16)) for _ in range(2)] == [False, True]


def test_slowness_that_lasts_becomes_normal_failure_never() -> None:
    """Told for two hours; the baseline is frozen until then."""
    slow, failing = taught(), taught()
    assert 118 <= sum(bool(slow.pass_minute(took_ms=200)) for _ in range(300)) <= 145
    assert all(failing.pass_minute(failing=30) for _ in range(300))


def test_a_server_down_from_the_start_is_told_without_baseline() -> None:
    """Half of all failing needs no past; slowness does, and learning says so."""
    watched = Watched()
    assert watched.detector.standing(0.0).state == "learning"
    (finding,) = watched.pass_minute(failing=30)
    assert finding.evidence["learning"] == "learning"
    assert taught().detector.standing(0.0).state == "active"


def test_parameters_are_the_tenants_own() -> None:
    """A higher share, another patience."""
    watched = taught(Detection(service_trouble=ServiceTroubleSpec(failing=0.9, slow_ms=1000)))
    assert not any(watched.pass_minute(failing=20, took_ms=300) for _ in range(5))


@pytest.mark.parametrize("through", ["a restart", "the warehouse"])
def test_what_is_usual_survives(through: str) -> None:
    """And judges at once."""
    watched = taught()
    watched.detector = saved(watched.detector) if through == "a restart" else told(watched.detector)
    assert watched.detector.standing(0.0).state == "active"
    assert [bool(watched.pass_minute(took_ms=200)) for _ in range(2)] == [False, True]


def saved(detector: ServiceTrouble) -> ServiceTrouble:
    """Through its parts."""
    parts, again = Parts(), ServiceTrouble()
    rest = detector.save(parts)
    again.load(rest, Parts.load(dict(parts.flush()).get)[1])
    return again


def told(detector: ServiceTrouble) -> ServiceTrouble:
    """Through plain values."""
    again = ServiceTrouble()
    again.relearn(detector.learnt())
    return again


def test_subjects_are_bounded() -> None:
    """Servers seen longest ago are forgotten, and few values are told."""
    watched = Watched()
    for number in range(MOST + 10):
        watched.pass_minute(server=f"10.0.0.{number}:53", count=20)
    assert watched.detector.standing(0.0).reason.startswith(f"0 of {MOST} ")
    assert len(watched.detector.learnt()) <= 100


def test_it_is_told_through_the_door_agents_use() -> None:
    """Rows in, an alert out once the minute is over; its panes are those of the context signals."""
    state = TenantState("acme")
    events = [event(START + number, f"d{number}.test", number, rcode="SERVFAIL") for number in range(40)]
    state.update(batch(events), START + 40)
    found = [alert for second in (50, 66) for alert in state.tick(START + second).alerts]
    assert [(alert.detector, alert.subject, alert.severity) for alert in found] == [("service_trouble", SERVER, "medium")]
