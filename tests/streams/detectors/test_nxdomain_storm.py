"""NXDOMAIN storms: when it is one, against which baseline, and who is behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.detection_spec import Detection, DgaSpec
from schemas.events import QueryEvent
from streams.columns import TenantRows
from streams.detectors.finding import Finding, Scene
from streams.detectors.nxdomain_storm import NxdomainStorm
from tests.streams.events import START, batch, event

WITHOUT_DGA = Detection(dga=DgaSpec(enabled=False))


def run(detector: NxdomainStorm, events: list[QueryEvent], internal: tuple[str, ...] = (), detection: Detection = WITHOUT_DGA) -> list[Finding]:
    """Findings of one batch."""
    rows = TenantRows.of(batch(events))
    return detector.update(rows, Scene("acme", float(rows.times.max()), internal, detection))


def minute(number: int, failing: int, name: Callable[[int], str], queries: int = 0, **fields: Any) -> list[QueryEvent]:
    """A minute with failing names and, beside them, queries that resolve."""
    start = START + 60 * number
    failed = [event(start + 59 * i / max(failing, 1), name(i), i, **({"rcode": "NXDOMAIN", "client": f"10.0.0.{i % 50}"} | fields)) for i in range(failing)]
    return sorted([*failed, *(event(start + 59 * i / max(queries, 1), "www.example.com", i) for i in range(queries))], key=lambda item: item.time)


def random_name(i: int) -> str:
    """A different name below one victim for each number."""
    return f"{i * 2654435761 % 2**32:x}.victim.test"


def warm(failures: int = 20, minutes: int = 10) -> NxdomainStorm:
    """A detector that learnt quiet minutes with some failures among 300 queries."""
    detector = NxdomainStorm()
    for number in range(minutes):
        assert run(detector, minute(number, failures + number % 5, lambda i: f"gone{i}.example.org", 300)) == []
    return detector


def test_many_clients_on_one_domain_are_an_attack() -> None:
    """High, with the victim as subject and an entry for what lies below it; the baseline does not learn from it."""
    detector = warm()
    usual = detector.baseline.mean
    (found,) = run(detector, minute(10, 400, random_name, 300))
    assert (found.subject, found.severity, found.evidence["kind"]) == ("victim.test", "high", "random_subdomain")
    assert found.suggested is not None
    assert found.suggested.pattern == "*.victim.test"
    assert found.evidence["names"] == pytest.approx(400, rel=0.15)
    run(detector, minute(11, 400, random_name, 300))
    run(detector, minute(12, 20, random_name, 300))
    assert detector.baseline.mean == pytest.approx(usual, rel=0.2)


KINDS: list[tuple[str, str, str, Callable[[int], str], dict[str, Any]]] = [
    ("generated_names", "10.0.0.9", "high", lambda i: f"x{i * 7919:x}.test", {"client": "10.0.0.9"}),
    ("one_client_one_domain", "victim.test", "medium", random_name, {"client": "10.0.0.9"}),
    ("search_list", "svc.acme.internal", "low", lambda i: f"www.n{i}.com.svc.acme.internal", {}),
    ("search_list", "lan", "low", lambda i: f"www.n{i}.com.lan", {}),
    ("search_list", "corp.test", "low", lambda i: f"www.n{i}.com.corp.test", {}),
    ("storm", "tenant", "medium", lambda i: f"x{i * 7919:x}.test", {}),
]


@pytest.mark.parametrize(("kind", "subject", "severity", "name", "fields"), KINDS)
def test_storms_are_told_apart(kind: str, subject: str, severity: str, name: Callable[[int], str], fields: dict[str, Any]) -> None:
    """By who asks and what; only an attack on one domain suggests an entry."""
    (found,) = run(warm(), minute(10, 400, name, 300, **fields), (".svc.acme.internal",))
    assert (found.evidence["kind"], found.subject, found.severity, found.suggested) == (kind, subject, severity, None)
    assert found.samples


def test_generated_names_are_left_to_the_detector_that_knows_them() -> None:
    """One client and many domains is told by dga alone; only where that is off, the storm is told as such."""
    events = minute(10, 400, lambda i: f"x{i * 7919:x}.test", 300, client="10.0.0.9")
    assert run(warm(), events, detection=Detection()) == []
    assert [item.evidence["kind"] for item in run(warm(), events)] == ["generated_names"]


@pytest.mark.parametrize(("failing", "queries", "fields"), [
    (100, 0, {}), (400, 4000, {}), (400, 0, {"verdict": "deny", "answer_source": "policy"}), (400, 0, {"rcode": "SERVFAIL"}),
])  # fmt: skip
def test_few_diluted_denied_or_otherwise_failed_names_are_no_storm(failing: int, queries: int, fields: dict[str, Any]) -> None:
    """Below the floor, below a fifth of all queries, refused by our own policy, or not NXDOMAIN at all."""
    assert run(warm(), minute(10, failing, random_name, queries, **fields)) == []


def test_a_tenant_used_to_failures_needs_more() -> None:
    """What is a storm for one is an ordinary minute for another."""
    assert run(warm(300), minute(10, 330, random_name, 300)) == []
    assert run(warm(300), minute(10, 900, random_name, 300)) != []


def test_a_cold_detector_tells_only_what_is_beyond_doubt() -> None:
    """Three times the floor and half of all queries; it says that it is learning."""
    assert run(NxdomainStorm(), minute(0, 300, random_name, 100)) == []
    (found,) = run(NxdomainStorm(), minute(0, 400, random_name, 100))
    assert found.evidence["learning"] == "learning"
    assert (NxdomainStorm().standing(0).state, warm().standing(0).state) == ("learning", "active")


def test_a_flood_is_seen_while_its_first_seconds_last() -> None:
    """The open pane counts: nobody waits for the minute to end."""
    detector = warm()
    events = [event(START + 600 + i / 200, random_name(i), i, rcode="NXDOMAIN", client=f"10.0.0.{i % 50}") for i in range(600)]
    first = next(i for i in range(0, 600, 20) if run(detector, events[i : i + 20]))
    assert events[first].time.timestamp() - (START + 600) < 2.0


def test_a_huge_flood_is_judged_from_a_bounded_sample() -> None:
    """20,000 failing names are estimated within a fifth, from at most 512 pairs a pane."""
    detector = warm()
    found = run(detector, minute(10, 20_000, random_name))
    assert found[0].evidence["names"] == pytest.approx(20_000, rel=0.2)


def test_what_was_learnt_is_plain_values() -> None:
    """And an unfinished start is not mistaken for a baseline."""
    detector, again = warm(), NxdomainStorm()
    again.relearn(detector.learnt())
    assert again.learnt() == detector.learnt()
    cold = NxdomainStorm()
    cold.relearn(warm(minutes=3).learnt())
    assert cold.standing(0).state == "learning"
