"""From alert to policy: context signals, and the tenant's overlay with entries that expire.

An entry appears when the tenant's feedback allows it for the detector (off, audit, enforce), the severity suffices,
no exempt pattern or popular domain overlaps it, and the cap of entries is not reached; the alert says when one of
these held it back. It lives at most `max_duration_s`, is renewed in the second half of its life while the cause is
seen, and expires otherwise. Denied attempts are no cause: detectors do not count them, so an enforced entry runs out,
traffic flows again, and only fresh evidence blocks it anew. Expiry is wall time (`now`), since resolvers enforce it.
Must not know how findings come about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from schemas.objects import Feedback, FeedbackMode
from schemas.patterns import overlaps
from schemas.signals import Alert, ContextSignal, Overlay, OverlayEntry
from streams.alerts import moment
from streams.detectors.finding import rank

POPULAR = frozenset(
    {
        "akamai.net",
        "akamaiedge.net",
        "amazon.com",
        "amazonaws.com",
        "apple.com",
        "azure.com",
        "bing.com",
        "cloudflare.com",
        "cloudflare.net",
        "cloudfront.net",
        "debian.org",
        "facebook.com",
        "fastly.net",
        "gmail.com",
        "github.com",
        "google.com",
        "googleapis.com",
        "gstatic.com",
        "icloud.com",
        "instagram.com",
        "linkedin.com",
        "live.com",
        "microsoft.com",
        "microsoftonline.com",
        "mozilla.org",
        "netflix.com",
        "office.com",
        "office365.com",
        "outlook.com",
        "root-servers.net",
        "salesforce.com",
        "slack.com",
        "ubuntu.com",
        "whatsapp.com",
        "wikipedia.org",
        "windows.com",
        "windows.net",
        "windowsupdate.com",
        "yahoo.com",
        "youtube.com",
        "zoom.us",
    }
)
"""Domains a detector gone wrong must never take away, whatever it says."""

SIGNAL_LIFE = 900.0
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[OverlayEntry]).decode


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an alert: an entry in the overlay, or why not (`note`, for the alert's evidence)."""

    note: str
    changed: bool = False


def mode_for(feedback: Feedback, detector: str) -> FeedbackMode:
    """Feedback mode that holds for a detector."""
    return feedback.detectors.get(detector, feedback.mode)


def signal_of(alert: Alert, now: float) -> ContextSignal:
    """The alert as a fact for rules and discovery: kind ``finding/DETECTOR``, value its severity."""
    return ContextSignal(
        tenant=alert.tenant,
        kind=f"finding/{alert.detector}",
        subject=alert.subject,
        value=alert.severity,
        source=alert.detector,
        reason=alert.severity_reason,
        created=moment(now),
        expires=moment(now + SIGNAL_LIFE),
    )


class OverlayBook:
    """The overlay of one tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.revision = 0
        self._entries: dict[str, OverlayEntry] = {}
        self._changed = moment(0)

    def overlay(self) -> Overlay:
        """The whole overlay as it stands."""
        entries = tuple(self._entries[key] for key in sorted(self._entries))
        return Overlay(tenant=self.tenant, revision=self.revision, entries=entries, changed=self._changed)

    def consider(self, alert: Alert, feedback: Feedback, now: float) -> Verdict:
        """Add or renew the entry an alert suggests."""
        if alert.suggested is None:
            return Verdict("none: the finding suggests no entry")
        mode = mode_for(feedback, alert.detector)
        refusal = _refusal(alert, alert.suggested.pattern, feedback, mode)
        if refusal:
            return Verdict(f"none: {refusal}")
        life = min(alert.suggested.duration_s, feedback.max_duration_s)
        here = self._entries.get(alert.id)
        if here is None and len(self._entries) >= feedback.max_entries:
            return Verdict(f"none: the cap of {feedback.max_entries} entries (feedback.maxEntries) is reached")
        if here is not None and here.mode == mode and here.severity == alert.severity and _left(here, now) > life / 2:
            return Verdict(_note(here))
        expires = moment(now + life)
        entry = OverlayEntry(
            id=alert.id,
            pattern=alert.suggested.pattern,
            action=alert.suggested.action,
            mode="enforce" if mode == "enforce" else "audit",
            severity=alert.severity,
            reason=alert.title,
            detector=alert.detector,
            created=here.created if here else moment(now),
            expires=expires,
        )
        self._entries[alert.id] = entry
        self._revise(now)
        return Verdict(_note(entry), changed=True)

    def expire(self, now: float) -> list[OverlayEntry]:
        """Remove what has run out; the entries removed."""
        gone = [entry for _, entry in sorted(self._entries.items()) if _left(entry, now) <= 0]
        for entry in gone:
            del self._entries[entry.id]
        if gone:
            self._revise(now)
        return gone

    def apply(self, feedback: Feedback, now: float) -> bool:
        """Bring entries in line with changed feedback; whether anything changed."""
        kept: dict[str, OverlayEntry] = {}
        latest = moment(now) + timedelta(seconds=feedback.max_duration_s)
        for key, entry in sorted(self._entries.items(), key=lambda item: (item[1].created, item[0])):
            mode = mode_for(feedback, entry.detector)
            if mode == "off" or len(kept) >= feedback.max_entries or rank(entry.severity) < rank(feedback.min_severity):
                continue
            if any(overlaps(pattern, entry.pattern.lstrip("*.")) for pattern in feedback.exempt):
                continue
            kept[key] = msgspec.structs.replace(
                entry, mode="enforce" if mode == "enforce" else "audit", expires=min(entry.expires, latest)
            )
        if kept == self._entries:
            return False
        self._entries = kept
        self._revise(now)
        return True

    def resume(self, overlay: Overlay) -> None:
        """Go on with the overlay told last before a restart."""
        if overlay.tenant == self.tenant and overlay.revision > self.revision:
            self.revision, self._changed = overlay.revision, overlay.changed
            self._entries = {entry.id: entry for entry in overlay.entries}

    def next_expiry(self) -> datetime | None:
        """When the first entry runs out."""
        return min((entry.expires for entry in self._entries.values()), default=None)

    def _revise(self, now: float) -> None:
        self.revision += 1
        self._changed = moment(now)

    def save(self) -> list[Any]:
        """Plain values for msgpack."""
        return [self.revision, self._changed.timestamp(), _encode(list(self.overlay().entries))]

    def load(self, packed: list[Any]) -> None:
        """Inverse of save."""
        self.revision, self._changed = packed[0], moment(packed[1])
        self._entries = {entry.id: entry for entry in _decode(packed[2])}


def _refusal(alert: Alert, pattern: str, feedback: Feedback, mode: FeedbackMode) -> str:
    """Why no entry may be made; empty when it may."""
    domain = pattern.lstrip("*.")
    if mode == "off":
        return f"feedback is off for {alert.detector}"
    if rank(alert.severity) < rank(feedback.min_severity):
        return f"severity {alert.severity} is below {feedback.min_severity} (feedback.minSeverity)"
    exempt = next((item for item in feedback.exempt if overlaps(item, domain)), "")
    if exempt:
        return f"{domain} is exempt by {exempt} (feedback.exempt)"
    if domain in POPULAR:
        return f"{domain} is on the list of popular domains"
    return ""


def _left(entry: OverlayEntry, now: float) -> float:
    return entry.expires.timestamp() - now


def _note(entry: OverlayEntry) -> str:
    return f"{entry.mode} {entry.action} {entry.pattern} until {entry.expires:%Y-%m-%dT%H:%M:%SZ}"
