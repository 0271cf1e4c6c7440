"""Whatever people order and whenever it restarts: alerts are told in order, and muted ones change nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.objects import Feedback
from schemas.signals import Alert, AlertOrder, SuggestedEntry
from streams.alerts import moment
from streams.desk import Desk
from streams.detectors.finding import Finding
from streams.groups import GROUP
from streams.tenant import Findings
from tests.streams.events import START

FEEDBACK = Feedback(mode="enforce", min_severity="low")
SUBJECTS = ("a.evil.test", "b.evil.test", "10.0.0.7", "other.test", "tenant")
CLIENTS = ((), ("10.0.0.7",), ("10.0.0.8",), ("10.0.0.7", "10.0.0.8"))


def finding(subject: str, seen: float, **fields: Any) -> Finding:
    """A finding that suggests to block its subject."""
    values: dict[str, Any] = {"detector": "dga", "severity": "high", "reason": "because", "title": "t", "evidence": {}}
    return Finding(subject=subject, seen=seen, suggested=SuggestedEntry(pattern=f".{subject}"), **(values | fields))


def order(name: str, now: float, **fields: Any) -> AlertOrder:
    """A person's order that holds for a minute."""
    values: dict[str, Any] = {"tenant": "acme", "action": "mute", "reason": "known", "author": "eve", "created": moment(now)}
    return AlertOrder(id=name, **({"expires": moment(now) + timedelta(minutes=1)} | values | fields))


