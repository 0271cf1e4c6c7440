"""Files of domain sets -> store: read when a set names them, read again when they change.

Stands beside the path, below the feed: before a policy is put in force its files are read, so that no set stands empty
that is not. Whatever happens to a file, what it held last stays in force and the trouble is told. Files are looked at
in threads, big ones are built in a process of their own: no query waits. Must not know topics or rules.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import dataclass

from resolver.in_slices import in_slices
from resolver.policy.set_contents import SetContents
from resolver.policy.store import PolicyStore
from resolver.set_build import CHANGED
from resolver.set_place import SMALL, PlaceError, Places, Seen
from schemas.objects import SetFile

_LOG = logging.getLogger(__name__)
_EVERY_S = 2.0
_PATIENCE_S = 30.0
_TIDY_EVERY = 30
_BUILD_WITHIN_S = 300.0
_TRIES = 3


@dataclass(slots=True)
class _Known:
    seen: Seen | None = None
    key: str = ""
    trouble: str = ""


class SetFiles:
    """Keeps a store supplied with what the files of its domain sets hold.

    Args:
        store: whose sets are looked after.
        places: where files and indexes lie.
        every: seconds between two looks at the files.

    Attributes:
        busy: files are being read before a policy is put in force.
    """

    def __init__(self, store: PolicyStore, places: Places, *, every: float = _EVERY_S) -> None:
        self._store, self._places, self._every = store, places, every
        self._known: dict[SetFile, _Known] = {}
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[bool] | None = None
        self.busy = False

    async def prepare(self) -> None:
        """Read the files of sets that are new, before they are put in force; for so long at most."""
        if self._known.keys() >= self._store.files_wanted():
            return
        self.busy = True
        self._task = asyncio.create_task(self.refresh())
        await asyncio.wait([self._task], timeout=_PATIENCE_S)
        self.busy = False

    async def wait_change(self) -> None:
        """Look at the files every now and then, until one has changed."""
        turn = 0
        while True:
            await asyncio.sleep(self._every)
            turn += 1
            if await self.refresh():
                return
            if self._known and turn % _TIDY_EVERY == 0:
                await asyncio.to_thread(self._places.tidy, {known.key for known in self._known.values()})

    async def refresh(self) -> bool:
        """Look at every file once; whether there is something to put in force."""
        async with self._reading:
            wanted = self._store.files_wanted()
            changed = False
            for file in self._known.keys() - wanted:
                del self._known[file]
                self._store.forget_file(file)
            for file in sorted(wanted, key=lambda file: (file.path, file.format)):
                changed |= await self._look(file, self._known.setdefault(file, _Known()))
            return changed

    async def _look(self, file: SetFile, known: _Known) -> bool:
        try:
            seen = await asyncio.to_thread(self._places.look, file)
            if known.seen is not None and seen.stamp == known.seen.stamp and not known.trouble:
                return False
            contents = await self._read(file, seen, known)
            trouble = ""
        except (PlaceError, OSError) as error:
            trouble, contents, seen = str(error), None, None
        if contents is None and trouble == known.trouble:
            return False
        known.seen, known.trouble = seen, trouble
        if trouble:
            _LOG.warning("domain set file %s", trouble)
        self._store.put_file(file, contents, trouble)
        return True

    async def _read(self, file: SetFile, seen: Seen, known: _Known) -> SetContents | None:
        if seen.size <= SMALL:
            return await asyncio.to_thread(self._places.read_small, seen, file)
        for _ in range(_TRIES):
            key = await asyncio.to_thread(self._places.key_of, seen, file)
            contents = await in_slices(self._places.opening(key, file))
            if contents is None:
                await self._build(file, seen, key)
                contents = await in_slices(self._places.opening(key, file))
            if contents is not None:
                known.key = key
                return contents
        raise PlaceError(f"{file.path}: changes while it is read")

    async def _build(self, file: SetFile, seen: Seen, key: str) -> None:
        """Have the index built; it is there afterwards unless the file changed meanwhile."""
        indexes = self._places.indexes
        indexes.mkdir(parents=True, exist_ok=True)
        command = (sys.executable, "-m", "resolver.set_build", str(seen.path), file.format, key, str(indexes))
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(_BUILD_WITHIN_S):
                status = await process.wait()
        except TimeoutError:
            raise PlaceError(f"{file.path}: not read within {_BUILD_WITHIN_S:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
        if status not in {0, CHANGED}:
            raise PlaceError(f"{file.path}: its index could not be built (exit status {status})")
