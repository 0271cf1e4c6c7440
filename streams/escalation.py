"""How far a finding may go in a tenant's policy: tag, then audit, then enforce, as severity, time and tenant allow.

A finding starts at the step its severity deserves and rises one step for each ``escalate_after_s`` its cause lasts; the
tenant's feedback mode is the ceiling. Pure; must not know entries or where they are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.objects import Feedback, FeedbackMode, Severity
from schemas.patterns import overlaps
from schemas.signals import Alert
from streams.detectors.finding import rank
from streams.popular import POPULAR

Step = Literal["tag", "audit", "enforce"]
STEPS: tuple[Step, ...] = ("tag", "audit", "enforce")
_FIRST: dict[Severity, int] = {"info": 0, "low": 0, "medium": 1, "high": 2, "critical": 2}


@dataclass(frozen=True, slots=True)
class Height:
    """The step reached, and what it takes to rise (empty at the ceiling)."""

    step: Step
    next: str = ""


def mode_for(feedback: Feedback, detector: str) -> FeedbackMode:
    """Feedback mode that holds for a detector."""
    return feedback.detectors.get(detector, feedback.mode)


def height(severity: Severity, lasted: float, feedback: Feedback, mode: Step, action: str) -> Height:
    """The step of an entry.

    Args:
        severity: of the finding now.
        lasted: seconds since its first entry, while the cause was seen.
        feedback: the tenant's.
        mode: its mode for the detector.
        action: what the finding suggests; one that only wants a tag gets no more.
    """
    ceiling = 0 if action == "tag" else STEPS.index(mode)
    patience = feedback.escalate_after_s
    if not patience:
        return Height(STEPS[ceiling])
    at = min(_FIRST[severity] + int(lasted // patience), ceiling)
    left = patience - lasted % patience
    return Height(STEPS[at], f"{STEPS[at + 1]} in {left:.0f} s if it lasts" if at < ceiling else "")


def refusal(alert: Alert, pattern: str, feedback: Feedback, *, common: frozenset[str]) -> str:
    """Why an alert may not change policy at all; empty when it may.

    Args:
        alert: as it stands.
        pattern: of the entry it suggests.
        feedback: the tenant's.
        common: domains much of the tenant uses, see popularity.py.
    """
    domain = pattern.lstrip("*.")
    if mode_for(feedback, alert.detector) == "off":
        return f"feedback is off for {alert.detector}"
    if rank(alert.severity) < rank(feedback.min_severity):
        return f"severity {alert.severity} is below {feedback.min_severity} (feedback.minSeverity)"
    return _protected(domain, feedback, common)


def _protected(domain: str, feedback: Feedback, common: frozenset[str]) -> str:
    """Why a domain stays whatever is found; empty when it need not."""
    exempt = next((item for item in feedback.exempt if overlaps(item, domain)), "")
    if exempt:
        return f"{domain} is exempt by {exempt} (feedback.exempt)"
    if domain in POPULAR:
        return f"{domain} is on the list of popular domains"
    return f"{domain} is popular with the clients of this tenant" if domain in common else ""
