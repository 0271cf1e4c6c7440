"""Policy shifts: a version that decides differently is told with its rule, one that does not is not, bursts are neither."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import AuditVerdict, QueryEvent
from streams.detectors.finding import Finding, Scene
from streams.detectors.policy_shift import PolicyShift
from tests.streams.detectors.cuts import fed, findings_of_cuts
from tests.streams.events import START, batch, event

DENY: dict[str, Any] = {"verdict": "deny", "rule": "block/ads", "rcode": "NXDOMAIN"}
CHANGE = 300


def traffic(before: float, after: float, rate: int = 10, seed: int = 1, **fields: Any) -> list[QueryEvent]:
    """Ten minutes; the share that rule block/ads denies changes with version 2 after five."""
    rng = random.Random(seed)
    events = []
    for i in range(600 * rate):
        second = i / rate
        denied = rng.random() < (before if second < CHANGE else after)
        decided = {**fields, **(DENY if denied else {}), "policy_version": "1" if second < CHANGE else "2"}
        events.append(event(START + second, f"n{rng.randrange(50)}.example.com", i, **decided))
    return [*events, event(START + 700, "www.example.com", len(events), policy_version="2")]


def run(events: list[QueryEvent]) -> list[Finding]:
    """What a fresh detector finds in them."""
    return fed(PolicyShift(), events)


def test_a_version_that_denies_much_more_is_told_with_its_rule() -> None:
    """A minute after its first event, once more after five, with shares, rule and a name; severity by how far it moved."""
    first, last = run(traffic(0.05, 0.4))
    assert (first.subject, first.severity, first.evidence["rule"], first.evidence["version"]) == ("policy", "medium", "block/ads", "2")
    assert 60 <= first.seen - START - CHANGE <= 85
    assert first.evidence["deny_before"] == pytest.approx(0.05, abs=0.02)
    assert last.evidence["deny_after"] == pytest.approx(0.4, abs=0.03)
    assert first.samples[0].endswith(".example.com")
    assert "block/ads" in first.reason


QUIET = [(0.05, 0.05, 10), (0.05, 0.12, 10), (0.0, 1.0, 0), (0.3, 0.3, 3)]


@pytest.mark.parametrize(("before", "after", "rate"), QUIET)
def test_what_stays_or_moves_little_is_no_shift(before: float, after: float, rate: int) -> None:
    """The same shares, less than the floor, or too few queries to say."""
    assert run(traffic(before, after, rate)) == []


def test_bursts_that_come_and_go_are_no_shift() -> None:
    """A client that hammers a denied name for ten seconds now and then scatters the shares: the test widens accordingly."""
    events, burst = [], []
    for i, item in enumerate(traffic(0.02, 0.02)):
        events.append(item)
        at = item.time.timestamp()
        if (int(at - START) % 60 < 10 and int(at - START) < 300) or int(at - START) in range(310, 375):
            burst += [event(at, "hammered.test", i, **DENY, policy_version=item.policy_version) for _ in range(2)]
    assert run(sorted([*events, *burst], key=lambda item: item.time)) == []


def test_a_version_taken_back_is_a_change_too() -> None:
    """Version 1 again after version 2: the shares go back, and that is told."""
    there = traffic(0.05, 0.5)[:-1]
    back = [event(START + 600 + i / 10, "n1.example.com", i, policy_version="1") for i in range(1000)]
    found = run([*there, *back])
    told = {(item.evidence["version"], item.evidence["deny_after"] > item.evidence["deny_before"]) for item in found}  # type: ignore[operator]
    assert told == {("2", True), ("1", False)}


def test_a_rule_in_audit_mode_says_what_it_would_deny() -> None:
    """Info, named by the rule; the verdicts themselves did not change."""
    audit = (AuditVerdict("new/strict", "deny", "tenant"),)
    events = [*traffic(0.05, 0.05)]
    half = [e if e.policy_version == "1" or i % 2 else event(e.time.timestamp(), e.qname, i, policy_version="2", audits=audit) for i, e in enumerate(events)]
    first, *_ = run(half)
    assert (first.subject, first.severity) == ("audit new/strict", "info")
    assert first.evidence["share"] == pytest.approx(0.5, abs=0.03)


@lru_cache
def shifting() -> pa.RecordBatch:
    """Traffic with a shift, as one batch."""
    return batch(traffic(0.05, 0.4, rate=4))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 2400), max_size=8))
def test_findings_do_not_depend_on_how_events_were_cut(cuts: list[int]) -> None:
    """Any batches of the same events lead to the same findings and the same state, also over restarts."""
    whole, cut = findings_of_cuts(PolicyShift, shifting(), cuts)
    assert cut == whole


def test_it_learns_until_it_has_seen_a_version() -> None:
    """Its standing says so."""
    detector = PolicyShift()
    assert detector.standing(START).state == "learning"
    fed(detector, traffic(0.1, 0.1)[:200])
    assert detector.tick(Scene("acme", START + 5)) == []
    assert detector.standing(START).state == "active"
