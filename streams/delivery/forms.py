"""An alert as the bytes a target gets: our own JSON, OCSF, Slack's message. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.ocsf import detection_finding
from schemas.signals import Alert, encode_signal
from streams.delivery.settings import Form

_COLOURS = {"info": "#7f8c8d", "low": "#3498db", "medium": "#f1c40f", "high": "#e67e22", "critical": "#c0392b"}
_WORDS = {"open": "New", "updated": "Still", "closed": "Over"}
_EVIDENCE = 10


def body_of(alert: Alert, form: Form) -> bytes:
    """The alert in a format, one line."""
    if form == "own":
        return encode_signal(alert)
    return msgspec.json.encode(detection_finding(alert) if form == "ocsf" else slack_message(alert))


def slack_message(alert: Alert) -> dict[str, Any]:
    """What an incoming webhook of Slack (or of those who imitate it) takes: a sentence, then numbers in two columns."""
    said = f"{_WORDS[alert.state]}, {alert.severity}: {alert.title} (tenant {alert.tenant})"
    fields = [
        ("Why", alert.severity_reason),
        ("Detector", f"{alert.detector} about {alert.subject}"),
        ("Ended", alert.ending),
        ("Clients", ", ".join(alert.clients[:5])),
        ("Samples", ", ".join(alert.samples[:3])),
        *((name, str(value)) for name, value in list(alert.evidence.items())[:_EVIDENCE]),
    ]
    return {
        "text": _escaped(said),
        "attachments": [
            {
                "color": _COLOURS[alert.severity],
                "fallback": _escaped(said),
                "fields": [{"title": name, "value": _escaped(value), "short": True} for name, value in fields if value],
                "footer": f"nameward alerts show {alert.id}",
                "ts": int(alert.changed.timestamp()),
            }
        ],
    }


def _escaped(text: str) -> str:
    """Slack takes these three for markup; names of strangers must not become links or mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
