"""Writers of policy.objects take turns: read, check, write, and nobody in between.

Kafka has no compare-and-set. Transactions would do on Apache Kafka, but the embedded broker has none, and their markers
take offsets that those who wait for an offset would have to know. A log has an order, though, and that is enough: a
writer appends a claim to policy.turns and has the turn once every claim before its own is released. Whoever has the
turn gives signs of life; the next in line releases a claim without any. This module must not know policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from compose.failure import Failure
from compose.policy_topic import following, producing, read_to_end
from schemas.topics import TURNS
from schemas.turns import Turn

SILENCE_S = 6.0
"""A turn without a sign of life for so long is over."""
_SIGN_EVERY_S = 1.0
_SAFE_S = 4.0
"""Whoever could give no sign for so long may not write any more: the next in line is about to begin."""
_LATEST = 1000
_decode = msgspec.json.Decoder(Turn).decode
_encode = msgspec.json.Encoder().encode


def me() -> str:
    """Who runs this, as others may read it: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@dataclass(slots=True)
class Queue:
    """Claims that are not released, in the order of the topic. heard: when the first in line gave its last sign."""

    claims: dict[str, Turn] = field(default_factory=dict)
    heard: float = 0.0

    @property
    def first(self) -> str:
        """The claim that has the turn; empty for none."""
        return next(iter(self.claims), "")

    def hear(self, turn: Turn, now: float) -> None:
        """Take a record in, in order; now: monotonic seconds."""
        first = self.first
        if turn.state == "claimed":
            self.claims.setdefault(turn.claim, turn)
        elif turn.state == "held" and turn.claim not in self.claims:  # claimed longer ago than was read
            self.claims = {turn.claim: turn, **self.claims}
        elif turn.state == "released":
            self.claims.pop(turn.claim, None)
        if self.first != first or turn.claim == first:
            self.heard = now


@dataclass(slots=True)
class Held:
    """A turn that one has; signed: monotonic seconds of the last sign of life that the broker has."""

    producer: AIOKafkaProducer
    signed: float

    def still(self) -> None:
        """Make sure that nobody else can have begun.

        Raises:
            Failure: if that is not sure.
        """
        if time.monotonic() - self.signed > _SAFE_S:
            raise Failure("the broker was away too long while the change was checked: nothing was changed, try again")


@asynccontextmanager
async def turn(bootstrap: str, *, patience_s: float = 120.0) -> AsyncIterator[Held]:
    """Wait for the turn to write policy.objects, and have it for the time of the block.

    Raises:
        Failure: if the broker does not answer, or others did not come to an end within patience_s.
    """
    async with following(bootstrap, TURNS.name) as (consumer, partition), producing(bootstrap) as producer:
        begin = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, max(begin, end - _LATEST))
        claim, who = os.urandom(8).hex(), me()
        await _say(producer, claim, "claimed", who)
        try:
            await _wait(consumer, partition, producer, claim, patience_s)
            async with _signing(producer, claim, who) as held:
                yield held
        finally:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await _say(producer, claim, "released", who)


async def _say(producer: AIOKafkaProducer, claim: str, state: Literal["claimed", "held", "released"], who: str) -> None:
    value = _encode(Turn(claim=claim, state=state, who=who, time=datetime.now(UTC)))
    await producer.send_and_wait(TURNS.name, value, key=claim.encode(), partition=0)


async def _wait(
    consumer: AIOKafkaConsumer, partition: TopicPartition, producer: AIOKafkaProducer, claim: str, patience_s: float
) -> None:
    queue = Queue()
    deadline = time.monotonic() + patience_s
    async for record in read_to_end(consumer, partition):
        _hear(queue, record.value)
    while queue.first != claim:
        now = time.monotonic()
        if now > deadline:
            who = queue.claims[queue.first].who if queue.first else "nobody who could be seen"
            raise Failure(f"the turn to write policy did not come within {patience_s:g} s, {who} had it: try again")
        if queue.first and now - queue.heard > SILENCE_S:
            await _say(producer, queue.first, "released", me())
        for record in (await consumer.getmany(timeout_ms=100)).get(partition, []):
            _hear(queue, record.value)


def _hear(queue: Queue, value: bytes | None) -> None:
    with contextlib.suppress(msgspec.MsgspecError):
        queue.hear(_decode(value or b""), time.monotonic())


@asynccontextmanager
async def _signing(producer: AIOKafkaProducer, claim: str, who: str) -> AsyncIterator[Held]:
    """Signs of life for the time of the block."""
    held = Held(producer, time.monotonic())

    async def sign() -> None:
        while True:
            await asyncio.sleep(_SIGN_EVERY_S)
            began = time.monotonic()
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await _say(producer, claim, "held", who)
                held.signed = began

    signing = asyncio.create_task(sign(), name="signs of life")
    try:
        yield held
    finally:
        signing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await signing
