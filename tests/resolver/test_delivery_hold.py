"""Holding events back while the broker is replaced: nothing leaves, nothing is lost, and it ends by itself."""

from __future__ import annotations

import asyncio

from resolver.delivery import Delivery
from resolver.lanes import Batch, Lane
from tests.patience import PROCESS_S


class Collecting:
    """A transport that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.arrived = asyncio.Event()

    async def start(self) -> int:
        """Connect."""
        return 1

    async def send(self, partition: int, value: bytes) -> None:
        """Keep it."""
        assert partition == 0
        self.sent.append(value)
        self.arrived.set()

    def partitions(self) -> int:
        """One."""
        return 1

    async def stop(self) -> None:
        """Nothing to end."""


def held_delivery(seconds: float) -> tuple[Delivery, Collecting]:
    """A delivery that holds back one message."""
    transport = Collecting()
    delivery = Delivery(transport, ready, lambda _size, _acknowledged, _given_up: None)
    delivery.hold(seconds)
    lane = delivery.lane(0)
    lane.ready.append(Batch(b"x", 0, None))
    delivery.kick(lane)
    return delivery, transport


async def ready(lane: Lane) -> Batch:
    """The lane holds finished messages only."""
    return lane.ready.popleft()


async def test_held_messages_wait_for_resume() -> None:
    """Nothing is sent while held; resume() sends it."""
    delivery, transport = held_delivery(60)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (delivery.held, transport.sent) == (True, [])
    delivery.resume()
    await delivery.finish()
    assert (delivery.held, transport.sent) == (False, [b"x"])


async def test_hold_begun_anew_lets_nothing_slip() -> None:
    """A second hold while the first lasts sends nothing either."""
    delivery, transport = held_delivery(60)
    await asyncio.sleep(0)
    delivery.hold(60)
    for _ in range(20):
        await asyncio.sleep(0)
    assert transport.sent == []
    await delivery.finish()


async def test_hold_ends_by_itself() -> None:
    """A hold that nobody ends is over after its time."""
    delivery, transport = held_delivery(0.05)
    async with asyncio.timeout(PROCESS_S):
        await transport.arrived.wait()
    assert not delivery.held


async def test_end_of_the_worker_ends_the_hold() -> None:
    """A worker that is told to end while it holds events back still sends them."""
    delivery, transport = held_delivery(60)
    async with asyncio.timeout(PROCESS_S):
        await delivery.finish()
    assert transport.sent == [b"x"]