class Life(RuleBasedStateMachine):
    """A desk with findings, orders, restarts and time; what it told is kept as a consumer would."""

    def __init__(self) -> None:
        super().__init__()
        self.desk, self.now = Desk("acme"), START
        self.orders: dict[str, AlertOrder] = {}
        self.heard: dict[str, Alert] = {}
        self.entries: dict[str, Any] = {}

    def hear(self, found: Findings) -> None:
        """Each word about an id is one above the last, and opens only what is not open."""
        for alert in found.alerts:
            last = self.heard.get(alert.id)
            assert alert.revision == (last.revision + 1 if last else 1)
            assert (alert.state == "open") == (last is None or last.state == "closed")
            assert bool(alert.ending) == (alert.state == "closed")
            self.heard[alert.id] = alert
        silent = {(alert.detector, alert.subject) for alert in self.heard.values() if alert.muted}
        assert not {(signal.source, signal.subject) for signal in found.signals} & silent
        for overlay in found.overlays:
            self.entries = {entry.id: entry for entry in overlay.entries}

    @rule(subject=st.sampled_from(SUBJECTS), detector=st.sampled_from(["dga", "beaconing"]), clients=st.sampled_from(CLIENTS),
          severity=st.sampled_from(["low", "high"]))  # fmt: skip
    def find(self, subject: str, detector: str, clients: tuple[str, ...], severity: Any) -> None:
        """A detector sees something."""
        found = Findings()
        seen = finding(subject, self.now, detector=detector, clients=clients, severity=severity)
        self.desk.report(seen, FEEDBACK, self.now, found)
        self.hear(found)

    @rule(seconds=st.sampled_from([1.0, 11.0, 70.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        """Quiet alerts close, orders and entries expire."""
        self.now += seconds
        found = Findings()
        self.desk.settle(self.now, self.now, found)
        self.hear(found)

    @rule(name=st.sampled_from("abc"), action=st.sampled_from(["mute", "close"]), data=st.data())
    def say(self, name: str, action: Any, data: st.DataObject) -> None:
        """A person mutes or closes, by id or by pattern."""
        known = sorted(self.heard)
        about = {"alert": data.draw(st.sampled_from(known))} if known and (action == "close" or data.draw(st.booleans())) else {"subject": "*evil*"}
        if action == "mute" or "alert" in about:
            self.orders[f"{name}{self.now}"] = order(f"{name}{self.now}", self.now, action=action, **about)
            self.obey()

    @rule()
    def revoke(self) -> None:
        """A person takes the oldest order back."""
        self.orders = dict(list(self.orders.items())[1:])
        self.obey()

    def obey(self) -> None:
        """As the worker does after each change."""
        found = Findings()
        closed = self.desk.obey(self.orders.values(), self.now, found)
        assert {alert.id for alert in closed} <= {alert.id for alert in found.alerts}
        self.hear(found)

    @rule()
    def restart(self) -> None:
        """From the saved state; the orders come again from their topic."""
        packed = msgspec.msgpack.decode(msgspec.msgpack.encode(self.desk.save()))
        self.desk = Desk("acme")
        self.desk.load(packed)
        self.obey()

    @invariant()
    def muted_alerts_put_nothing_in_force(self) -> None:
        """Nor do closed ones that a person closed; nor parents."""
        for alert in self.heard.values():
            if alert.state != "closed" and (alert.muted or alert.detector == GROUP):
                assert alert.id not in self.entries

    @invariant()
    def parents_are_open_while_children_are(self) -> None:
        """And only then."""
        opened = [alert for alert in self.heard.values() if alert.state != "closed"]
        wanted = {alert.parent for alert in opened if alert.parent}
        assert {alert.id for alert in opened if alert.detector == GROUP} == wanted
        parents = {alert.id: alert for alert in opened if alert.detector == GROUP}
        for key, parent in parents.items():
            children = [alert for alert in opened if alert.parent == key]
            assert bool(parent.muted) >= all(child.muted for child in children)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase


def told(desk: Desk, now: float, *findings: Finding) -> list[Alert]:
    """What a desk tells of findings."""
    found = Findings()
    for item in findings:
        desk.report(item, FEEDBACK, now, found)
    return found.alerts


def test_findings_about_one_client_get_a_parent() -> None:
    """The first stands alone until the second comes; the parent says how many, and the worst of them why."""
    desk = Desk("acme")
    first, second, again, parent = told(
        desk, START,
        finding("evil.test", START, clients=("10.0.0.7",), severity="medium"),
        finding("10.0.0.7", START + 1, detector="beaconing", reason="every 60 s"),
    )  # fmt: skip
    assert (first.parent, second.parent, again.parent) == ("", parent.id, parent.id)
    assert (again.id, again.state, again.revision) == (first.id, "updated", 2)
    assert (parent.detector, parent.subject, parent.title) == ("group", "client 10.0.0.7", "2 findings about client 10.0.0.7")
    assert (parent.severity, parent.severity_reason) == ("high", "beaconing: every 60 s")
    assert (parent.evidence["findings"], parent.evidence["detectors"]) == (2, "beaconing, dga")
    assert parent.suggested is None
    *_, third = told(desk, START, finding("bad.test", START + 2, clients=("10.0.0.7",), severity="critical"))
    assert (third.id, third.state, third.title, third.severity) == (parent.id, "updated", "3 findings about client 10.0.0.7", "critical")


def test_findings_below_one_domain_get_a_parent_that_closes_with_the_last() -> None:
    """Also where their clients are many; the ending says why."""
    desk, found = Desk("acme"), Findings()
    *_, parent = told(desk, START, finding("a.evil.co.uk", START), finding("b.evil.co.uk", START + 100))
    assert parent.subject == "domain evil.co.uk"
    desk.settle(START + 300, START + 300, found)
    assert [(alert.subject, alert.ending) for alert in found.alerts] == [("a.evil.co.uk", "not seen for 300 s")]
    desk.settle(START + 400, START + 400, found)
    assert [(alert.id, alert.ending) for alert in found.alerts[2:]] == [(parent.id, "not seen for 300 s")]
    *_, again = told(desk, START, finding("a.evil.co.uk", START + 500), finding("b.evil.co.uk", START + 500))
    assert (again.id, again.state, again.revision, again.title) == (parent.id, "open", 3, "2 findings about domain evil.co.uk")


def test_a_close_order_ends_an_alert_once_and_says_who_and_why() -> None:
    """Fresh evidence opens it again though the order still stands on the topic."""
    desk, found = Desk("acme"), Findings()
    (alert,) = told(desk, START, finding("evil.test", START))
    orders = [order("o1", START + 1, action="close", alert=alert.id)]
    (closed,) = desk.obey(orders, START + 1, found)
    assert (closed.state, closed.ending) == ("closed", "closed by eve: known")
    assert found.overlays[-1].entries == ()
    assert [item.state for item in told(desk, START + 2, finding("evil.test", START + 2))] == ["open"]
    assert desk.obey(orders, START + 3, found) == []


def test_a_mute_holds_until_it_expires_or_is_revoked() -> None:
    """It is told at once, both ways, and takes the entry with it."""
    desk = Desk("acme")
    told(desk, START, finding("evil.test", START))
    states: list[Any] = []
    for now, orders in ((1, [order("o1", START, subject="*.TEST"), order("o2", START, subject="evil.*")]), (2, []), (3, [order("o3", START)])):
        found = Findings()
        desk.obey(orders, START + now, found)
        states += [(alert.state, alert.muted, [len(overlay.entries) for overlay in found.overlays]) for alert in found.alerts]
        assert all(alert.evidence["overlay"] == f"none: the alert is muted by order {alert.muted}" for alert in found.alerts if alert.muted)
    found = Findings()
    desk.settle(START + 59, START + 61, found)
    states += [(alert.state, alert.muted, []) for alert in found.alerts]
    assert states == [("updated", "o2", [0]), ("updated", "", []), ("updated", "o3", []), ("updated", "", [])]


def test_an_order_about_a_parent_is_about_its_children() -> None:
    """Also about those that join later."""
    desk, found = Desk("acme"), Findings()
    *_, parent = told(desk, START, finding("evil.test", START, clients=("10.0.0.7",)), finding("10.0.0.7", START))
    desk.obey([order("o1", START, alert=parent.id)], START, found)
    assert {alert.muted for alert in found.alerts} == {"o1"}
    assert len(found.alerts) == 3
    late = told(desk, START, finding("late.test", START, clients=("10.0.0.7",)))
    assert [alert.muted for alert in late] == ["o1", "o1"]
    ended = Findings()
    desk.obey([order("o2", START, action="close", alert=parent.id)], START, ended)
    assert [alert.ending for alert in ended.alerts if alert.state == "closed"] == ["closed by eve: known"] * 4
