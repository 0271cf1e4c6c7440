"""Alerts with state: open, updated, closed; one id for one ongoing thing; told again only when it matters.

An update is told at most every UPDATE_EVERY seconds unless the severity rises; severity never falls while an alert is
open. It closes QUIET seconds after it was last seen. At most MOST_OPEN are open and MOST_NEW open per minute and
tenant; what is suppressed is counted in the next alert's evidence. Must not know detectors' inner life or policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from schemas.signals import Alert
from streams.detectors.finding import Finding, rank

UPDATE_EVERY = 10.0
QUIET = 300.0
MOST_OPEN = 500
MOST_NEW = 100
UNLIMITED = frozenset({"feedback"})
"""What tells that a detector went wild must not drown in it; their subjects are detectors, so they are few."""
_REMEMBERED = 1000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Alert]).decode


def alert_id(tenant: str, detector: str, subject: str) -> str:
    """Id of the alert about a subject, the same in every process."""
    return blake2b("\0".join((tenant, detector, subject)).encode(), digest_size=12).hexdigest()


def moment(seconds: float) -> datetime:
    """Unix seconds as a UTC time, to the microsecond."""
    return datetime.fromtimestamp(round(seconds, 6), UTC)


@dataclass(slots=True)
class _Open:
    alert: Alert
    told: float


class AlertBook:
    """Alerts of one tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._open: dict[str, _Open] = {}
        self._revisions: dict[str, int] = {}
        self._recent: list[float] = []
        self._suppressed = 0

    def __len__(self) -> int:
        return len(self._open)

    def open_alerts(self) -> list[Alert]:
        """Alerts that are open now, by id."""
        return [self._open[key].alert for key in sorted(self._open)]

    def observe(self, finding: Finding, now: float) -> tuple[Alert | None, Alert | None]:
        """Take in a finding; (alert as it stands now, the same if it is to be told).

        Both None when it was suppressed.
        """
        key = alert_id(self.tenant, finding.detector, finding.subject)
        here = self._open.get(key)
        if here is None:
            fresh = self._start(key, finding, now)
            return fresh, fresh
        rises = rank(finding.severity) > rank(here.alert.severity)
        seen = max(here.alert.last_seen, moment(finding.seen))
        current = self._alert(
            key, finding, "updated", revision=here.alert.revision + 1, first_seen=here.alert.first_seen, now=now
        )
        if not rises:
            current = msgspec.structs.replace(
                current, severity=here.alert.severity, severity_reason=here.alert.severity_reason
            )
        current = msgspec.structs.replace(current, last_seen=seen)
        if rises or finding.seen - here.told >= UPDATE_EVERY:
            self._open[key] = _Open(current, finding.seen)
            return current, current
        here.alert = msgspec.structs.replace(here.alert, last_seen=seen)
        return here.alert, None

    def _start(self, key: str, finding: Finding, now: float) -> Alert | None:
        self._recent = [at for at in self._recent if at > finding.seen - 60.0]
        full = len(self._open) >= MOST_OPEN or len(self._recent) >= MOST_NEW
        if full and finding.detector not in UNLIMITED:
            self._suppressed += 1
            return None
        self._recent.append(finding.seen)
        if self._suppressed:
            finding = replace(finding, evidence={**finding.evidence, "suppressed_alerts": self._suppressed})
            self._suppressed = 0
        alert = self._alert(
            key, finding, "open", revision=self._revisions.pop(key, 0) + 1, first_seen=moment(finding.seen), now=now
        )
        self._open[key] = _Open(alert, finding.seen)
        return alert

    def _alert(
        self,
        key: str,
        finding: Finding,
        state: Literal["open", "updated"],
        *,
        revision: int,
        first_seen: datetime,
        now: float,
    ) -> Alert:
        return Alert(
            id=key,
            tenant=self.tenant,
            detector=finding.detector,
            subject=finding.subject,
            state=state,
            revision=revision,
            severity=finding.severity,
            severity_reason=finding.reason,
            title=finding.title,
            first_seen=first_seen,
            last_seen=moment(finding.seen),
            changed=moment(now),
            evidence=finding.evidence,
            samples=finding.samples,
            workloads=finding.workloads,
            clients=finding.clients,
            suggested=finding.suggested,
        )

    def annotate(self, alert: Alert, note: str) -> Alert:
        """The same alert with a word about policy in its evidence."""
        noted = msgspec.structs.replace(alert, evidence={**alert.evidence, "overlay": note})
        if alert.id in self._open:
            self._open[alert.id].alert = noted
        return noted

    def close_quiet(self, clock: float, now: float) -> list[Alert]:
        """Close what was not seen for QUIET seconds of event time."""
        quiet = [key for key, item in sorted(self._open.items()) if clock - item.alert.last_seen.timestamp() >= QUIET]
        closed = []
        for key in quiet:
            alert = self._open.pop(key).alert
            alert = msgspec.structs.replace(alert, state="closed", revision=alert.revision + 1, changed=moment(now))
            self._revisions[key] = alert.revision
            closed.append(alert)
        while len(self._revisions) > _REMEMBERED:
            del self._revisions[next(iter(self._revisions))]
        return closed

    def resume(self, alerts: Iterable[Alert]) -> None:
        """Go on with alerts told before a restart (last word of each).

        Open ones stay open, closed ones keep their revision.
        """
        for alert in alerts:
            if alert.tenant != self.tenant or alert.id in self._open:
                continue
            if alert.state == "closed":
                self._revisions[alert.id] = alert.revision
            else:
                self._open[alert.id] = _Open(alert, alert.last_seen.timestamp())

    def save(self) -> list[Any]:
        """Plain values for msgpack."""
        told = [self._open[key].told for key in sorted(self._open)]
        return [_encode(self.open_alerts()), told, self._revisions, self._recent, self._suppressed]

    def load(self, packed: list[Any]) -> None:
        """Inverse of save."""
        alerts, told, self._revisions, self._recent, self._suppressed = packed
        self._open = {alert.id: _Open(alert, at) for alert, at in zip(_decode(alerts), told, strict=True)}
