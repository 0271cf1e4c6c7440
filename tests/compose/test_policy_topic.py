"""What resolvers say of a change: who is live, who has it in force, who refused, who is silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from compose.policy_topic import judge
from schemas.signals import PolicyStatus, Refusal

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)


def status(name: str, offset: int, *, age: float = 1, stopped: bool = False, refused: str = "") -> PolicyStatus:
    """What a worker said `age` seconds ago."""
    refusals = (Refusal(key=refused, error="spec.tier: no"),) if refused else ()
    return PolicyStatus(
        resolver=name,
        epoch=1,
        time=NOW - timedelta(seconds=age),
        policy_version="v",
        objects=1,
        objects_offset=offset,
        overlays_offset=0,
        refused=refusals,
        stopped=stopped,
    )


def test_every_live_worker_counts() -> None:
    """Workers that stopped or have been silent for 15 s do not; the others are in force, refusing or awaited."""
    heard = [
        status("r1", 7),
        status("r2", 6, age=3),
        status("r3", 7, refused="DNSPolicy/-/p"),
        status("r4", 7, refused="DNSPolicy/-/other"),
        status("r5", 3, age=16),
        status("r6", 3, stopped=True),
    ]
    outcome = judge({one.resolver: one for one in heard}, 7, frozenset(["DNSPolicy/-/p"]), NOW)
    assert outcome.confirmed == ["r1", "r4"]
    assert outcome.refused == {"r3": ["DNSPolicy/-/p: spec.tier: no"]}
    assert outcome.silent == {"r2": 3.0}


def test_nobody_is_live() -> None:
    """Without workers there is nothing to wait for."""
    outcome = judge({}, 7, frozenset(), NOW)
    assert (outcome.confirmed, outcome.refused, outcome.silent) == ([], {}, {})
