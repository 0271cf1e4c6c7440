"""Newly observed names: what is new and for how long, what a fresh or a restored state may say, and when it is a burst."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.engine import decide
from resolver.tenants import identify
from schemas.detection_spec import Detection, NewlyObservedSpec
from schemas.events import QueryEvent
from schemas.signals import ContextSignal
from streams.detectors.finding import Finding
from streams.detectors.newly_observed import PER_MINUTE, NewlyObserved
from tests.resolver.policy.test_explanation import signalled
from tests.resolver.policy.written import BACKEND, NOW, rules, tenant
from tests.streams.detectors import cuts
from tests.streams.detectors.cuts import findings_of_cuts
from tests.streams.events import START, batch, event

HOUR = 3600.0
INTERNAL = (".acme.example",)
QUICK = Detection(newly_observed=NewlyObservedSpec(learning_hours=6))


def fed(
    detector: NewlyObserved, events: list[QueryEvent], internal: tuple[str, ...] = (), detection: Detection = QUICK
) -> list[Finding]:
    """Findings of events in a tenant that learns for six hours."""
    return cuts.fed(detector, events, internal, detection)


def quiet(hours: float, client: str = "10.0.0.1") -> list[QueryEvent]:
    """A client that asks the same ninety domains over and over."""
    return [event(START + i * 60, f"www.site{i % 90}.example", i, client=client) for i in range(int(hours * 60) + 1)]


def grown(hours: float = 7) -> NewlyObserved:
    """A detector that has learnt."""
    detector = NewlyObserved()
    assert fed(detector, quiet(hours), INTERNAL) == []
    assert detector.signals(0, START + hours * HOUR) == []
    return detector


def signalled_by(detector: NewlyObserved, qname: str, hours: float = 7, **fields: Any) -> list[ContextSignal]:
    """Signals after one query more."""
    fed(detector, [event(START + hours * HOUR, qname, 0, **fields)], INTERNAL)
    return detector.signals(0, START + hours * HOUR + 1)


def test_a_name_asked_for_the_first_time_is_new_for_a_day() -> None:
    """Told once, about the registered domain, with who asked and when it ceases to be new."""
    detector = grown()
    (told,) = signalled_by(detector, "a.b.fresh.example", client="10.0.0.7")
    assert (told.kind, told.subject, told.value, told.tenant) == ("newly_observed", "fresh.example", "new", "acme")
    assert told.expires.timestamp() == START + 7 * HOUR + 24 * HOUR
    assert "10.0.0.7" in told.reason
    assert signalled_by(detector, "c.fresh.example") == []


NEW: list[tuple[str, dict[str, Any], list[str]]] = [
    ("www.site3.example", {}, []),
    ("db7.prod.acme.example", {}, ["db7.prod.acme.example"]),
    ("printer.lan", {}, ["printer.lan"]),
    ("typo.fresh.example", {"rcode": "NXDOMAIN"}, []),
    ("fresh.example", {"verdict": "deny", "answer_source": "policy"}, []),
    ("a.github.io", {}, ["a.github.io"]),
]


@pytest.mark.parametrize(("qname", "fields", "subjects"), NEW)
def test_what_counts_as_new(qname: str, fields: dict[str, Any], subjects: list[str]) -> None:
    """Registered domains, whole names in zones of the tenant's own; not what failed or was denied."""
    assert [item.subject for item in signalled_by(grown(), qname, **fields)] == subjects


def test_a_name_that_failed_or_was_denied_is_new_when_it_is_answered() -> None:
    """The first answer is what makes an acquaintance."""
    detector = grown()
    assert signalled_by(detector, "fresh.example", rcode="NXDOMAIN") == []
    assert [item.subject for item in signalled_by(detector, "fresh.example")] == ["fresh.example"]


def test_a_fresh_state_learns_and_says_nothing() -> None:
    """For the hours its operator says; what was learnt then stays known."""
    detector = NewlyObserved()
    fed(detector, quiet(3))
    assert detector.standing(START + 3 * HOUR).state == "learning"
    assert signalled_by(detector, "fresh.example", 3) == []
    assert detector.standing(START + 7 * HOUR).state == "active"
    assert signalled_by(detector, "fresh.example", 7) == []


