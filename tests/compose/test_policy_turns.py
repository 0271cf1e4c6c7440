"""Who has the turn to write: the order of the topic, signs of life, and what happens to those that give none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from compose import policy_turns
from compose.failure import Failure
from compose.policy_topic import producing
from compose.policy_turns import Queue, turn
from schemas.turns import Turn
from tests.patience import PROCESS_S

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)


def say(queue: Queue, claim: str, state: str, now: float) -> None:
    """One record."""
    queue.hear(Turn(claim=claim, state=state, who="a@b", time=NOW), now)  # type: ignore[arg-type]


def test_the_first_claim_has_the_turn_until_it_is_released() -> None:
    """Order is that of the topic; signs of life count for the first in line only."""
    queue = Queue()
    assert queue.first == ""
    say(queue, "a", "claimed", 1)
    say(queue, "b", "claimed", 2)
    assert (queue.first, queue.heard) == ("a", 1)
    say(queue, "b", "held", 3)
    assert queue.heard == 1
    say(queue, "a", "held", 4)
    assert queue.heard == 4
    say(queue, "a", "released", 5)
    assert (queue.first, queue.heard) == ("b", 5)
    say(queue, "c", "released", 6)
    say(queue, "z", "held", 7)
    assert (queue.first, queue.heard) == ("z", 7), "claimed before what was read"
    say(queue, "z", "released", 8)
    say(queue, "b", "released", 8)
    assert queue.first == ""


async def test_turns_do_not_overlap(bootstrap: str) -> None:
    """Five writers at once: each is alone in its turn."""
    inside: list[int] = []
    log: list[tuple[str, int]] = []

    async def write(number: int) -> None:
        async with turn(bootstrap):
            assert not inside
            inside.append(number)
            await asyncio.sleep(0)
            log.append(("in", number))
            inside.remove(number)

    await asyncio.gather(*(write(number) for number in range(5)))
    assert sorted(log) == [("in", number) for number in range(5)]


async def test_a_writer_that_died_is_passed_over(bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that nobody releases and that gives no sign of life ends by the word of the next in line."""
    monkeypatch.setattr(policy_turns, "SILENCE_S", 0.3)
    async with producing(bootstrap) as producer:
        await policy_turns._say(producer, "dead", "claimed", "gone@host")
    async with asyncio.timeout(PROCESS_S), turn(bootstrap) as held:
        held.still()


async def test_a_writer_that_lives_is_waited_for(bootstrap: str) -> None:
    """Who waits longer than told is told for whom."""
    async with turn(bootstrap):
        with pytest.raises(Failure, match=r"the turn to write policy did not come within 0\.2 s, \S+@\S+ had it"):
            async with turn(bootstrap, patience_s=0.2):
                pytest.fail("two have the turn")


async def test_a_writer_cut_off_writes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gave no sign of life for a while must assume that the next in line has begun."""
    monkeypatch.setattr(policy_turns, "_SAFE_S", -1.0)
    with pytest.raises(Failure, match="nothing was changed"):
        policy_turns.Held(None, policy_turns.time.monotonic()).still()
