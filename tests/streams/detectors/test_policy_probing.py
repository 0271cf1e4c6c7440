"""Policy probing: walking is told from retrying, search lists and habits are neither, and no alarm names other tenants."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.detection_spec import Detection, PolicyProbingSpec
from schemas.events import QueryEvent
from streams.detectors.finding import Finding
from streams.detectors.policy_probing import PolicyProbing
from tests.streams.detectors.cuts import fed, findings_of_cuts
from tests.streams.events import START, batch, event

DENIED: dict[str, Any] = {"verdict": "deny", "answer_source": "policy", "rcode": "NXDOMAIN", "tier": "tenant", "rule": "p/deny"}
MISSING: dict[str, Any] = {"rcode": "NXDOMAIN"}
INTERNAL = (".svc.acme.example",)
HOUR = 3600.0


def asked(name: Callable[[int], str], count: int, start: float = HOUR, seconds: float = 300.0, **fields: Any) -> list[QueryEvent]:
    """So many queries of one client, evenly spread."""
    return [event(START + start + seconds * i / count, name(i), i, **({"client": "10.0.0.66"} | fields)) for i in range(count)]


def run(events: list[QueryEvent], detection: Detection | None = None) -> list[Finding]:
    """Findings in an hour and more of quiet traffic with these events in it."""
    quiet = [event(START + i * 30, f"www{i % 9}.example.com", i) for i in range(160)]
    quiet += asked(lambda i: f"old{i % 4}.svc.acme.example", 100, 0, 4800, client="10.0.0.5", **MISSING)
    return fed(PolicyProbing(), sorted([*quiet, *events], key=lambda item: item.time), INTERNAL, detection)


KINDS: list[tuple[str, str, list[QueryEvent]]] = [
    ("walking", "high", asked(lambda i: f"svc{i}.prod.internal", 90, **MISSING)),
    ("walking", "high", asked(lambda i: f"db{i}.svc.acme.example", 90, **MISSING)),
    ("walking", "medium", asked(lambda i: f"api{i}.corp", 30, **DENIED)),
    ("denials", "low", asked(lambda i: f"ads{i}.tracker.example.net", 150, **DENIED)),
    ("retry_loop", "info", asked(lambda i: f"telemetry{i % 2}.example.net", 1500, **DENIED)),
]


@pytest.mark.parametrize(("kind", "severity", "events"), KINDS)
def test_kinds_are_told_apart(kind: str, severity: str, events: list[QueryEvent]) -> None:
    """By how many different names, and whether they are internal; the client is the subject, its names are samples."""
    last = run(events)[-1]
    assert (last.evidence["kind"], last.severity, last.subject, last.clients) == (kind, severity, "10.0.0.66", ("10.0.0.66",))
    assert set(last.samples) <= {item.qname for item in events}
    assert last.samples
    assert last.suggested is None
    assert last.evidence["learning"] == "active"


def test_walking_is_told_seconds_after_it_crosses_the_floor() -> None:
    """Twenty different names at one a second: within half a minute of the twentieth."""
    first = run(asked(lambda i: f"svc{i}.prod.internal", 60, seconds=60, **MISSING))[0]
    assert 20 <= first.seen - START - HOUR <= 45


QUIET: dict[str, list[QueryEvent]] = {
    "few names": asked(lambda i: f"svc{i % 15}.prod.internal", 200, **MISSING),
    "public names tried with a search domain": asked(lambda i: f"www.site{i}.com.svc.acme.example", 200, **MISSING),
    "missing names of the Internet": asked(lambda i: f"x{i}.example.org", 200, **MISSING),
    "what an overlay denies": asked(lambda i: f"x{i}.prod.internal", 200, **DENIED | {"tier": "overlay"}),
    "names that exist": asked(lambda i: f"svc{i}.prod.internal", 200),
    "a moderate blocklist": asked(lambda i: f"ads{i}.tracker.example.net", 80, **DENIED),
}


@pytest.mark.parametrize("why", QUIET)
def test_what_is_no_probing(why: str) -> None:
    """Nothing is told."""
    assert run(QUIET[why]) == []


def test_what_a_client_always_does_is_its_habit() -> None:
    """A browser behind a long blocklist: told at first, until its habit is known; then only what goes far beyond."""
    detector = PolicyProbing()
    told = [bool(fed(detector, asked(lambda i: f"ads{i}.example.net", 130, window * 600.0, 590, **DENIED))) for window in range(40)]
    assert not any(told[30:])
    assert fed(detector, asked(lambda i: f"ads{i}.example.net", 900, 40 * 600.0, 590, **DENIED))


def test_within_the_first_hour_twice_the_floor_is_needed() -> None:
    """And the evidence says that it is learning."""
    walk = [asked(lambda i: f"svc{i}.prod.internal", count, 0, **MISSING) for count in (30, 60)]
    quiet = [event(START + 400, "www.example.com", 0)]
    assert fed(PolicyProbing(), [*walk[0], *quiet]) == []
    assert fed(PolicyProbing(), [*walk[1], *quiet])[-1].evidence["learning"] == "learning"


def test_a_workload_is_the_subject_where_addresses_are_not_shown() -> None:
    """Privacy settings do not blind the alarm."""
    found = run(asked(lambda i: f"svc{i}.prod.internal", 90, client="", workload="crawler", **MISSING))
    assert (found[0].subject, found[0].workloads, found[0].clients) == ("workload/crawler", ("crawler",), ())


def test_exempt_names_and_parameters_are_the_tenants_own() -> None:
    """Exempt patterns are not counted; floors can be raised."""
    events = asked(lambda i: f"svc{i}.prod.internal", 90, **MISSING)
    assert run(events, Detection(policy_probing=PolicyProbingSpec(exempt=["*.prod.internal"]))) == []
    assert run(events, Detection(policy_probing=PolicyProbingSpec(hidden=200))) == []


def test_a_flood_of_denied_names_is_judged_from_a_bounded_sample() -> None:
    """20,000 different names are estimated within a fifth."""
    last = run(asked(lambda i: f"svc{i}.prod.internal", 20_000, seconds=60, **DENIED))[-1]
    assert last.evidence["hidden_names"] == pytest.approx(20_000, rel=0.2)


@lru_cache
def mixed() -> pa.RecordBatch:
    """Walking, retrying and quiet clients."""
    events = [*KINDS[2][2], *asked(lambda i: f"t{i % 2}.example.net", 3000, 3000, 900, client="10.0.0.7", **DENIED)]
    events += asked(lambda i: f"www{i % 9}.example.com", 200, 0, 5000, client="10.0.0.8")
    return batch(sorted(events, key=lambda item: item.time))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 3200), max_size=8))
def test_findings_do_not_depend_on_how_events_were_cut(cuts: list[int]) -> None:
    """Any batches of the same events lead to the same findings and the same state, also over restarts."""
    whole, cut = findings_of_cuts(PolicyProbing, mixed(), cuts)
    assert cut == whole
    assert {item.evidence["kind"] for item in whole[0]} == {"walking", "retry_loop"}
