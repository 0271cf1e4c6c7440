"""What policy is in force: verify, compile, swap as a whole, keep the last good of every object that is refused.

The feeds put what they hear and swap; the path reads `current`, one attribute, replaced atomically. Between the two
stands nothing a query could wait for. Pure: bytes, objects and `now` in, refusals out. Must not know files or Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resolver.policy.addresses import DEFAULT_RANGES, Ranges
from resolver.policy.choice import acceptable, digesting, version_of
from resolver.policy.compiler import Memo, Problem, check_overlay, compiling, overlay_key
from resolver.policy.set_contents import SetContents
from resolver.policy.signal_book import SignalBook
from resolver.policy.signals import kinds_in_use
from resolver.policy.snapshot import decode_snapshot, encoding
from resolver.policy.steps import Steps, finish, slices
from resolver.subnets import SubnetIndex
from resolver.tenants import Compiled
from schemas.objects import DomainSet, PolicyObject, SetFile
from schemas.signals import ContextSignal, Overlay, Refusal


class PolicyStore:
    """Objects wanted and objects in force.

    Args:
        ranges: where virtual addresses are allocated; resolvers that have the same give the same addresses.

    Attributes:
        current: the policy in force; read it once per query.
        epoch: rises with every swap.
        version: of the policy in force; equal in every resolver that has the same in force.
        objects_offset: next offset of policy.objects that is fully in force; the feed sets it before the swap.
        overlays_offset: likewise of policy.overlays.
        refusals: what the last swap refused.
        signals: context signals; those that come while `signals.due` holds need a swap to be seen.
    """

    def __init__(self, ranges: Ranges = DEFAULT_RANGES) -> None:
        self._digest = finish(digesting({}))
        self.current = Compiled(0, version_of(self._digest, {}), {}, SubnetIndex([]))
        self.objects_offset = 0
        self.overlays_offset = 0
        self.refusals: list[Refusal] = []
        self.signals = SignalBook()
        self._wanted: dict[str, PolicyObject] = {}
        self._good: dict[str, PolicyObject] = {}
        self._unreadable: dict[str, str] = {}
        self._overlays: dict[str, Overlay] = {}
        self._overlay_problems: dict[str, list[Problem]] = {}
        self._memo = Memo(ranges)
        self._object_refusals: list[Refusal] = []
        self._files: dict[SetFile, SetContents] = {}
        self._file_troubles: dict[SetFile, str] = {}
        self._changed = True

    @property
    def epoch(self) -> int:
        """Epoch of the policy in force."""
        return self.current.epoch

    @property
    def version(self) -> str:
        """Version of the policy in force."""
        return self.current.version

    @property
    def objects(self) -> Mapping[str, PolicyObject]:
        """Objects in force, by key."""
        return self._good

    def put(self, key: str, obj: PolicyObject | None) -> None:
        """Want an object (None: want it gone) from the next swap on."""
        self._changed = True
        self._unreadable.pop(key, None)
        self._wanted.pop(key, None)
        if obj is not None:
            good = self._good.get(key)
            self._wanted[key] = good if good == obj else obj  # the same one costs no compilation

    def put_unreadable(self, key: str, error: str) -> None:
        """Refuse an object that could not even be read; the last good one stays."""
        self._changed = True
        self._unreadable[key] = error
        if key in self._good:
            self._wanted[key] = self._good[key]

    def put_overlay(self, tenant: str, overlay: Overlay | None) -> None:
        """Want a tenant's overlay from the next swap on; a wrong one leaves the last good one."""
        self._overlay_problems.pop(tenant, None)
        if overlay is None:
            self._overlays.pop(tenant, None)
        elif problems := check_overlay(overlay):
            self._overlay_problems[tenant] = problems
        else:
            self._overlays[tenant] = overlay

    def put_unreadable_overlay(self, tenant: str, error: str) -> None:
        """Refuse an overlay that could not even be read; the last good one stays."""
        self._overlay_problems[tenant] = [Problem(overlay_key(tenant), "", error)]

    def files_wanted(self) -> set[SetFile]:
        """Files that domain sets name, those wanted and those in force."""
        objects = (*self._wanted.values(), *self._good.values())
        return {obj.spec.file for obj in objects if isinstance(obj, DomainSet) and obj.spec.file is not None}

    def put_file(self, file: SetFile, contents: SetContents | None, trouble: str) -> None:
        """What a file of domain sets holds from the next swap on; None leaves what it held, trouble says why."""
        if contents is not None:
            self._files[file] = contents
        self._file_troubles[file] = trouble

    def forget_file(self, file: SetFile) -> None:
        """No set names this file any more."""
        self._files.pop(file, None)
        self._file_troubles.pop(file, None)

    def _file_refusals(self) -> Iterator[Refusal]:
        for key, obj in self._good.items() if self._files or self._file_troubles else ():
            if not isinstance(obj, DomainSet) or (file := obj.spec.file) is None:
                continue
            contents, trouble = self._files.get(file), self._file_troubles.get(file, "it is still being read")
            if trouble:
                state = "the set is empty until then" if contents is None else "what it held last stays in force"
                yield Refusal(key=key, error=f"spec.file.path: {trouble}; {state}")
            for line in contents.troubles if contents else ():
                yield Refusal(key=key, error=f"spec.file.path: {line}")

    def put_signal(self, signal: ContextSignal, now: float) -> None:
        """Hold a context signal; it is in force from the next swap on, which `signals.due` asks for if it is used.

        Raises:
            ValueError: if it makes no sense.
        """
        self.signals.put(signal, now)

    def forget_objects(self) -> None:
        """Want no object but those put from now on: the topic is read anew from its beginning."""
        self._wanted.clear()
        self._unreadable.clear()
        self._changed = True

    def forget_overlays(self) -> None:
        """Want no overlay but those put from now on."""
        self._overlays.clear()
        self._overlay_problems.clear()

    def swap(self, now: float) -> list[Refusal]:
        """Put in force what is wanted, as far as it is right; returns what was refused and why."""
        finish(self.swapping(now))
        return self.refusals

    def swapping(self, now: float) -> Steps[None]:
        """The same in slices (see steps.py); what is in force changes in the last one, as a whole."""
        if self._changed:
            yield from self._choosing()
        wrong_overlays = [_refusal(problem) for problems in self._overlay_problems.values() for problem in problems]
        things = (self._good, dict(self._overlays), self.signals.boards(now), dict(self._files))
        refusals = [*self._object_refusals, *wrong_overlays, *self._file_refusals()]
        version = version_of(self._digest, self._overlays)
        self.current = yield from compiling(*things, now=now, version=version, epoch=self.epoch + 1, memo=self._memo)
        self.refusals = refusals

    def _choosing(self) -> Steps[None]:
        """Choose the objects to put in force."""
        self._changed = False  # what is put from now on is for the next swap
        unreadable = [Refusal(key=key, error=error) for key, error in self._unreadable.items()]
        try:
            good, refused = yield from acceptable(self._wanted, self._good, self._memo)
            digest = yield from digesting(good)
            kinds: dict[str, frozenset[str]] = {}
            for part in slices(good.values()):
                yield
                for tenant, more in kinds_in_use(part).items():
                    kinds[tenant] = kinds.get(tenant, frozenset()) | more
        except BaseException:
            self._changed = True
            raise
        self._good, self._digest = good, digest
        self._object_refusals = unreadable + [_refusal(problem) for problem in refused]
        self.signals.use(kinds)

    def next_expiry(self, now: float) -> float:
        """Unix seconds at which the first overlay entry or signal in force expires; inf for none."""
        entries = (entry.expires.timestamp() for overlay in self._overlays.values() for entry in overlay.entries)
        return min([self.signals.next_expiry(), *(expires for expires in entries if expires > now)])

    def snapshot(self) -> bytes:
        """What is in force, to start from when there is no broker."""
        return finish(self.taking_snapshot())

    def taking_snapshot(self) -> Steps[bytes]:
        """The same in slices; what is in force when it begins."""
        return (yield from encoding(self._good, self._overlays, self.objects_offset, self.overlays_offset))

    def restore(self, value: bytes, now: float) -> list[Refusal]:
        """Put a snapshot in force.

        Raises:
            SnapshotError: if the bytes are none; nothing has changed then.
        """
        snapshot = decode_snapshot(value)
        self._good = dict(snapshot.objects)
        self._wanted = dict(snapshot.objects)
        self._changed = True
        for overlay in snapshot.overlays:
            self.put_overlay(overlay.tenant, overlay)
        self.objects_offset, self.overlays_offset = snapshot.objects_offset, snapshot.overlays_offset
        return self.swap(now)


def _refusal(problem: Problem) -> Refusal:
    return Refusal(key=problem.key, error=f"{problem.path}: {problem.message}" if problem.path else problem.message)
