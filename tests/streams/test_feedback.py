"""Feedback from finding to policy: steps, caps, protected domains, withdrawal, and the trail of every entry."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.objects import Feedback, FeedbackMode, Severity
from schemas.signals import SuggestedEntry
from streams.context import OverlayBook
from streams.desk import Desk
from streams.detectors.finding import SEVERITIES, Finding
from streams.tenant import Findings
from tests.streams.events import START
from tests.streams.test_context import alert

WILD = 10_000


def finding(domain: str, detector: str = "heavy_hitters", severity: Severity = "high", seen: float = START) -> Finding:
    """A finding that wants a domain denied."""
    suggested = SuggestedEntry(pattern=f".{domain}")
    return Finding(detector, domain, severity, "much", f"{domain} is bad", seen, {}, suggested=suggested)


STEPS = [
    ("low", "enforce", 0, ("tag", "enforce")), ("low", "enforce", 600, ("deny", "audit")), ("low", "enforce", 1200, ("deny", "enforce")),
    ("medium", "enforce", 0, ("deny", "audit")), ("medium", "enforce", 601, ("deny", "enforce")), ("medium", "audit", 6000, ("deny", "audit")),
    ("high", "enforce", 0, ("deny", "enforce")), ("critical", "tag", 9000, ("tag", "enforce")), ("high", "audit", 0, ("deny", "audit")),
]  # fmt: skip


@pytest.mark.parametrize(("severity", "mode", "lasted", "step"), STEPS)
def test_entries_rise_by_severity_and_time_as_far_as_the_tenant_allows(
    severity: Severity, mode: FeedbackMode, lasted: int, step: tuple[str, str]
) -> None:
    """Tag, audit, enforce; the note says what comes next."""
    book, feedback = OverlayBook("acme"), Feedback(mode=mode, min_severity="low")
    for at in range(0, lasted + 1, 100):
        verdict = book.consider(alert(severity=severity), feedback, START + at)
    (entry,) = book.overlay().entries
    assert (entry.action, entry.mode) == step
    assert entry.created.timestamp() == START
    top = {"tag": ("tag", "enforce"), "audit": ("deny", "audit"), "enforce": ("deny", "enforce")}[mode]
    assert ("if it lasts" in verdict.note) == (step != top)


def test_without_patience_an_entry_goes_as_far_as_it_may_at_once() -> None:
    """Escalation switched off."""
    book = OverlayBook("acme")
    book.consider(alert(severity="medium"), Feedback(mode="enforce", escalate_after_s=0), START)
    assert [entry.mode for entry in book.overlay().entries] == ["enforce"]


@pytest.mark.parametrize("pace", [0.0, 0.7])
def test_a_detector_gone_wild_changes_what_its_cap_allows_and_says_so(pace: float) -> None:
    """Ten thousand findings, at once or over hours: fifty entries of it, room for the others, and an alert about the detector itself."""
    desk, found, feedback = Desk("acme"), Findings(), Feedback(mode="enforce")
    for number in range(WILD):
        desk.report(finding(f"d{number}.test", seen=START + number * pace), feedback, START, found)
    desk.settle(START + WILD * pace, START + 1, found)
    overlay = found.overlays[-1]
    assert len(overlay.entries) == feedback.max_entries_per_detector
    (told,) = [item for item in found.alerts if item.detector == "feedback"]
    assert told.subject == "heavy_hitters"
    assert told.severity_reason.startswith("the cap of 50 entries of heavy_hitters (feedback.maxEntriesPerDetector) is reached")
    assert int(told.evidence["held_back"]) > 0
    desk.report(finding("other.test", "dga", seen=START + WILD * pace + 61), feedback, START + 1, found)
    assert len(found.overlays[-1].entries) == 51


def test_entries_that_come_and_go_are_capped_by_the_hour() -> None:
    """Short lives do not get around the cap; an hour later there is room again."""
    book, feedback = OverlayBook("acme"), Feedback(mode="enforce", max_duration_s=1, max_new_per_hour=5)
    notes = []
    for number in range(8):
        notes.append(book.consider(alert(f"d{number}.test"), feedback, START + number).note)
        book.expire(START + number + 1)
    assert [("maxNewPerHour" in note) for note in notes] == [False] * 5 + [True] * 3
    assert book.consider(alert("later.test"), feedback, START + 3605).changed


def test_what_the_clients_of_a_tenant_use_stays() -> None:
    """Popular there, though on no list."""
    verdict = OverlayBook("acme").consider(alert("crm.test"), Feedback(mode="enforce"), START, frozenset({"crm.test"}))
    assert verdict.note == "none: crm.test is popular with the clients of this tenant"


def test_muted_alerts_change_nothing() -> None:
    """Whatever their severity."""
    verdict = OverlayBook("acme").consider(alert(muted="m-1", severity="critical"), Feedback(mode="enforce"), START)
    assert verdict.note == "none: the alert is muted by order m-1"


def test_an_alert_that_opens_again_muted_ends_what_it_had_put_in_force() -> None:
    """It had closed while its entry lived on, and was muted meanwhile."""
    book = OverlayBook("acme")
    book.consider(alert(), Feedback(mode="enforce"), START)
    assert book.consider(alert(muted="m-1"), Feedback(mode="enforce"), START + 400).changed
    overlay = book.overlay()
    assert (overlay.entries, [end.ending for end in overlay.ended]) == ((), ["muted by order m-1"])


def test_every_end_is_told_with_its_reason() -> None:
    """Expired, withdrawn by a person, ended by changed feedback; an hour long, in the state and over a restart."""
    book, feedback = OverlayBook("acme"), Feedback(mode="enforce", max_duration_s=100)
    for number, domain in enumerate(("one.test", "two.test", "three.test")):
        book.consider(alert(domain), feedback, START + number * 50)
    book.expire(START + 100)
    assert book.withdraw(alert("two.test").id, "closed by ada: a backup", START + 110)
    assert not book.withdraw("unknown", "", START)
    book.apply(Feedback(mode="off"), START + 120)
    ended = book.overlay().ended
    assert [end.ending for end in ended] == ["expired", "closed by ada: a backup", "the tenant's feedback was changed"]
    assert [end.ended.timestamp() - START for end in ended] == [100, 110, 120]
    loaded, resumed = OverlayBook("acme"), OverlayBook("acme")
    loaded.load(book.save())
    resumed.resume(book.overlay())
    assert loaded.overlay() == resumed.overlay() == book.overlay()
    book.consider(alert("four.test"), feedback, START + 3711)
    assert [end.ending for end in book.overlay().ended] == ["the tenant's feedback was changed"]


EVENTS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["dga", "volume"]), st.sampled_from(SEVERITIES), st.integers(0, 300)), max_size=60
)


@settings(max_examples=60)
@given(EVENTS, st.sampled_from(["off", "tag", "audit", "enforce"]), st.integers(0, 4), st.integers(0, 3), st.integers(0, 6))
def test_no_order_of_findings_breaks_what_the_tenant_set(
    events: list[tuple[str, str, Severity, int]], mode: FeedbackMode, most: int, each: int, hourly: int
) -> None:
    """Caps, ceiling, life, and revisions that rise by one."""
    feedback = Feedback(mode=mode, max_entries=most, max_entries_per_detector=each, max_new_per_hour=hourly, max_duration_s=120, min_severity="low")
    book, now, revision, made = OverlayBook("acme"), START, 0, set()
    for domain, detector, severity, wait in events:
        now += wait
        book.expire(now)
        book.consider(alert(f"{domain}.test", id=f"{detector}{domain}", detector=detector, severity=severity), feedback, now)
        overlay = book.overlay()
        held = [entry.detector for entry in overlay.entries]
        assert len(held) <= most
        assert all(held.count(name) <= each for name in held)
        assert {(entry.action, entry.mode) for entry in overlay.entries} <= {
            "off": set(), "tag": {("tag", "enforce")}, "audit": {("tag", "enforce"), ("deny", "audit")},
            "enforce": {("tag", "enforce"), ("deny", "audit"), ("deny", "enforce")},
        }[mode]  # fmt: skip
        assert all(now < entry.expires.timestamp() <= now + 120 for entry in overlay.entries)
        made |= {(entry.id, entry.created) for entry in overlay.entries if entry.created.timestamp() > now - 3600}
        assert len({key for key in made if key[1].timestamp() > now - 3600}) <= hourly
        assert overlay.revision >= revision
        revision = overlay.revision
