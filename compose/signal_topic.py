"""dns.context as the command line uses it: write a signal, read those that hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from compose.policy_topic import following, producing, read_to_end
from resolver.policy.signal_book import check_signal
from resolver.policy.signals import subject_of
from schemas.signals import ContextSignal, encode_signal
from schemas.topics import CONTEXT

_decode = msgspec.json.Decoder(ContextSignal).decode


async def publish(bootstrap: str, signal: ContextSignal) -> None:
    """Write a signal; the broker has it on return.

    Raises:
        Failure: if the broker does not take it.
    """
    async with producing(bootstrap) as producer:
        await producer.send_and_wait(CONTEXT.name, encode_signal(signal), key=signal.tenant.encode(), partition=0)


async def read_signals(bootstrap: str, now: datetime) -> list[ContextSignal]:
    """Signals that hold: the last word about each (tenant, kind, subject), unless it has expired.

    Raises:
        Failure: if the broker does not answer.
    """
    async with following(bootstrap, CONTEXT.name) as (consumer, partition):
        return holding([record.value async for record in read_to_end(consumer, partition)], now)


def holding(values: Iterable[bytes | None], now: datetime) -> list[ContextSignal]:
    """Signals of these records that hold, as resolvers see them; what they would refuse is passed over."""
    last: dict[tuple[str, str, str], ContextSignal] = {}
    for value in values:
        try:
            signal = _decode(value or b"")
            check_signal(signal)
        except ValueError:
            continue
        last[signal.tenant, signal.kind, subject_of(signal.subject)] = signal
    return [signal for signal in last.values() if signal.expires > now]
