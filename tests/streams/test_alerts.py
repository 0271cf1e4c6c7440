"""Alerts: one id for one thing, told when it matters, closed when quiet, bounded."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.objects import Severity
from schemas.signals import Alert
from streams.alert_room import MOST_NEW, MOST_OPEN, OWN_NEW, OWN_OPEN
from streams.alerts import QUIET, AlertBook, alert_id
from streams.detectors.finding import Finding
from tests.streams.events import START


def finding(seen: float, severity: Severity = "medium", subject: str = "evil.test", **evidence: Any) -> Finding:
    """A finding of a detector at a time after START."""
    return Finding(detector="d", subject=subject, severity=severity, reason=f"{severity} because", title="t", seen=START + seen, evidence=evidence)


def tell(book: AlertBook, item: Finding) -> Alert | None:
    """What is told of a finding."""
    return book.observe(item, item.seen)[1]


def test_ids_tell_tenants_detectors_and_subjects_apart_and_never_change() -> None:
    """The same in every process; joining the parts is not ambiguous."""
    assert alert_id("acme", "d", "evil.test") == alert_id("acme", "d", "evil.test")
    assert len({alert_id("a", "b", "c"), alert_id("a", "bc", ""), alert_id("ab", "", "c"), alert_id("a", "b", "d")}) == 4


def test_updates_are_told_every_ten_seconds_unless_the_severity_rises() -> None:
    """Revisions count what was told; first_seen stays, last_seen follows every finding."""
    book = AlertBook("acme")
    told = [tell(book, finding(seen, severity)) for seen, severity in ((0, "medium"), (3, "medium"), (5, "high"), (9, "low"), (16, "low"))]
    assert [(item.state, item.revision, item.severity) for item in told if item] == [("open", 1, "medium"), ("updated", 2, "high"), ("updated", 3, "high")]
    assert told[1] is told[3] is None
    assert told[4] is not None
    assert (told[4].first_seen.timestamp(), told[4].last_seen.timestamp(), told[4].severity_reason) == (START, START + 16, "high because")


def test_quiet_alerts_close_once_and_reopen_with_a_higher_revision() -> None:
    """The same id, so that a store keeps the order."""
    book = AlertBook("acme")
    tell(book, finding(0))
    tell(book, finding(4))
    assert book.close_quiet(START + 4 + QUIET - 1, START) == []
    (closed,) = book.close_quiet(START + 4 + QUIET, START + 999)
    assert (closed.state, closed.revision, closed.last_seen.timestamp(), len(book)) == ("closed", 2, START + 4, 0)
    again = tell(book, finding(1000))
    assert again is not None
    assert (again.id, again.state, again.revision) == (closed.id, "open", 3)


@pytest.mark.parametrize("rate", [60.0, 0.01])
def test_openings_are_limited_per_minute_and_in_all_and_the_rest_is_told(rate: float) -> None:
    """A detector gone wrong does not flood anyone, and an alert of its own says how much was held back."""
    book = AlertBook("acme")
    told = [tell(book, finding(rate * i, subject=f"n{i}.test")) for i in range(MOST_OPEN + 200)]
    assert len(book) == sum(item is not None for item in told) == (MOST_OPEN if rate > 1 else MOST_NEW)
    flood = book.held_back()
    assert flood is not None
    assert book.held_back() is None
    alert = tell(book, flood)
    assert alert is not None
    missing = MOST_OPEN + 200 - len(book) + 1
    assert (alert.detector, alert.evidence["held_back"], alert.evidence["held_back_d"]) == ("alert_flood", missing, missing)
    assert f"{missing} findings were held back" in alert.title
    assert len(book.close_quiet(START + 10**6, START + 10**6)) == len(told) - missing + 1


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32), pace=st.sampled_from([0.001, 0.1, 1.0]), wild=st.integers(1, 4), restart=st.booleans())
def test_detectors_gone_wild_silence_no_other(seed: int, pace: float, wild: int, restart: bool) -> None:
    """However fast they find ten thousand things, each finding of a calm one is told as if it were alone; in all there is an end to it."""
    calm, alone, after = AlertBook("acme"), AlertBook("acme"), random.Random(seed)
    moments = sorted(after.uniform(0, 10_000 * pace) for _ in range(OWN_NEW))
    for number in range(10_000):
        while moments and moments[0] <= number * pace:
            mine = named(finding(moments.pop(0), subject=f"calm{len(moments)}.test"), "calm")
            assert brief(tell(calm, mine)) == brief(tell(alone, mine)) != None  # noqa: E711 - both, and told
        tell(calm, named(finding(number * pace, subject=f"n{number}.test"), f"wild{number % wild}"))
        if restart and number == 5000:
            saved, calm = calm.save(), AlertBook("acme")
            calm.load(saved)
    assert len(calm) <= MOST_OPEN + (wild + 1) * OWN_OPEN
    flood = calm.held_back()
    assert flood is not None
    assert "held_back_calm" not in flood.evidence


def named(item: Finding, detector: str) -> Finding:
    """The finding as another detector's."""
    return replace(item, detector=detector)


def brief(alert: Alert | None) -> tuple[str, str, int] | None:
    """What is told of an alert."""
    return (alert.subject, alert.state, alert.revision) if alert else None


def test_saved_and_resumed_books_go_on_where_they_were() -> None:
    """From own bytes, and from the alerts told before."""
    book, loaded, resumed = AlertBook("acme"), AlertBook("acme"), AlertBook("acme")
    told = [tell(book, finding(seen)) for seen in (0, 12)]
    loaded.load(book.save())
    resumed.resume([item for item in told if item])
    resumed.resume([item for item in told[-1:] if item])
    for one in (book, loaded):
        after = tell(one, finding(30))
        assert after is not None
        assert (after.state, after.revision) == ("updated", 3)
    assert len(resumed) == 1
    AlertBook("globex").resume([item for item in told if item])
    other = AlertBook("globex")
    other.resume([item for item in told if item])
    assert len(other) == 0
