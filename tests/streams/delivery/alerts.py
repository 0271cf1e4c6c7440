"""Alerts for tests of delivery."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.signals import Alert


def alert(name: str = "a1", **changes: Any) -> Alert:
    """An open alert; keyword arguments replace fields."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "id": name, "tenant": "acme", "detector": "dga", "subject": "10.0.0.7", "state": "open", "revision": 1, "severity": "high",
        "severity_reason": "30 failed names", "title": "A client tries generated names", "first_seen": now, "last_seen": now, "changed": now,
        "evidence": {"names": 30}, "samples": ("xkqzj.test",), "clients": ("10.0.0.7",),
    }  # fmt: skip
    return Alert(**(values | changes))
