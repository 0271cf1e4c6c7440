"""The backlog of one socket: turns, room, and who gives way."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from resolver.listeners.backlog import Backlog


def drained(backlog: Backlog[str]) -> list[str]:
    """Everything that waits, as it is taken."""
    return [backlog.take() for _ in range(len(backlog))]


def test_tenants_take_turns() -> None:
    """One query of each tenant after the other, each tenant's in the order they came; one that came late is next but for those before it."""
    backlog: Backlog[str] = Backlog()
    for tenant, query in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("", "x1"), ("b", "b2")):
        backlog.put(tenant, query)
    assert drained(backlog) == ["a1", "b1", "x1", "a2", "b2", "a3"]
    assert not backlog


def test_who_has_most_gives_way() -> None:
    """A flood loses its own oldest queries, whoever comes when there is no room; all that is lost is counted."""
    backlog: Backlog[str] = Backlog(most=6)
    for number in range(20):
        backlog.put("flood", f"f{number}")
    backlog.put("quiet", "q1")
    backlog.put("quiet", "q2")
    backlog.put("other", "o1")
    assert len(backlog) == 6
    assert backlog.shed == {"flood": 17}
    assert sorted(drained(backlog)) == ["f17", "f18", "f19", "o1", "q1", "q2"]


@pytest.mark.parametrize("seed", range(20))
def test_nobody_below_its_share_loses(seed: int) -> None:
    """Whatever comes and goes, the bound holds, what is lost was of a tenant with its share or more, and nothing is lost uncounted."""
    dice = Random(seed)
    most = dice.choice([1, 3, 10, 50])
    backlog: Backlog[str] = Backlog(most)
    held: Counter[str] = Counter()
    put = taken = 0
    for _ in range(2000):
        if dice.random() < 0.7:
            tenant, before = dice.choice("aaaaaabbcdefgh"), backlog.shed.copy()
            backlog.put(tenant, tenant)
            put, held[tenant] = put + 1, held[tenant] + 1
            for loser in backlog.shed - before:
                assert held[loser] * sum(count > 0 for count in held.values()) >= most
                held[loser] -= 1
        elif backlog:
            held[backlog.take()] -= 1
            taken += 1
        assert len(backlog) == held.total() <= most
    assert put == taken + len(backlog) + backlog.shed.total()


def test_cleared() -> None:
    """Nothing waits any more, and what comes then has its turn."""
    backlog: Backlog[str] = Backlog()
    backlog.put("a", "a1")
    backlog.clear()
    assert not backlog
    backlog.put("a", "a2")
    assert drained(backlog) == ["a2"]
