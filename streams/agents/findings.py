"""What the analysis found -> its topics, keyed by tenant; ``settled`` waits until the broker has all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from faust.types import AppT

from schemas.signals import encode_signal
from schemas.topics import ALERTS, CONTEXT, OVERLAYS, TELEMETRY
from streams.agents import topic_of
from streams.analysis import Findings


class Outputs:
    """The four topics analytics speaks on.

    Attributes:
        sent: messages sent, by topic.
    """

    def __init__(self, app: AppT) -> None:
        self._topics = {topic.name: topic_of(app, topic.name) for topic in (TELEMETRY, ALERTS, CONTEXT, OVERLAYS)}
        self._pending: list[Awaitable[object]] = []
        self.sent = dict.fromkeys(self._topics, 0)

    async def send(self, found: Iterable[Findings]) -> None:
        """Hand findings to the producer: overlays first, they are what somebody waits for."""
        for findings in found:
            for name, values in (
                (OVERLAYS.name, findings.overlays),
                (ALERTS.name, findings.alerts),
                (CONTEXT.name, findings.signals),
                (TELEMETRY.name, findings.telemetry),
            ):
                for value in values:
                    message = await self._topics[name].send(key=value.tenant.encode(), value=encode_signal(value))
                    self._pending.append(message)
                    self.sent[name] += 1

    async def settled(self) -> None:
        """Wait for what was sent so far; a message the broker refused ends the worker."""
        pending, self._pending = self._pending, []
        if pending:
            await asyncio.gather(*pending)
