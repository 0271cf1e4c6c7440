"""What an alert is called and how a finding becomes its first word; alerts.py keeps the state.

Must not know what is open.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b

from schemas.signals import Alert
from streams.detectors.finding import Finding

_SAME = ("detector", "subject", "severity", "title", "evidence", "samples", "workloads", "clients", "suggested")


def alert_id(tenant: str, detector: str, subject: str) -> str:
    """Id of the alert about a subject, the same in every process."""
    return blake2b("\0".join((tenant, detector, subject)).encode(), digest_size=12).hexdigest()


def moment(seconds: float) -> datetime:
    """Unix seconds as a UTC time, to the microsecond."""
    return datetime.fromtimestamp(round(seconds, 6), UTC)


def opening(tenant: str, finding: Finding, *, revision: int, now: float) -> Alert:
    """A finding as an alert that opens.

    Args:
        tenant: whose.
        finding: seen at its event time.
        revision: one more than the last word about this id.
        now: processing time.
    """
    seen = moment(finding.seen)
    return Alert(
        id=alert_id(tenant, finding.detector, finding.subject),
        tenant=tenant,
        state="open",
        revision=revision,
        severity_reason=finding.reason,
        first_seen=seen,
        last_seen=seen,
        changed=moment(now),
        **{name: getattr(finding, name) for name in _SAME},
    )
