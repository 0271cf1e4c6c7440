"""Alerts and query events in the words of OCSF 1.8: Detection Finding (2004) and DNS Activity (4003).

Pure: a message of ours in, a JSON-ready mapping out. ``type_uid`` is class times 100 plus activity. What OCSF has no
place for stands under ``unmapped``. See https://schema.ocsf.io/1.8.0/classes/detection_finding and .../dns_activity.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from schemas.events import QueryEvent
from schemas.signals import Alert

VERSION = "1.8.0"
_FINDING, _DNS = 2004, 4003
_SEVERITIES = {"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_CAPTIONS = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
_ACTIVITIES = {"open": (1, "Create"), "updated": (2, "Update"), "closed": (3, "Close")}
_STATUSES = {"open": (1, "New"), "updated": (2, "In Progress"), "closed": (4, "Resolved")}
_SUPPRESSED = (3, "Suppressed")
_BEHAVIORAL = (2, "Behavioral")
_HOSTNAME, _ADDRESS = (1, "Hostname"), (2, "IP Address")
_RCODES = {
    "NOERROR": 0,
    "FORMERR": 1,
    "SERVFAIL": 2,
    "NXDOMAIN": 3,
    "NOTIMP": 4,
    "REFUSED": 5,
    "YXDOMAIN": 6,
    "YXRRSET": 7,
    "NXRRSET": 8,
    "NOTAUTH": 9,
    "NOTZONE": 10,
    "BADVERS": 16,
}
_VERDICTS = {"allow": (1, "Allowed", 1, "Allowed"), "deny": (2, "Denied", 2, "Blocked")}
_REDIRECTED = (4, "Modified", 99, "Redirected")


def detection_finding(alert: Alert) -> dict[str, Any]:
    """One word about an alert as a Detection Finding; clients, workloads and samples are its evidence."""
    activity, status = _ACTIVITIES[alert.state], _STATUSES[alert.state]
    if alert.muted and alert.state != "closed":
        status = _SUPPRESSED
    severity = _SEVERITIES[alert.severity]
    return {
        **_class(_FINDING, "Detection Finding", "Findings", activity),
        "time": _ms(alert.changed),
        "start_time": _ms(alert.first_seen),
        "end_time": _ms(alert.last_seen),
        "severity_id": severity,
        "severity": _CAPTIONS[severity],
        "status_id": status[0],
        "status": status[1],
        **({"status_detail": alert.ending} if alert.ending else {}),
        "message": alert.title,
        "is_alert": True,
        "metadata": _metadata(alert.tenant, f"{alert.id}/{alert.revision}", "dns.alerts"),
        "finding_info": _finding_info(alert),
        "evidences": [{"name": "numbers", "data": dict(alert.evidence)}, *_evidences(alert)],
        "resources": [{"name": name, "type": "workload"} for name in alert.workloads],
        "observables": _observables(
            ("evidences.query.hostname", alert.samples), ("evidences.src_endpoint", alert.clients)
        ),
        **({"remediation": {"desc": _remediation(alert)}} if alert.suggested else {}),
        "unmapped": {"subject": alert.subject, "revision": alert.revision, "muted": alert.muted},
    }


def _finding_info(alert: Alert) -> dict[str, Any]:
    return {
        "uid": alert.id,
        "title": alert.title,
        "desc": alert.severity_reason,
        "types": [alert.detector],
        "first_seen_time": _ms(alert.first_seen),
        "last_seen_time": _ms(alert.last_seen),
        "modified_time": _ms(alert.changed),
        "analytic": {"name": alert.detector, "type_id": _BEHAVIORAL[0], "type": _BEHAVIORAL[1]},
        **({"related_events": [{"uid": alert.parent}]} if alert.parent else {}),
    }


def _evidences(alert: Alert) -> list[dict[str, Any]]:
    asked = [{"query": {"hostname": name}} for name in alert.samples]
    return [*asked, *({"src_endpoint": _endpoint(client)} for client in alert.clients)]


def _remediation(alert: Alert) -> str:
    entry = alert.suggested
    return f"{entry.action} {entry.pattern} for {entry.duration_s} s" if entry else ""


def dns_activity(event: QueryEvent) -> dict[str, Any]:
    """A query event as DNS Activity: a Response (400302), or a Query (400301) where nothing was answered."""
    activity = (2, "Response") if event.rcode else (1, "Query")
    action = _VERDICTS.get(event.verdict, _REDIRECTED)
    asked = _ms(event.time)
    return {
        **_class(_DNS, "DNS Activity", "Network Activity", activity),
        "time": asked,
        "query_time": asked,
        **_response(event, asked),
        "severity_id": 1,
        "severity": _CAPTIONS[1],
        "action_id": action[0],
        "action": action[1],
        "disposition_id": action[2],
        "disposition": action[3],
        **({"policy": {"name": event.rule, "version": event.policy_version, "is_applied": True}} if event.rule else {}),
        "metadata": {
            **_metadata(event.tenant, f"{event.source}/{event.epoch}/{event.sequence}", "dns.events"),
            "profiles": ["security_control"],
        },
        "src_endpoint": _endpoint(event.client),
        "dst_endpoint": {"name": event.source},
        "connection_info": {"direction_id": 1, "direction": "Inbound", **_protocol(event.transport)},
        "traffic": {
            "bytes_in": event.query_size,
            "bytes_out": event.response_size,
            "bytes": event.query_size + event.response_size,
        },
        "query": {"hostname": event.qname, "type": event.qtype, "class": event.qclass},
        "observables": _observables(("query.hostname", [event.qname]), ("src_endpoint", [event.client])),
        "unmapped": {"workload": event.workload, "answer_source": event.answer_source, "tier": event.tier},
    }


def _response(event: QueryEvent, asked: int) -> dict[str, Any]:
    if not event.rcode:
        return {"status_id": 2, "status": "Failure", "status_detail": "no answer was sent"}
    good = event.rcode in {"NOERROR", "NXDOMAIN"}
    return {
        "response_time": asked + event.latency_us // 1000,
        "rcode": event.rcode,
        "rcode_id": _RCODES.get(event.rcode, 99),
        "status_id": 1 if good else 2,
        "status": "Success" if good else "Failure",
        "answers": [{"type": record.type, "rdata": record.data, "ttl": record.ttl} for record in event.answers],
    }


def _class(class_uid: int, name: str, category: str, activity: tuple[int, str]) -> dict[str, Any]:
    """What says of which kind an event is; a class belongs to the category of its thousands."""
    return {
        "class_uid": class_uid,
        "class_name": name,
        "category_uid": class_uid // 1000,
        "category_name": category,
        "activity_id": activity[0],
        "activity_name": activity[1],
        "type_uid": class_uid * 100 + activity[0],
        "type_name": f"{name}: {activity[1]}",
    }


def _metadata(tenant: str, uid: str, log: str) -> dict[str, Any]:
    product = {"name": "Nameward", "vendor_name": "Nameward"}
    return {"version": VERSION, "product": product, "tenant_uid": tenant, "uid": uid, "log_name": log}


def _protocol(transport: str) -> dict[str, Any]:
    return (
        {"protocol_name": "udp", "protocol_num": 17}
        if transport == "udp"
        else {"protocol_name": "tcp", "protocol_num": 6}
    )


def _observables(*groups: tuple[str, Iterable[str]]) -> list[dict[str, Any]]:
    found = []
    for where, values in groups:
        for value in values:
            kind, caption = _ADDRESS if _is_address(value) else _HOSTNAME
            found.append({"name": where, "type_id": kind, "type": caption, "value": value})
    return found


def _endpoint(client: str) -> dict[str, str]:
    """A client by its address; a pseudonym is no address."""
    return {"ip": client} if _is_address(client) else {"name": client or "unknown"}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ms(time: datetime) -> int:
    """Unix milliseconds, OCSF's timestamp_t."""
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)
