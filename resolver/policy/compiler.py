"""Objects and overlays -> one Compiled policy: verify everything, then build the tenants' views.

The one entry to policy for those who only want to know whether objects are right (`verify`), and for those who put them
in force (`compile_policy`). Off the query path. Must not know where objects come from or what is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resolver.policy.address_names import Settlement
from resolver.policy.addresses import DEFAULT_RANGES, Ranges
from resolver.policy.conflicts import Parts, Problem, find_conflicts
from resolver.policy.discovery import compile_discovery
from resolver.policy.domain_sets import compile_domain_set, filled
from resolver.policy.egress import compile_egress
from resolver.policy.reading import Report, parse_patterns
from resolver.policy.rules import compile_policy_rules
from resolver.policy.services import compile_service
from resolver.policy.set_contents import SetContents
from resolver.policy.signals import SignalBoard
from resolver.policy.steps import Steps, finish, slices
from resolver.policy.tenancy import compile_tenancy
from resolver.policy.views import Sorted, Views, sort_objects
from resolver.policy.virtual import compile_virtual
from resolver.tenants import Compiled
from schemas.objects import (
    DiscoveryRule,
    DNSPolicy,
    DomainSet,
    EgressRule,
    PolicyObject,
    Service,
    SetFile,
    Tenant,
    VirtualName,
)
from schemas.signals import Overlay

__all__ = ["Compiled", "Memo", "PolicyError", "Problem", "check_overlay", "compile_policy", "overlay_key", "verify"]

_COMPILE: Mapping[type[PolicyObject], Callable[[Any, Report], Parts]] = {
    Tenant: compile_tenancy,
    DNSPolicy: compile_policy_rules,
    VirtualName: compile_virtual,
    Service: compile_service,
    DiscoveryRule: compile_discovery,
    DomainSet: compile_domain_set,
    EgressRule: compile_egress,
}
"""What each kind of object is on its own; a new kind is one line here and one file."""
_NO_FILES: Mapping[SetFile, SetContents] = {}
_NO_BOARDS: Mapping[str, SignalBoard] = {}


class PolicyError(ValueError):
    """Objects that cannot be put in force; `problems` says why, each with object and key path."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(slots=True, eq=False)
class Memo:
    """What earlier compilations made, to be taken over where objects are the same ones; ranges of virtual addresses."""

    ranges: Ranges = DEFAULT_RANGES
    settlement: Settlement = field(default_factory=Settlement)
    parts: dict[str, tuple[PolicyObject, Parts, list[Problem]]] = field(default_factory=dict)
    views: Views = field(default_factory=Views)
    last: tuple[Mapping[str, PolicyObject], Sorted] | None = None
    verified: Mapping[str, PolicyObject] | None = None

    def look_at(self, objects: Mapping[str, PolicyObject]) -> Steps[None]:
        """Compile the objects that are new; forget those that are gone."""
        for key in self.parts.keys() - objects.keys():
            del self.parts[key]
        yield
        for key, obj in objects.items():
            known = self.parts.get(key)
            if known is None or known[0] is not obj:
                self.parts[key] = _compile_object(key, obj)
                yield


def _compile_object(key: str, obj: PolicyObject) -> tuple[PolicyObject, Parts, list[Problem]]:
    problems: list[Problem] = []

    def report(path: str, message: str) -> None:
        problems.append(Problem(key, path, message))

    return obj, _COMPILE[type(obj)](obj, report), problems


def verify(objects: Mapping[str, PolicyObject], memo: Memo | None = None) -> list[Problem]:
    """Everything that is wrong with these objects, alone and together; empty when nothing is.

    Args:
        objects: by key; of two that claim the same, the later in this order is wrong.
        memo: remembers objects already looked at; without one, addresses come from the default ranges.
    """
    return finish(verifying(objects, memo or Memo()))


