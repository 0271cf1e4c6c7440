"""What a rule demands of context signals: one of a kind must hold for the query's name, its client or its workload.

Asked by the engine for rules that have such a condition. This module must not know rules, or who signals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from resolver.policy.signals import NEWLY_OBSERVED
from resolver.tenant_view import Signal
from resolver.tenants import Asker
from schemas.policy_spec import RuleMatch

NEVER = 0.0
Subjects = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignalTest:
    """Signals of which one must hold: kind, and the values it may have (none is any value)."""

    any_of: tuple[tuple[str, frozenset[str]], ...]

    def until(self, asker: Asker, subjects: Subjects, now: float) -> float:
        """Until when (Unix seconds) one holds for one of these subjects; NEVER when none holds now."""
        return max((held.expires for held in self._met(asker, subjects) if held.expires > now), default=NEVER)

    def _met(self, asker: Asker, subjects: Subjects) -> Iterator[Signal]:
        for kind, values in self.any_of:
            for _, held in _held(asker, kind, subjects):
                if not values or held.value in values:
                    yield held

    def obstacle(self, asker: Asker, subjects: Subjects) -> str:
        """Why none holds, as a clause for an explanation."""
        wanted = " or ".join(
            f"{kind} ({', '.join(sorted(values))})" if values else kind for kind, values in self.any_of
        )
        held = [found for kind, _ in self.any_of for found in _held(asker, kind, subjects)]
        known = "; ".join(f"{subject} is {signal.value!r}" for subject, signal in held)
        return f"no signal {wanted} holds for {', '.join(subjects)}" + (f" ({known})" if known else "")

    def told(self, asker: Asker, subjects: Subjects) -> str:
        """What holds, as a clause for an explanation."""
        return "; ".join(f"{held.source} says {held.value!r}: {held.reason}" for held in self._met(asker, subjects))


def _held(asker: Asker, kind: str, subjects: Iterable[str]) -> Iterator[tuple[str, Signal]]:
    board = asker.tenant.signals
    if board:
        for subject in subjects:
            held = board.value(kind, subject)
            if held is not None:
                yield subject, held


def subjects_of(asker: Asker, names: Iterable[str]) -> Subjects:
    """What signals about a query may be about: its name and all above it, its client's address and its workload."""
    address = IPv4Address(asker.number) if asker.version == 4 else IPv6Address(asker.number)
    return (*names, str(address), asker.workload) if asker.workload else (*names, str(address))


def compile_signals(match: RuleMatch) -> tuple[SignalTest, ...]:
    """The conditions on signals, all of which must hold; none if there are none."""
    listed = tuple((test.kind, frozenset(test.values)) for test in match.signal)
    lists = (listed, ((NEWLY_OBSERVED, frozenset[str]()),) if match.newly_observed else ())
    return tuple(SignalTest(any_of) for any_of in lists if any_of)
