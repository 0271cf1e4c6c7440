"""What the analysis found -> its topics, keyed by tenant; ``settled`` waits until the broker has all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

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
        self._pending: list[asyncio.Future[Any]] = []
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
                    self.expect(message)
                    self.sent[name] += 1

    def expect(self, message: asyncio.Future[Any]) -> None:
        """Let `settled` wait for a message on its way, too."""
        self._pending.append(message)

    async def settled(self) -> None:
        """Wait for what was sent so far; a message the broker refused ends the worker."""
        pending, self._pending = self._pending, []
        if pending:
            # Not gather: cancelled, it would cancel the messages, which Faust answers with a traceback each.
            await asyncio.wait(pending)
            refused = [error for message in pending if (error := message.exception())]
            if refused:
                raise refused[0]
