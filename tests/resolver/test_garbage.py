"""Collections look at little: what a full cache makes and frees in equal numbers does not pile up among the young."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import deque
from collections.abc import Iterator

import pytest

from resolver import garbage

FULL, TURN = 20_000, 500


class Kept:
    """Something that collections look at."""


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    garbage.settle()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


async def busy(turns: int) -> int:
    """A full cache that takes in what is new and frees what is old; the most young objects there ever were."""
    cache = deque((Kept() for _ in range(FULL)), FULL)
    gc.collect()
    most = 0
    for _ in range(turns):
        cache.extend(Kept() for _ in range(TURN))
        most = max(most, len(gc.get_objects(generation=0)) + len(gc.get_objects(generation=1)))
        await asyncio.sleep(garbage.PERIOD / 2)
    return most


async def test_what_a_full_cache_takes_in_does_not_pile_up() -> None:
    """By itself the collector sees nothing new until all of the cache is young."""
    alone = await busy(60)
    looking = asyncio.create_task(garbage.look_often())
    try:
        watched = await busy(60)
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
    assert alone > FULL * 0.9
    assert watched < alone / 2