def test_a_state_seeded_by_the_warehouse_need_not_learn() -> None:
    """What the tenant asked before is known, other names are new at once; names of internal zones are learnt anew."""
    detector = NewlyObserved()
    detector.seed(["known.example"], START - 100 * HOUR)
    assert signalled_by(detector, "www.known.example", 0) == []
    assert signalled_by(detector, "db7.prod.acme.example", 0) == []
    assert [item.subject for item in signalled_by(detector, "fresh.example", 0)] == ["fresh.example"]
    assert detector.standing(START).state == "active"


def test_a_bounded_number_is_told_a_minute() -> None:
    """The rest waits for the next one, the newest of them; old news are no news."""
    detector = grown()
    fed(detector, [event(START + 7 * HOUR, f"www.fresh{i}.example", i) for i in range(500)])
    now = START + 7 * HOUR + 60
    assert [len(detector.signals(0, now)), len(detector.signals(0, now + 1)), len(detector.signals(0, now + 60))] == [PER_MINUTE, 0, PER_MINUTE]
    assert detector.signals(0, now + 25 * HOUR) == []


def test_a_rule_can_match_what_is_new() -> None:
    """The signal as it is told makes the resolver's rule match, below the domain too, and no longer than it holds."""
    detector = NewlyObserved()
    detector.seed(["site3.example"], NOW - 100 * HOUR)
    fed(detector, [event(NOW, "www.fresh.example", 0)])
    (told,) = detector.signals(NOW, NOW)
    for condition in ("newlyObserved: true", "signal: [{kind: newly_observed, values: [new]}]"):
        policy = signalled(tenant() + rules(f"name: d, action: deny, match: {{{condition}}}"), told)
        asker = identify(policy, BACKEND)
        assert asker is not None
        now = told.created.timestamp() + 5
        assert decide(asker, "a.fresh.example", "A", "udp", now).verdict == "deny"
        assert decide(asker, "www.site3.example", "A", "udp", now).verdict == "allow"
        assert decide(asker, "a.fresh.example", "A", "udp", told.expires.timestamp() + 1).verdict == "allow"


def fresh(count: int, first: int, start: float, seconds: float = 300, client: str = "10.0.0.9") -> list[QueryEvent]:
    """A client that asks new domains."""
    return [event(START + start + seconds * i / count, f"www.n{first + i}.example", i, client=client) for i in range(count)]


@lru_cache
def bursting() -> pa.RecordBatch:
    """Seven quiet hours with clients that meet a few new names, and one that meets very many."""
    some = [item for hour in range(8) for item in fresh(20, 100 + hour * 100, hour * HOUR, 1800, "10.0.0.8")]
    events = [*quiet(8), *some, *fresh(300, 2000, 7 * HOUR)]
    return batch(sorted(events, key=lambda item: item.time))


def test_a_burst_of_new_names_is_an_alert_of_low_severity() -> None:
    """The client is the subject; who meets a few now and then is not."""
    found: list[Finding] = fed(NewlyObserved(), bursting())
    assert {(item.subject, item.severity) for item in found} == {("10.0.0.9", "low")}
    last = found[-1].evidence
    assert (last["names"], last["threshold"], last["learning"]) == (300, 100, "active")
    assert found[0].seen - START - 7 * HOUR <= 180
    assert found[0].samples[0].startswith("www.n2")


def test_parameters_are_the_tenants_own() -> None:
    """A higher floor, exempt names, a shorter time of learning."""
    for mine in (NewlyObservedSpec(burst=400), NewlyObservedSpec(exempt=["*.n2*.example", "*.example"])):
        assert fed(NewlyObserved(), bursting(), detection=Detection(newly_observed=mine)) == []
    eager = Detection(newly_observed=NewlyObservedSpec(learning_hours=0))
    assert fed(NewlyObserved(), [*fresh(300, 0, 0), *quiet(1)[20:]], detection=eager) != []


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 900), max_size=8))
def test_findings_do_not_depend_on_how_events_were_cut(cuts: list[int]) -> None:
    """Any batches of the same events lead to the same findings and the same state, also over restarts."""
    whole, cut = findings_of_cuts(NewlyObserved, bursting(), cuts)
    assert cut == whole
