"""How risky clients are: from open alerts, told on a change, ended by silence."""

from __future__ import annotations

import pytest

from schemas.signals import Alert
from streams.risk import LIFE, MOST_SUBJECTS, ClientRisk, risks
from tests.streams.events import START
from tests.streams.test_context import alert

CLIENT = "10.0.0.7"


def seen(detector: str, severity: str = "medium", **fields: object) -> Alert:
    """An open alert about one client."""
    values = {"detector": detector, "severity": severity, "clients": (CLIENT,), "title": f"by {detector}"}
    return alert(f"{detector}.test", **(values | fields))


RATED = [
    ([seen("dga")], "medium"),
    ([seen("dga"), seen("beaconing", "high")], "high"),
    ([seen("dga"), seen("beaconing"), seen("volume", "low")], "high"),
    ([seen("dga", "critical"), seen("beaconing"), seen("volume")], "critical"),
    ([seen("dga", clients=(CLIENT, "10.0.0.8", "10.0.0.9", "10.0.0.10"))], None),
    ([seen("dga", muted="m-1")], None),
    ([], None),
]


@pytest.mark.parametrize(("alerts", "value"), RATED)
def test_a_client_is_as_risky_as_its_worst_alert(alerts: list[Alert], value: str | None) -> None:
    """One step more from three detectors on; crowds and muted alerts say nothing about one client."""
    found = risks(alerts).get(CLIENT)
    assert (found.value if found else None) == value


def test_it_is_told_on_a_change_and_before_it_expires() -> None:
    """With who says so; a workload like a client."""
    told = ClientRisk("acme")
    first = told.due(lambda: [seen("dga", workloads=("web",))], START)
    assert {(s.kind, s.subject, s.value) for s in first} == {("client_risk", CLIENT, "medium"), ("client_risk", "web", "medium")}
    assert first[0].reason == "1 open alerts of dga; the worst: by dga"
    assert told.due(lambda: [seen("dga", workloads=("web",))], START + 10) == []
    (rise,) = told.due(lambda: [seen("dga", workloads=("web",)), seen("beaconing", "high")], START + 20)
    assert (rise.subject, rise.value) == (CLIENT, "high")
    assert [s.subject for s in told.due(lambda: [seen("dga", workloads=("web",))], START + LIFE / 2 + 1)] == [CLIENT, "web"]


def test_no_more_subjects_than_the_cap() -> None:
    """The riskiest stay."""
    crowd = [seen(f"d{number}", clients=(f"10.1.{number // 250}.{number % 250}",)) for number in range(300)]
    found = risks([*crowd, seen("dga", "critical")])
    assert len(found) == MOST_SUBJECTS
    assert next(iter(found)) == CLIENT
