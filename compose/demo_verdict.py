"""What was staged against what was found: incidents of the demo traffic and the alerts they raised. Pure.

An alert answers for an incident when it is of its tenant and of one of the detectors expected, and its time touches the
incident's; about another domain than the incident's it does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from compose.demo_traffic import Incident

LATE_S = 900.0
"""A finding may come so long after the incident: windows and comparisons take their time."""


class Told(msgspec.Struct, frozen=True):
    """An alert, its last word; times are Unix seconds."""

    tenant: str
    detector: str
    subject: str
    severity: str
    title: str
    first_seen: float
    last_seen: float
    clients: list[str]


def matched(incident: Incident, alerts: Iterable[Told]) -> list[Told]:
    """Alerts that answer for an incident, first seen first."""
    found = [alert for alert in alerts if _answers(alert, incident)]
    return sorted(found, key=lambda alert: alert.first_seen)


def _answers(alert: Told, incident: Incident) -> bool:
    return (
        alert.tenant == incident.tenant
        and alert.detector in incident.detectors
        and alert.first_seen <= incident.end + LATE_S
        and alert.last_seen >= incident.start
        and _concerns(alert, incident)
    )


def _concerns(alert: Told, incident: Incident) -> bool:
    """Whether subject or clients are the incident's; where neither says, time and detector must do."""
    if alert.subject and (incident.subject.endswith(alert.subject) or alert.subject.endswith(incident.subject)):
        return True
    if incident.client in {alert.subject, *alert.clients}:
        return True
    return not incident.client[:1].isdigit() or " " in incident.client


def others(incidents: Sequence[Incident], alerts: Sequence[Told]) -> Counter[tuple[str, str]]:
    """Alerts that answer for no incident: (tenant, detector) -> how many."""
    known = {id(alert) for incident in incidents for alert in matched(incident, alerts)}
    return Counter((alert.tenant, alert.detector) for alert in alerts if id(alert) not in known)
