"""Alerts with state: open, updated, closed; one id for one ongoing thing; told again only when it matters.

An update is told at most every UPDATE_EVERY seconds unless the severity rises; severity never falls while an alert is
open. It closes QUIET seconds after it was last seen, or when a person orders it. Alerts about one client or domain get
a parent (groups.py), which closes with the last of them. How many there may be alert_room.py says; what is held back is
counted by an alert of its own. Must not know detectors' inner life or policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas.signals import Alert, AlertOrder
from streams.alert_room import LIMITS, Room
from streams.alert_words import alert_id, moment, opening
from streams.detectors.finding import Finding, rank
from streams.flood import FLOOD, Flood
from streams.groups import GROUP, Groups
from streams.orders import OrderBook, concerns

__all__ = ["QUIET", "UPDATE_EVERY", "AlertBook", "alert_id", "moment"]

UPDATE_EVERY = 10.0
QUIET = 300.0
_REMEMBERED = 1000
_UNSEEN = f"not seen for {QUIET:.0f} s"

_KEPT = ("first_seen", "parent", "muted")
_SEVERITY = ("severity", "severity_reason")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Alert]).decode


@dataclass(slots=True)
class _Open:
    alert: Alert
    told: float


class AlertBook:
    """Alerts of one tenant. What is to be told beside a call's own result waits for `drain`."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._open: dict[str, _Open] = {}
        self._groups = Groups(lambda subject: alert_id(tenant, GROUP, subject))
        self._orders = OrderBook()
        self._flood = Flood()
        self._revisions: dict[str, int] = {}
        self._room = Room()
        self._waiting: list[Alert] = []

    def __len__(self) -> int:
        return len(self._open)

    def open_alerts(self) -> list[Alert]:
        """Alerts that are open now, by id, then their parents."""
        parents = self._groups.parents
        return self.standing() + [parents[key] for key in sorted(parents)]

    def drain(self) -> list[Alert]:
        """What else is to be told: parents, and alerts that got one."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def observe(self, finding: Finding, now: float) -> tuple[Alert | None, Alert | None]:
        """Take in a finding; (alert as it stands now, the same if it is to be told).

        Both None when it was held back.
        """
        key = alert_id(self.tenant, finding.detector, finding.subject)
        here = self._open.get(key)
        if here is None:
            fresh = self._start(key, finding, now)
            return fresh, fresh
        seen = max(here.alert.last_seen, moment(finding.seen))
        rises = rank(finding.severity) > rank(here.alert.severity)
        if not rises and finding.seen - here.told < UPDATE_EVERY:
            here.alert = msgspec.structs.replace(here.alert, last_seen=seen)
            return here.alert, None
        kept = {name: getattr(here.alert, name) for name in (_KEPT if rises else (*_KEPT, *_SEVERITY))}
        current = opening(self.tenant, finding, revision=here.alert.revision + 1, now=now)
        current = msgspec.structs.replace(current, state="updated", last_seen=seen, **kept)
        self._open[key] = _Open(current, finding.seen)
        if current.parent:
            self._renew(current.parent, now)
        return current, current

    def _start(self, key: str, finding: Finding, now: float) -> Alert | None:
        if not self._room.admits(finding.detector, finding.seen):
            self._flood.hold(finding)
            return None
        self._room.enter(finding.detector, finding.seen)
        alert = opening(self.tenant, finding, revision=self._revisions.pop(key, 0) + 1, now=now)
        alert, met = self._groups.place(alert, self.standing())
        alert = msgspec.structs.replace(alert, muted=self._orders.muting(alert, now))
        self._open[key] = _Open(alert, finding.seen)
        for other in met:
            self._waiting.append(self._revise(other, now, muted=self._orders.muting(other, now)))
        if alert.parent:
            self._renew(alert.parent, now, joined=1 + len(met))
        return alert

    def _revise(self, alert: Alert, now: float, **changes: Any) -> Alert:  # noqa: ANN401 - fields of an alert
        """An open alert with a change that is to be told."""
        revised = msgspec.structs.replace(
            alert, state="updated", revision=alert.revision + 1, changed=moment(now), **changes
        )
        self._open[alert.id].alert = revised
        return revised

    def _renew(self, parent: str, now: float, *, joined: int = 0) -> None:
        before = self._groups.parents[parent]
        if not before.revision and parent in self._revisions:
            self._groups.parents[parent] = msgspec.structs.replace(before, revision=self._revisions.pop(parent))
        told = self._groups.renew(
            parent,
            self._children(parent),
            changed=moment(now),
            joined=joined,
            muted=self._orders.muting(before, now),
        )
        if told:
            self._waiting.append(told)

    def _children(self, parent: str) -> list[Alert]:
        return [alert for alert in self.standing() if alert.parent == parent]

    def standing(self) -> list[Alert]:
        """Open alerts but for parents, by id: nothing may depend on the order in which a restart loaded them."""
        return [self._open[key].alert for key in sorted(self._open)]

    def annotate(self, alert: Alert, note: str) -> Alert:
        """The same alert with a word about policy in its evidence."""
        noted = msgspec.structs.replace(alert, evidence={**alert.evidence, "overlay": note})
        if alert.id in self._open:
            self._open[alert.id].alert = noted
        return noted

    def due(self) -> float:
        """When the next open alert may close, Unix seconds; inf when none is open."""
        return min((item.alert.last_seen.timestamp() for item in self._open.values()), default=float("inf")) + QUIET

    def close_quiet(self, clock: float, now: float) -> list[Alert]:
        """Close what was not seen for QUIET seconds of event time."""
        quiet = [key for key, item in sorted(self._open.items()) if clock - item.alert.last_seen.timestamp() >= QUIET]
        return [self._end(key, _UNSEEN, now) for key in quiet]

    def held_back(self) -> Finding | None:
        """What the limits held back since this was asked last, to be observed like any finding."""
        return self._flood.finding(LIMITS)

    def _end(self, key: str, ending: str, now: float) -> Alert:
        alert = self._open.pop(key).alert
        self._room.leave(alert.detector)
        closed = self._closed(alert, ending, now)
        if alert.detector == FLOOD:
            self._flood.over()
        if alert.parent and not self._children(alert.parent):
            parent = self._groups.parents.pop(alert.parent)
            parent = msgspec.structs.replace(parent, last_seen=max(parent.last_seen, alert.last_seen))
            self._waiting.append(self._closed(parent, ending, now))
        elif alert.parent:
            self._renew(alert.parent, now)
        return closed

    def _closed(self, alert: Alert, ending: str, now: float) -> Alert:
        closed = msgspec.structs.replace(
            alert, state="closed", revision=alert.revision + 1, changed=moment(now), ending=ending
        )
        self._revisions[alert.id] = closed.revision
        while len(self._revisions) > _REMEMBERED:
            del self._revisions[next(iter(self._revisions))]
        return closed

    def obey(self, orders: Iterable[AlertOrder], now: float) -> tuple[list[Alert], list[Alert]]:
        """Take over the orders there are; (alerts they close, alerts that are muted or no longer), as told."""
        self._orders.take(orders)
        closed = [
            self._end(key, f"closed by {order.author}: {order.reason}", now)
            for order in self._orders.closings(now)
            for key in sorted(self._open)
            if concerns(order, self._open[key].alert)
        ]
        return closed, self._mute(now)

    def lapse(self, now: float) -> list[Alert]:
        """Alerts whose order has expired, as told."""
        return self._mute(now) if self._orders.lapsed(now) else []

    def _mute(self, now: float) -> list[Alert]:
        told = []
        for key in sorted(self._open):
            alert = self._open[key].alert
            if (muted := self._orders.muting(alert, now)) != alert.muted:
                told.append(self._revise(alert, now, muted=muted))
        for parent in sorted(self._groups.parents):
            self._renew(parent, now)
        return told

    def resume(self, alerts: Iterable[Alert]) -> None:
        """Go on with alerts told before a restart (last word of each).

        Open ones stay open, closed ones keep their revision.
        """
        for alert in alerts:
            if alert.tenant != self.tenant or alert.id in self._open:
                continue
            if alert.state == "closed":
                self._revisions[alert.id] = alert.revision
            elif alert.detector == GROUP:
                self._groups.parents[alert.id] = alert
            else:
                self._open[alert.id] = _Open(alert, alert.last_seen.timestamp())
        self._mend()

    def _mend(self) -> None:
        """Both were told, but only one may have been heard: no child without its parent, no parent without a child."""
        known = {item.alert.parent for item in self._open.values()}
        for key in self._groups.parents.keys() - known:
            self._revisions[key] = self._groups.parents.pop(key).revision
        for item in self._open.values():
            if item.alert.parent not in self._groups.parents:
                item.alert = msgspec.structs.replace(item.alert, parent="")
        self._room.hold(alert.detector for alert in self.standing())

    def save(self) -> list[Any]:
        """Plain values for msgpack."""
        told = {key: self._open[key].told for key in sorted(self._open)}
        rest = [self._revisions, self._room.save(), self._flood.save(), self._orders.save()]
        return [_encode(self.open_alerts()), told, *rest]

    def load(self, packed: list[Any]) -> None:
        """Inverse of save."""
        alerts, told, self._revisions, recent, flood, done = packed
        self._flood.load(flood)
        self._orders.load(done)
        for alert in _decode(alerts):
            if alert.id in told:
                self._open[alert.id] = _Open(alert, told[alert.id])
            else:
                self._groups.parents[alert.id] = alert
        self._room.load(recent)
        self._room.hold(alert.detector for alert in self.standing())
