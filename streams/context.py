"""From alert to policy: context signals, and the tenant's overlay with entries that expire.

An entry appears when escalation.py finds nothing against it and no cap of caps.py is reached; the alert says when one
of these held it back, or how far the entry goes. It lives at most `max_duration_s`, is renewed in the second half of
its life while the cause is seen, and expires otherwise. Denied attempts are no cause: detectors do not count them, so
an enforced entry runs out, traffic flows again, and only fresh evidence blocks it anew. Expiry is wall time (`now`),
since resolvers enforce it. Must not know how findings come about.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any, cast

import msgspec

from schemas.objects import Feedback
from schemas.patterns import overlaps
from schemas.signals import Alert, ContextSignal, EndedEntry, Overlay, OverlayEntry, SuggestedEntry
from streams.alerts import moment
from streams.caps import Caps
from streams.detectors.finding import Finding, rank
from streams.escalation import Height, Step, height, mode_for, refusal

SIGNAL_LIFE = 900.0
MUTED = "none: the alert is muted by order {}"
_TOLD_ENDS, _TOLD_FOR = 200, 3600.0
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[OverlayEntry]).decode
_decode_ends = msgspec.msgpack.Decoder(list[EndedEntry]).decode


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an alert: an entry in the overlay, or why not (`note`, for the alert's evidence)."""

    note: str
    changed: bool = False


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
        self._ended: list[EndedEntry] = []
        self._changed = moment(0)
        self._caps = Caps()

    def due(self) -> float:
        """When the next entry expires, Unix seconds; inf when there is none."""
        return min((entry.expires.timestamp() for entry in self._entries.values()), default=inf)

    def overlay(self) -> Overlay:
        """The whole overlay as it stands."""
        entries = tuple(self._entries[key] for key in sorted(self._entries))
        return Overlay(
            tenant=self.tenant, revision=self.revision, entries=entries, changed=self._changed, ended=tuple(self._ended)
        )

    def consider(self, alert: Alert, feedback: Feedback, now: float, common: frozenset[str] = frozenset()) -> Verdict:
        """Add or renew the entry an alert suggests, a step further where it has lasted; `common` domains stay."""
        if alert.muted:
            # It may have opened again while what it put in force before is still there.
            return Verdict(MUTED.format(alert.muted), self.withdraw(alert.id, f"muted by order {alert.muted}", now))
        if alert.suggested is None:
            return Verdict("none: the finding suggests no entry")
        why = refusal(alert, alert.suggested.pattern, feedback, common=common)
        here = self._entries.get(alert.id)
        if not why and here is None:
            why = self._caps.obstacle(self._entries.values(), alert.detector, feedback, now)
        if why:
            return Verdict(f"none: {why}")
        lasted = now - here.created.timestamp() if here else 0.0
        mode = cast("Step", mode_for(feedback, alert.detector))  # off was refused
        reached = height(alert.severity, lasted, feedback, mode, alert.suggested.action)
        life = min(alert.suggested.duration_s, feedback.max_duration_s)
        created = here.created if here else moment(now)
        entry = _entry(alert, alert.suggested, reached.step, created, moment(now + life))
        if here is not None and _same(here, entry) and _left(here, now) > life / 2:
            return Verdict(_note(here, reached))
        if here is None:
            self._caps.made(now)
        self._entries[alert.id] = entry
        self._revise(now)
        return Verdict(_note(entry, reached), changed=True)

    def complaints(self, clock: float) -> list[Finding]:
        """Detectors that ran into a cap since the last call."""
        return self._caps.complaints(clock)

    def expire(self, now: float) -> list[OverlayEntry]:
        """Remove what has run out; the entries removed."""
        gone = [entry for _, entry in sorted(self._entries.items()) if _left(entry, now) <= 0]
        self._end(gone, "expired", now)
        return gone

    def withdraw(self, alert: str, why: str, now: float) -> bool:
        """End the entry of an alert, because a person says so; whether there was one."""
        here = self._entries.get(alert)
        if here is not None:
            self._end([here], why, now)
        return here is not None

    def apply(self, feedback: Feedback, now: float) -> bool:
        """Bring entries in line with changed feedback; whether anything changed."""
        kept: dict[str, OverlayEntry] = {}
        gone: list[OverlayEntry] = []
        latest = moment(now) + timedelta(seconds=feedback.max_duration_s)
        for key, entry in sorted(self._entries.items(), key=lambda item: (item[1].created, item[0])):
            if len(kept) >= feedback.max_entries or not _allowed(entry, feedback):
                gone.append(entry)
                continue
            action, mode = _step(entry, feedback, now)
            kept[key] = msgspec.structs.replace(entry, action=action, mode=mode, expires=min(entry.expires, latest))
        if kept == self._entries:
            return False
        self._entries |= kept
        self._end(gone, "the tenant's feedback was changed", now)
        if not gone:
            self._revise(now)
        return True

    def resume(self, overlay: Overlay) -> None:
        """Go on with the overlay told last before a restart."""
        if overlay.tenant == self.tenant and overlay.revision > self.revision:
            self.revision, self._changed = overlay.revision, overlay.changed
            self._entries = {entry.id: entry for entry in overlay.entries}
            self._ended = list(overlay.ended)

    def next_expiry(self) -> datetime | None:
        """When the first entry runs out."""
        return min((entry.expires for entry in self._entries.values()), default=None)

    def _end(self, gone: list[OverlayEntry], why: str, now: float) -> None:
        if not gone:
            return
        for entry in gone:
            self._entries.pop(entry.id, None)
            self._ended.append(EndedEntry(id=entry.id, created=entry.created, ended=moment(now), ending=why))
        self._revise(now)

    def _revise(self, now: float) -> None:
        self.revision += 1
        self._changed = moment(now)
        self._ended = [end for end in self._ended if end.ended.timestamp() > now - _TOLD_FOR][-_TOLD_ENDS:]

    def save(self) -> list[Any]:
        """Plain values for msgpack."""
        entries = _encode(list(self.overlay().entries))
        return [self.revision, self._changed.timestamp(), entries, _encode(self._ended), self._caps.save()]

    def load(self, packed: list[Any]) -> None:
        """Inverse of save."""
        self.revision, self._changed = packed[0], moment(packed[1])
        self._entries = {entry.id: entry for entry in _decode(packed[2])}
        self._ended = _decode_ends(packed[3])
        self._caps.load(packed[4])


