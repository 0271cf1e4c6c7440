"""Which of its targets a virtual name stands for, chosen for one client; and the reasons, for explanations.

Those that are for the client, of these the ones no signal calls down, of these the ones with a weight, of these the
ones in the client's zone, as far as each step leaves any; of what is left one by weight. A sticky choice is weighted
rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005): every resolver chooses
the same, and a change of targets or weights moves only clients it has to. This module must not know how the target is
looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, log
from typing import Any, NamedTuple

from resolver.policy.clients import Clients, compile_clients
from resolver.policy.patterns import PatternError, canonical_name
from resolver.policy.reading import Report
from resolver.tenant_view import VirtualEntry
from resolver.tenants import Asker
from schemas.objects import VirtualTarget

Draw = Callable[[], float]
"""A random number in [0, 1)."""
_ZONE = "zone"


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A name that a virtual name may stand for."""

    name: str
    weight: int
    zone: str
    clients: Clients


@dataclass(frozen=True, slots=True)
class Choice:
    """target: None where none is for the client. valid_until: Unix seconds from which it may be another one."""

    target: Target | None
    valid_until: float


class _Steps(NamedTuple):
    """What each step left. down: signals that say so, by target."""

    mine: Sequence[Target]
    up: Sequence[Target]
    weighted: Sequence[Target]
    near: Sequence[Target]
    down: dict[Target, Any]


def compile_targets(targets: Sequence[VirtualTarget], report: Report) -> tuple[Target, ...]:
    """Targets in the form the choice reads; what is wrong is reported and left out."""
    found: list[Target] = []
    for place, target in enumerate(targets):
        path = f"spec.targets[{place}]"
        try:
            name = canonical_name(target.name)
        except PatternError as error:
            report(f"{path}.name", f"expected a domain name, got {target.name!r}: {error}")
            continue
        made = Target(name, target.weight, target.zone, compile_clients(target.clients, f"{path}.clients", report))
        if any((other.name, other.zone, other.clients) == (name, made.zone, made.clients) for other in found):
            report(f"{path}.name", f"{name} stands above already, for the same clients and zone")
        found.append(made)
    return tuple(found)


def choose(entry: VirtualEntry, asker: Asker, now: float, draw: Draw) -> Choice:
    """The target for this client.

    Args:
        entry: with targets.
        asker: who asks; its zone is its label ``zone``.
        now: Unix seconds; signals that have expired by then say nothing.
        draw: used where the choice is not sticky; such a choice holds for one answer.
    """
    steps = _narrow(entry, asker, now)
    if not steps.near:
        return Choice(None, inf)
    until = min((held.expires for held in steps.down.values()), default=inf)
    if len(steps.near) == 1:
        return Choice(steps.near[0], until)
    if entry.sticky:
        return Choice(min(steps.near, key=lambda target: _rank(entry, asker, target)), until)
    return Choice(_drawn(steps.near, draw()), -inf)


def _narrow(entry: VirtualEntry, asker: Asker, now: float) -> _Steps:
    mine = [target for target in entry.targets if target.clients.match(asker)]
    down = {}
    signals = asker.tenant.signals
    if signals and len(mine) > 1:
        for target in mine:
            held = signals.value("health", target.name)
            if held is not None and held.value == "down" and held.expires > now:
                down[target] = held
    up = [target for target in mine if target not in down] or mine
    weighted = [target for target in up if target.weight] or up
    zone = asker.labels.get(_ZONE)
    near = [target for target in weighted if target.zone == zone] if zone else []
    return _Steps(mine, up, weighted, near or weighted, down)


def _rank(entry: VirtualEntry, asker: Asker, target: Target) -> float:
    """Exponentially distributed with rate `weight`, the same wherever it is computed: the smallest of all wins."""
    client = asker.number.to_bytes(16, "big") + bytes((asker.version,))
    digest = blake2b(f"{entry.name} {target.name}".encode(), digest_size=7, key=client).digest()
    uniform = (int.from_bytes(digest, "big") >> 3) + 1  # 53 bits: as many as a float holds
    return -log(uniform / (2**53 + 1)) / (target.weight or 1)


def _drawn(targets: Sequence[Target], number: float) -> Target:
    left = number * sum(target.weight or 1 for target in targets)
    for target in targets:
        left -= target.weight or 1
        if left < 0:
            return target
    return targets[-1]


def explain_targets(asker: Asker, qname: str, now: float) -> list[dict[str, Any]]:
    """Every virtual name with targets on the way from this name, as far as the choice is not random, with reasons."""
    story: list[dict[str, Any]] = []
    name, passed = qname, set[str]()
    while name not in passed and (entry := asker.tenant.virtual.get(name)) is not None:
        passed.add(name)
        if not entry.targets:
            name = next((record.data.removesuffix(".") for record in entry.records.get("CNAME", ())), "")
            continue
        targets = weighed(entry, asker, now)
        story.append({"name": name, "answer": "flatten" if entry.flatten else "cname", "targets": targets})
        name = next((target["target"] for target in targets if target["chosen"]), "")
    return story


def weighed(entry: VirtualEntry, asker: Asker, now: float) -> list[dict[str, Any]]:
    """Every target in the order written: its share of this client's choice, whether it is chosen, and why (not)."""
    steps = _narrow(entry, asker, now)
    chosen = choose(entry, asker, now, lambda: 0.0).target if entry.sticky or len(steps.near) == 1 else None
    total = sum(target.weight or 1 for target in steps.near)
    return [
        {
            "target": target.name,
            "weight": target.weight,
            "zone": target.zone,
            "share": round((target.weight or 1) / total, 4) if target in steps.near else 0.0,
            "chosen": target is chosen,
            "why": "; ".join(_reasons(target, asker, steps, chosen=target is chosen, sticky=entry.sticky)),
        }
        for target in entry.targets
    ]


def _reasons(target: Target, asker: Asker, steps: _Steps, *, chosen: bool, sticky: bool) -> Iterator[str]:
    zone = asker.labels.get(_ZONE)
    if target not in steps.mine:
        yield from target.clients.obstacles(asker)
    elif target not in steps.up:
        held = steps.down[target]
        yield f"{held.source or 'a signal'} calls it down ({held.reason or 'without a reason'}) and another is left"
    elif target not in steps.weighted:
        yield "weight 0 is for when nothing else is left"
    elif target not in steps.near:
        yield f"another target is in the client's zone {zone!r}"
    else:
        if target in steps.down:
            yield "all are called down, so that none is passed over"
        if target.zone and target.zone == zone:
            yield f"it is in the client's zone {zone!r}"
        if len(steps.near) == 1:
            yield "nothing else is left"
        elif not sticky:
            yield "by weight, drawn anew for every query"
        else:
            yield "by weight, always for this client" if chosen else "by weight this client has another, always"
