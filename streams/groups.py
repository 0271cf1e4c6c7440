"""Several open alerts about one client or one domain become children of one parent: who meets whom, and the parent.

For the book of alerts. Two alerts meet when exactly one client caused each, or when their subjects lie in one
registered domain, and both are open at the same time. A parent is an alert of the detector ``group``; it suggests
nothing, causes nothing, and closes with its last child. Parents are fewer than alerts and bounded as they are.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import msgspec

from schemas.domains import registered_domain
from schemas.signals import Alert
from streams.detectors.finding import rank

GROUP = "group"
_LISTED = 20


class Groups:
    """Parents of one tenant's open alerts.

    Args:
        identify: subject of a parent -> its id.
    """

    def __init__(self, identify: Callable[[str], str]) -> None:
        self.parents: dict[str, Alert] = {}
        self._identify = identify

    def place(self, alert: Alert, others: Iterable[Alert]) -> tuple[Alert, list[Alert]]:
        """An alert that opens, with its parent if it has one; and those that were alone until they met it."""
        subject, met = self._meeting(alert, others)
        if not subject:
            return alert, []
        parent = self._identify(subject)
        if parent not in self.parents:
            self.parents[parent] = _first_word(parent, alert, subject)
        return (
            msgspec.structs.replace(alert, parent=parent),
            [msgspec.structs.replace(other, parent=parent) for other in met],
        )

    def _meeting(self, alert: Alert, others: Iterable[Alert]) -> tuple[str, list[Alert]]:
        about = topics_of(alert)
        standing = {parent.subject for parent in self.parents.values()}
        if known := next((topic for topic in about if topic in standing), ""):
            return known, []
        alone = [(other, topics_of(other)) for other in others if not other.parent] if about else []
        for topic in about:
            if met := [other for other, topics in alone if topic in topics]:
                return topic, met
        return "", []

    def renew(
        self, key: str, children: Collection[Alert], *, changed: datetime, joined: int = 0, muted: str = ""
    ) -> Alert | None:
        """Bring a parent in line with its children; the parent if that is worth telling.

        Args:
            key: its id.
            children: those that are open, not none.
            changed: processing time.
            joined: how many of them are new.
            muted: the order that mutes the parent itself.
        """
        before = self.parents[key]
        after = _renewed(before, children, joined=joined, changed=changed, muted=muted)
        self.parents[key] = after
        if not joined and (after.severity, after.muted) == (before.severity, before.muted):
            return None
        state = "updated" if before.title else "open"
        after = self.parents[key] = msgspec.structs.replace(after, state=state, revision=before.revision + 1)
        return after


def topics_of(alert: Alert) -> tuple[str, ...]:
    """What an alert is about, as its parent would say it: ``client 10.0.0.7``, ``domain evil.test``."""
    words = [word for word in re.split(r"[\s/]+", alert.subject) if word]
    clients = alert.clients if len(alert.clients) == 1 else [word for word in words if _is_address(word)]
    domains = [registered_domain(word.lower()) for word in words if "." in word and not _is_address(word)]
    about = [f"client {client}" for client in clients[:1]]
    return (*about, *(f"domain {domain}" for domain in domains[:1] if domain))


def _first_word(key: str, child: Alert, subject: str) -> Alert:
    return msgspec.structs.replace(
        child,
        id=key,
        detector=GROUP,
        subject=subject,
        state="open",
        revision=0,
        severity="info",
        title="",
        evidence={"findings": 0},
        suggested=None,
    )


def _renewed(parent: Alert, children: Collection[Alert], *, joined: int, changed: datetime, muted: str) -> Alert:
    """The parent as its children make it; severity never falls, and muted children count only where all are."""
    heard = [child for child in children if not child.muted] or list(children)
    worst = max(heard, key=lambda child: (rank(child.severity), child.last_seen))
    rises = rank(worst.severity) > rank(parent.severity) or not parent.title
    findings = int(parent.evidence["findings"]) + joined
    everyone = min(child.muted for child in children)  # empty if one of them is not muted
    return msgspec.structs.replace(
        parent,
        severity=worst.severity if rises else parent.severity,
        severity_reason=f"{worst.detector}: {worst.severity_reason}" if rises else parent.severity_reason,
        title=f"{findings} findings about {parent.subject}",
        first_seen=min(parent.first_seen, *(child.first_seen for child in children)),
        last_seen=max(parent.last_seen, *(child.last_seen for child in children)),
        changed=changed,
        evidence={
            "findings": findings,
            "open": len(children),
            "detectors": ", ".join(sorted({child.detector for child in children})),
            "children": " ".join(sorted(child.id for child in children)[:_LISTED]),
        },
        samples=_union(child.samples for child in heard),
        workloads=_union(child.workloads for child in children),
        clients=_union(child.clients for child in children),
        muted=muted or everyone,
    )


def _union(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({item for part in parts for item in part})[:_LISTED])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
