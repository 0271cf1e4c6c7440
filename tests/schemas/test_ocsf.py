"""What leaves as OCSF is what OCSF's own schema allows, whatever the alert or event says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from schemas.events import AnswerRecord
from schemas.ocsf import VERSION, detection_finding, dns_activity
from schemas.signals import Alert, SuggestedEntry
from tests.streams.store import event

SCHEMA = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))


def validator(name: str, *profiles: str) -> Draft202012Validator:
    """Of an OCSF class; what OCSF only deprecates passes."""
    return Draft202012Validator(SCHEMA.get_class_schema(class_name=name, profiles=list(profiles)))


FINDING = validator("detection_finding")
DNS = validator("dns_activity", "security_control")
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
NAMES = st.from_regex(r"\A[a-z0-9_-]{1,20}(\.[a-z0-9-]{1,20}){0,4}\Z")
CLIENTS = st.one_of(st.ip_addresses().map(str), st.from_regex(r"\A[a-f0-9]{16}\Z"))
ALERTS = st.builds(
    Alert, first_seen=TIMES, last_seen=TIMES, changed=TIMES, samples=st.lists(NAMES, max_size=3).map(tuple), clients=st.lists(CLIENTS, max_size=3).map(tuple),
    evidence=st.dictionaries(st.text(min_size=1, max_size=9), st.one_of(st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False), st.text())),
    suggested=st.one_of(st.none(), st.builds(SuggestedEntry, pattern=NAMES)),
)  # fmt: skip


def plain(value: Any) -> Any:
    """As a reader of the JSON gets it."""
    return msgspec.json.decode(msgspec.json.encode(value))


@given(ALERTS)
def test_every_alert_is_a_detection_finding(alert: Alert) -> None:
    """By the schema of the version it names, with the type that class and activity make."""
    found = plain(detection_finding(alert))
    FINDING.validate(found)
    assert found["type_uid"] == {"open": 200401, "updated": 200402, "closed": 200403}[alert.state]
    assert (found["finding_info"]["uid"], found["metadata"]["tenant_uid"]) == (alert.id, alert.tenant)


def test_a_muted_alert_is_suppressed_and_a_closed_one_resolved() -> None:
    """The status says so, and the reason of the end is told."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    alert = Alert(id="a", tenant="acme", detector="dga", subject="s", state="updated", revision=2, severity="high", severity_reason="r", title="t",
                  first_seen=now, last_seen=now, changed=now, evidence={}, muted="m-1", parent="p")  # fmt: skip
    closed = msgspec.structs.replace(alert, state="closed", ending="closed by ada: a test")
    found = [detection_finding(item) for item in (alert, closed)]
    assert [item["status"] for item in found] == ["Suppressed", "Resolved"]
    assert found[1]["status_detail"] == "closed by ada: a test"
    assert found[0]["finding_info"]["related_events"] == [{"uid": "p"}]


EVENTS = [
    ({}, 400302, "Allowed", 0),
    ({"rcode": "NXDOMAIN", "verdict": "deny", "rule": "no-ads/ads", "answers": ()}, 400302, "Denied", 3),
    ({"verdict": "redirect", "rule": "x/y"}, 400302, "Modified", 0),
    ({"rcode": "", "answers": (), "response_size": 0}, 400301, "Allowed", None),
    ({"rcode": "BADVERS", "transport": "tcp", "client": "a1b2c3"}, 400302, "Allowed", 16),
    ({"answers": (AnswerRecord("TXT", '"\\195 x"', 0), AnswerRecord("AAAA", "2001:db8::1", 60))}, 400302, "Allowed", 0),
    ({"qname": "_x._tcp.example.com", "qtype": "TYPE65280", "client": "2001:db8::2"}, 400302, "Allowed", 0),
    ({"qname": "."}, 400302, "Allowed", 0),
]


@pytest.mark.parametrize(("changes", "type_uid", "action", "rcode"), EVENTS)
def test_every_query_event_is_dns_activity(changes: dict[str, Any], type_uid: int, action: str, rcode: int | None) -> None:
    """A response where something was answered, a query where nothing was."""
    found = plain(dns_activity(event(7, **changes)))
    DNS.validate(found)
    assert (found["class_uid"], found["type_uid"], found["action"], found.get("rcode_id")) == (4003, type_uid, action, rcode)
    assert found["metadata"]["uid"] == "r1/1000/7"


def test_the_schema_refuses_what_is_wrong() -> None:
    """So that the tests above mean something: a foreign key, a missing one, a type that is not class and activity."""
    good = plain(dns_activity(event(7)))
    for wrong in ({"flavour": 1}, {"type_uid": 400401}, {"severity_id": "high"}, {"query": {"type": "A"}}):
        assert not DNS.is_valid({**good, **wrong})
    assert not DNS.is_valid({key: value for key, value in good.items() if key != "metadata"})
