"""From alert to overlay: what the tenant's feedback allows, how long, and what never gets blocked."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.objects import Feedback
from schemas.signals import Alert, SuggestedEntry
from streams.alerts import alert_id, moment
from streams.context import OverlayBook, signal_of
from tests.streams.events import START


def alert(domain: str = "evil.test", **fields: Any) -> Alert:
    """An open alert of the tunnel detector on a domain."""
    values: dict[str, Any] = {
        "id": alert_id("acme", "heavy_hitters", domain), "tenant": "acme", "detector": "heavy_hitters", "subject": domain, "state": "open",
        "revision": 1, "severity": "high", "severity_reason": "much", "title": "t", "first_seen": moment(START), "last_seen": moment(START),
        "changed": moment(START), "evidence": {}, "suggested": SuggestedEntry(pattern=f".{domain}"),
    }  # fmt: skip
    return Alert(**(values | fields))


REFUSED = [
    (Feedback(mode="off"), "evil.test", "off for heavy_hitters"),
    (Feedback(mode="enforce", detectors={"heavy_hitters": "off"}), "evil.test", "off for heavy_hitters"),
    (Feedback(min_severity="critical"), "evil.test", "below critical"),
    (Feedback(exempt=[".evil.test"]), "evil.test", "exempt by .evil.test"),
    (Feedback(exempt=["*"]), "evil.test", "exempt by *"),
    (Feedback(exempt=["api.evil.test"]), "evil.test", "exempt by api.evil.test"),
    (Feedback(exempt=["*.safe.evil.test"]), "evil.test", "exempt by"),
    (Feedback(exempt=["*.test"]), "evil.test", "exempt by"),
    (Feedback(max_entries=0), "evil.test", "cap of 0 entries"),
    (Feedback(), "google.com", "popular"),
]


@pytest.mark.parametrize(("feedback", "domain", "why"), REFUSED)
def test_what_holds_an_entry_back_is_said(feedback: Feedback, domain: str, why: str) -> None:
    """No entry, no revision, and a note for the alert's evidence."""
    book = OverlayBook("acme")
    verdict = book.consider(alert(domain), feedback, START)
    assert not verdict.changed
    assert book.overlay().revision == 0
    assert why in verdict.note


@pytest.mark.parametrize(("feedback", "mode"), [
    (Feedback(), "audit"), (Feedback(mode="enforce"), "enforce"), (Feedback(detectors={"heavy_hitters": "enforce"}), "enforce"),
    (Feedback(mode="enforce", detectors={"heavy_hitters": "audit"}), "audit"), (Feedback(exempt=[".other.test", "evil.test.net"]), "audit"),
])  # fmt: skip
def test_entries_take_the_mode_the_tenant_chose(feedback: Feedback, mode: str) -> None:
    """Per detector, else for all; with source, reason and an expiry within the cap."""
    book = OverlayBook("acme")
    assert book.consider(alert(), feedback, START).changed
    (entry,) = book.overlay().entries
    assert (entry.mode, entry.pattern, entry.action, entry.detector, entry.reason) == (
        mode,
        ".evil.test",
        "deny",
        "heavy_hitters",
        "t",
    )
    assert entry.expires.timestamp() == START + 900


def test_entries_are_renewed_in_the_second_half_of_their_life() -> None:
    """Not on every alert, so that an overlay changes seldom; never beyond the tenant's cap of seconds."""
    book, feedback = OverlayBook("acme"), Feedback(max_duration_s=100)
    changed = [book.consider(alert(), feedback, START + at).changed for at in (0, 10, 49, 60, 80)]
    assert changed == [True, False, False, True, False]
    assert (book.overlay().revision, book.overlay().entries[0].expires.timestamp()) == (2, START + 160)
    assert book.overlay().entries[0].created.timestamp() == START


def test_entries_expire_and_make_room() -> None:
    """The revision rises with every change, also with an end."""
    book, feedback = OverlayBook("acme"), Feedback(max_duration_s=100, max_entries=1)
    book.consider(alert("one.test"), feedback, START)
    assert "cap of 1" in book.consider(alert("two.test"), feedback, START + 5).note
    assert book.expire(START + 99) == []
    assert [entry.pattern for entry in book.expire(START + 100)] == [".one.test"]
    assert (book.overlay().revision, book.overlay().entries) == (2, ())
    assert book.consider(alert("two.test"), feedback, START + 101).changed


def test_changed_feedback_is_applied_to_entries_in_force() -> None:
    """Mode, exemptions, cap of entries (the oldest stay) and of seconds."""
    book = OverlayBook("acme")
    for number, domain in enumerate(("one.test", "two.test", "three.test")):
        book.consider(alert(domain), Feedback(), START + number)
    assert not book.apply(Feedback(), START + 3)
    assert book.apply(Feedback(mode="enforce", max_duration_s=60, max_entries=2, exempt=["x.two.test"]), START + 4)
    found = {entry.pattern: (entry.mode, entry.expires.timestamp()) for entry in book.overlay().entries}
    assert found == {".one.test": ("enforce", START + 64), ".three.test": ("enforce", START + 64)}
    assert book.apply(Feedback(mode="off"), START + 5)
    assert book.overlay().entries == ()


def test_a_book_goes_on_from_its_bytes_and_from_the_last_overlay() -> None:
    """Not from another tenant's, and not from an older one."""
    book, loaded, resumed = OverlayBook("acme"), OverlayBook("acme"), OverlayBook("acme")
    book.consider(alert(), Feedback(), START)
    loaded.load(book.save())
    resumed.resume(book.overlay())
    assert loaded.overlay() == resumed.overlay() == book.overlay()
    other = OverlayBook("globex")
    other.resume(book.overlay())
    assert other.overlay().entries == ()


def test_a_finding_without_a_suggestion_blocks_nothing() -> None:
    """A client that asks generated names is told, not blocked."""
    assert not OverlayBook("acme").consider(alert(suggested=None), Feedback(mode="enforce"), START).changed


def test_signals_carry_source_reason_and_expiry() -> None:
    """A fact for rules and discovery."""
    signal = signal_of(alert(), START)
    assert (signal.kind, signal.subject, signal.value, signal.reason) == (
        "finding/heavy_hitters",
        "evil.test",
        "high",
        "much",
    )
    assert (signal.expires - signal.created).total_seconds() == 900
