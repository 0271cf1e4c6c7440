"""What was decided of some queries: counts by (policy version, verdict, rule), and how two such mixes compare.

State of the detector policy_shift. Must not know time or events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

Key = tuple[str, str, str]
"""Policy version, verdict (or ``audit``: a rule in audit mode would have denied), rule (empty: the default)."""

VERDICTS = ("deny", "redirect", "allow")
MOST_KEYS = 256
OTHER = "(other)"


@dataclass(slots=True)
class Mix:
    """Counts, and one name for each of them."""

    counts: dict[Key, int] = field(default_factory=dict)
    named: dict[Key, str] = field(default_factory=dict)

    def add(self, key: Key, number: int) -> bool:
        """Count; whether this is the first of its kind. Rules past the bound are counted together."""
        fresh = key not in self.counts
        if fresh and len(self.counts) >= MOST_KEYS:
            key, fresh = (key[0], key[1], OTHER), False
        self.counts[key] = self.counts.get(key, 0) + number
        return fresh

    def name(self, key: Key, name: str) -> None:
        """Remember a name that was decided so."""
        self.named[key] = name

    @property
    def queries(self) -> int:
        """Queries counted."""
        return sum(number for key, number in self.counts.items() if key[1] != "audit")

    def versions(self) -> list[str]:
        """Versions that decided, by name."""
        return sorted({version for version, _, _ in self.counts})

    def only(self, version: str) -> Mix:
        """What this version decided."""
        return self._where(lambda key: key[0] == version)

    def without(self, version: str) -> Mix:
        """What others decided."""
        return self._where(lambda key: key[0] != version)

    def _where(self, wanted: Callable[[Key], bool]) -> Mix:
        counts = {key: number for key, number in self.counts.items() if wanted(key)}
        return Mix(counts, {key: name for key, name in self.named.items() if key in counts})

    @classmethod
    def sum(cls, mixes: Iterable[Mix]) -> Mix:
        """All of them together, versions told apart no more."""
        whole = cls()
        for mix in mixes:
            for key, number in mix.counts.items():
                whole.add(("", *key[1:]), number)
                if key in mix.named:
                    whole.named.setdefault(("", *key[1:]), mix.named[key])
        return whole

    def share_of(self, verdict: str) -> tuple[int, int]:
        """Queries with this verdict, and all."""
        return sum(number for key, number in self.counts.items() if key[1] == verdict), self.queries

    def by_rule(self) -> dict[tuple[str, str], int]:
        """Queries by verdict and rule."""
        return {key[1:]: number for key, number in self.counts.items() if key[1] != "audit"}

    def audits(self) -> dict[str, int]:
        """Queries that each rule in audit mode would have denied."""
        return {key[2]: number for key, number in self.counts.items() if key[1] == "audit"}

    def names_of(self, verdict: str, rule: str) -> tuple[str, ...]:
        """Names that were decided so, by name."""
        return tuple(sorted({name for key, name in self.named.items() if key[1:] == (verdict, rule)}))

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        return [[[*key, number, self.named.get(key, "")] for key, number in sorted(self.counts.items())]]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Mix:
        """Inverse of pack."""
        mix = cls()
        for *key, number, name in packed[0]:
            mix.counts[key[0], key[1], key[2]] = number
            if name:
                mix.named[key[0], key[1], key[2]] = name
        return mix


@dataclass(slots=True)
class Change:
    """A comparison: the version, the pane of its first event, what was before, how much shares scattered then."""

    version: str
    pane: int
    before: Mix
    scatter: dict[str, float]
    told: bool = False

    def compare(self, after: Mix, verdict: str) -> tuple[float, float, float]:
        """(share before, share after, z of the difference) of a verdict; both sides must hold queries."""
        (x1, n1), (x2, n2) = self.before.share_of(verdict), after.share_of(verdict)
        pooled = (x1 + x2) / (n1 + n2)
        error = sqrt(self.scatter[verdict] * max(pooled * (1 - pooled), 1e-9) * (1 / n1 + 1 / n2))
        return x1 / n1, x2 / n2, (x2 / n2 - x1 / n1) / error

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        return [self.version, self.pane, self.before.pack(), self.scatter, self.told]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Change:
        """Inverse of pack."""
        version, pane, before, scatter, told = packed
        return cls(version, pane, Mix.unpack(before), scatter, told)


def overdispersion(panes: Sequence[tuple[int, int]]) -> float:
    """How much more the panes' shares (part, whole) scatter than independent trials; at least 1."""
    filled = [(part, whole) for part, whole in panes if whole]
    total = sum(whole for _, whole in filled)
    share = sum(part for part, _ in filled) / max(total, 1)
    if len(filled) < 3 or not 0 < share < 1:
        return 1.0
    chi = sum((part - whole * share) ** 2 / (whole * share * (1 - share)) for part, whole in filled)
    return max(1.0, chi / (len(filled) - 1))