def _entry(alert: Alert, wanted: SuggestedEntry, step: Step, created: datetime, expires: datetime) -> OverlayEntry:
    return OverlayEntry(
        id=alert.id,
        pattern=wanted.pattern,
        action="tag" if step == "tag" else wanted.action,
        mode="audit" if step == "audit" else "enforce",
        severity=alert.severity,
        reason=alert.title,
        detector=alert.detector,
        created=created,
        expires=expires,
    )


def _same(here: OverlayEntry, entry: OverlayEntry) -> bool:
    return (here.action, here.mode, here.severity) == (entry.action, entry.mode, entry.severity)


def _allowed(entry: OverlayEntry, feedback: Feedback) -> bool:
    """Whether changed feedback lets an entry stay at all."""
    if mode_for(feedback, entry.detector) == "off" or rank(entry.severity) < rank(feedback.min_severity):
        return False
    return not any(overlaps(pattern, entry.pattern.lstrip("*.")) for pattern in feedback.exempt)


def _step(entry: OverlayEntry, feedback: Feedback, now: float) -> tuple[Any, Any]:
    """(action, mode) an entry has under changed feedback; a mere tag stays one until its cause is seen again."""
    if entry.action == "tag":
        return "tag", "enforce"
    mode = cast("Step", mode_for(feedback, entry.detector))
    step = height(entry.severity, now - entry.created.timestamp(), feedback, mode, "deny").step
    return ("tag" if step == "tag" else "deny"), ("audit" if step == "audit" else "enforce")


def _left(entry: OverlayEntry, now: float) -> float:
    return entry.expires.timestamp() - now


def _note(entry: OverlayEntry, reached: Height) -> str:
    note = f"{entry.mode} {entry.action} {entry.pattern} until {entry.expires:%Y-%m-%dT%H:%M:%SZ}"
    return f"{note}; {reached.next}" if reached.next else note