def verifying(objects: Mapping[str, PolicyObject], memo: Memo) -> Steps[list[Problem]]:
    """The same in slices."""
    yield from memo.look_at(objects)
    problems: list[Problem] = []
    known: dict[str, tuple[PolicyObject, Parts]] = {}
    for part in slices(objects):
        yield
        for key in part:
            obj, made, wrong_alone = memo.parts[key]
            problems += wrong_alone
            # A tenant that is wrong in itself is still known by name: its mistakes are not those of policies naming it.
            if not wrong_alone or isinstance(obj, Tenant):
                known[key] = obj, made
    wrong = {problem.key for problem in problems}
    yield
    for problem in find_conflicts(known, memo.ranges):
        if problem is None:
            yield
        elif problem.key not in wrong:
            problems.append(problem)
    memo.verified = None if any(not problem.dangling for problem in problems) else objects
    return problems


def overlay_key(tenant: str) -> str:
    """How problems name a tenant's overlay; the shape of an object's key."""
    return f"Overlay/-/{tenant}"


def check_overlay(overlay: Overlay) -> list[Problem]:
    """Everything that is wrong with an overlay."""
    problems: list[Problem] = []
    key = overlay_key(overlay.tenant)
    for place, entry in enumerate(overlay.entries):
        path = f"entries[{place}]"
        parse_patterns([entry.pattern], f"{path}.pattern", lambda at, why: problems.append(Problem(key, at, why)))
        if entry.expires.tzinfo is None or entry.created.tzinfo is None:
            problems.append(Problem(key, f"{path}.expires", "expected times with a zone"))
    return problems


def compile_policy(
    objects: Mapping[str, PolicyObject],
    overlays: Mapping[str, Overlay],
    signals: Mapping[str, SignalBoard] = _NO_BOARDS,
    *,
    now: float,
    version: str,
    epoch: int,
    memo: Memo | None = None,
    files: Mapping[SetFile, SetContents] = _NO_FILES,
) -> Compiled:
    """Verify, then build.

    Args:
        objects: by key; the mapping must not change afterwards when a memo is given.
        overlays: by tenant, as check_overlay lets them pass; those of unknown tenants are inert, wrong entries too.
        signals: boards by tenant, EVERYBODY's for those that have none (see SignalBook.boards).
        now: Unix seconds; overlay entries expired by then are left out.
        version: of the result.
        epoch: of the result.
        memo: of earlier compilations.
        files: what the files of domain sets hold, as far as they were read.

    Raises:
        PolicyError: if any object is wrong; dangling references alone do not count.
    """
    things = (objects, overlays, signals, files)
    return finish(compiling(*things, now=now, version=version, epoch=epoch, memo=memo or Memo()))


def compiling(
    objects: Mapping[str, PolicyObject],
    overlays: Mapping[str, Overlay],
    signals: Mapping[str, SignalBoard],
    files: Mapping[SetFile, SetContents],
    *,
    now: float,
    version: str,
    epoch: int,
    memo: Memo,
) -> Steps[Compiled]:
    """The same in slices."""
    if memo.last is None or memo.last[0] is not objects:
        problems = (yield from verifying(objects, memo)) if memo.verified is not objects else []
        if any(not problem.dangling for problem in problems):
            raise PolicyError(problems)
        parts = {key: memo.parts[key][:2] for key in objects}
        yield
        settled = yield from memo.settlement.settle(parts, memo.ranges)
        yield
        memo.last = (objects, (yield from sort_objects(settled)))
    sorted_objects = memo.last[1]
    alive = {name: _alive(overlay, now) for name, overlay in overlays.items()}
    yield
    views = yield from memo.views.build(sorted_objects, alive, signals)
    sets = {name: filled(entry, files) for name, entry in sorted_objects.sets.items()}
    return Compiled(
        epoch,
        version,
        views,
        sorted_objects.subnets,
        sorted_objects.unknown,
        sets,
        sorted_objects.claims,
        sorted_objects.services,
    )


def _alive(overlay: Overlay, now: float) -> Overlay:
    """The overlay without what has expired; itself when nothing has, so that its identity tells it did not change."""
    alive = tuple(entry for entry in overlay.entries if entry.expires.timestamp() > now)
    if len(alive) == len(overlay.entries):
        return overlay
    return Overlay(tenant=overlay.tenant, revision=overlay.revision, entries=alive, changed=overlay.changed)
