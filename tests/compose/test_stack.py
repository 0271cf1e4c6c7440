"""What the stack makes of its workers' words."""

from __future__ import annotations

import pytest

from compose.stack import trouble


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, '{"ready": true, "waiting": {}, "degraded": {}}', ""),
        (200, '{"ready": true, "waiting": {}, "degraded": {"kafka": "away"}}', "kafka: away"),
        (
            503,
            '{"ready": false, "waiting": {"policy": "none", "listeners": "not yet"}}',
            "policy: none; listeners: not yet",
        ),
        (503, "", "does not answer"),
        (500, "broken", "broken"),
        (0, "Cannot connect", "Cannot connect"),
        (200, "not JSON", ""),
    ],
)
def test_readiness_of_a_worker_gives_every_reason(status: int, body: str, reason: str) -> None:
    """Queries that are not taken and events that do not flow are reasons; a worker that says neither is ready."""
    assert trouble(status, body) == reason
