"""Which alerts answer for which incident of the demo."""

from __future__ import annotations

import msgspec
import pytest

from compose.demo_traffic import Incident
from compose.demo_verdict import Told, matched, others

TUNNEL = Incident("tunnel", "harbor", 1000.0, 1500.0, "10.71.3.10", "relay.example", ("heavy_hitters",))
FOUND = Told("harbor", "heavy_hitters", "relay.example", "high", "much leaves", 1100.0, 1500.0, ["10.71.3.10"])


@pytest.mark.parametrize(
    ("change", "answers"),
    [
        ({}, True),
        ({"first_seen": 1900.0, "last_seen": 1900.0}, True),
        ({"subject": "10.71.3.10"}, True),
        ({"tenant": "summit"}, False),
        ({"detector": "volume"}, False),
        ({"first_seen": 9000.0, "last_seen": 9000.0}, False),
        ({"last_seen": 900.0, "first_seen": 800.0}, False),
        ({"subject": "other.example", "clients": ["10.71.3.99"]}, False),
    ],
)
def test_an_alert_answers_for_its_incident_only(change: dict[str, object], answers: bool) -> None:
    """By tenant, detector, time, and subject or client; what is left over is told apart."""
    alert = msgspec.structs.replace(FOUND, **change)
    assert matched(TUNNEL, [alert]) == ([alert] if answers else [])
    assert dict(others([TUNNEL], [alert])) == ({} if answers else {(alert.tenant, alert.detector): 1})


def test_incidents_of_everybody_go_by_time_and_detector() -> None:
    """An upstream server has no client."""
    slow = Incident("slow-upstream", "harbor", 1000.0, 1500.0, "everybody", "udp://192.0.2.53:53", ("service_trouble",))
    alert = msgspec.structs.replace(FOUND, detector="service_trouble", subject="latency", clients=[])
    assert matched(slow, [alert]) == [alert]
