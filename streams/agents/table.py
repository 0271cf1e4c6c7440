"""A Faust table as analytics needs it: written outside of its stream, its changelog watched until the broker has it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from faust import streams as faust_streams
from faust.types import EventT, TableT


@contextmanager
def within(event: EventT) -> Iterator[None]:
    """As if the event were being processed: Faust takes a table's partition from it."""
    token = faust_streams._current_event.set(weakref.ref(event))  # noqa: SLF001 - Faust has no other way to name a partition
    try:
        yield
    finally:
        faust_streams._current_event.reset(token)  # noqa: SLF001


def watch_changelog(table: TableT[bytes, bytes], expect: Callable[[asyncio.Future[Any]], None]) -> None:
    """Tell of every changelog record on its way.

    Faust keeps these futures for itself, and its flush() gives up after a tenth of a second without progress: an offset
    could be committed, or the producer closed, while the state it stands for is still in a queue.
    """
    send = table.send_changelog

    def told(*arguments: Any, **options: Any) -> asyncio.Future[Any]:  # noqa: ANN401 - Faust's own arguments
        future: asyncio.Future[Any] = send(*arguments, **options)
        expect(future)
        return future

    table.send_changelog = told
