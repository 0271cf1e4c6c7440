"""The store's swap as the shell drives it: files of sets first, then a slice at a time, so that no query waits for it.

Stands between the feeds and the store. One swap runs at a time; what is in force is replaced at its very end. This
module must not know topics.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf

from resolver.in_slices import in_slices
from resolver.policy.steps import Steps
from resolver.policy.store import PolicyStore
from resolver.set_files import SetFiles

_LOG = logging.getLogger(__name__)


class Swapper:
    """Puts in force what a store wants.

    Args:
        store: to swap.
        files: reads the files of domain sets; None reads none.
        clock: Unix seconds.

    Attributes:
        expiry: Unix seconds at which the next swap is due because something expires.
    """

    def __init__(self, store: PolicyStore, files: SetFiles | None, clock: Callable[[], float]) -> None:
        self._store, self._files, self._clock = store, files, clock
        self._turn = asyncio.Lock()
        self.expiry = inf

    @property
    def busy(self) -> bool:
        """Whether a policy waits for files that are still being read."""
        return self._files is not None and self._files.busy

    async def swap(self, *deliveries: Steps[None]) -> None:
        """Put in force what is wanted by now; new refusals are logged.

        Args:
            deliveries: what is to be wanted before, all of it.
        """
        async with self._turn:
            for delivery in deliveries:
                await in_slices(delivery)
            if self._files is not None:
                await self._files.prepare()
            now, before = self._clock(), self._store.refusals
            await in_slices(self._store.swapping(now))
            self.expiry = self._store.next_expiry(now)
        for refusal in self._store.refusals:
            if refusal not in before:
                _LOG.warning("refused %s: %s", refusal.key, refusal.error)

    async def follow_files(self, told: Callable[[], None]) -> None:
        """Swap whenever a file of a domain set changed; `told` is called after each."""
        while self._files is not None:
            await self._files.wait_change()
            await self.swap()
            told()
