"""The largest clients of a tenant, each against its own share of what the tenant usually asks; see volume.py.

Bounded: MOST clients are remembered, those seen longest ago are forgotten first. Must not know the tenant's week: it
is told what is usual now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import expm1, log1p, sqrt
from statistics import median
from typing import Any

from schemas.signals import Telemetry, TopItem
from streams.baselines import ALPHA, NORMAL, Level
from streams.detectors.finding import Finding, Scene

MOST = 64
BORROW = 20.0
"""Minutes after which a client counts as much as its neighbours."""
LEAST = 0.3
"""Deviation of log(1 + count) that any client is granted."""
STRANGER = 1.5
"""Deviation of a client nobody knows from its neighbours: some four and a half times more or less."""
FEWEST = 10
PATIENCE = 120
_MINUTE = 60


@dataclass(slots=True)
class _Talker:
    """One client. run: minutes in a row it asked too much; minute: when it was seen last."""

    level: Level = field(default_factory=Level)
    run: int = 0
    minute: int = 0


class Talkers:
    """Clients of one tenant that were among its largest."""

    def __init__(self) -> None:
        self._known: dict[str, _Talker] = {}
        self._pace = 0.0
        self._minutes = 0

    def judge(self, minute: int, window: Telemetry, usual: float | None, scene: Scene) -> list[Finding]:
        """Judge the largest clients of a minute and learn from those that are not too large.

        Args:
            minute: since the epoch.
            window: telemetry of the tenant in that minute.
            usual: log(1 + queries) the tenant should have asked; None where nobody knows: its recent pace counts.
                If it asked more, that counts.
            scene: see Scene.
        """
        self._pace += (log1p(window.queries) - self._pace) * max(ALPHA, 1 / (self._minutes + 1))
        self._minutes += 1
        # A rise of all is told of the tenant; a client is told that grows beyond it.
        base = max(self._pace if usual is None else usual, log1p(window.queries))
        peers = [talker.level.mean for talker in self._known.values() if talker.level.minutes >= FEWEST]
        middle = median(peers) if peers else None
        found = [self._one(minute, top, base, middle, scene) for top in window.top_clients]
        while len(self._known) > MOST:
            del self._known[min(self._known, key=lambda name: self._known[name].minute)]
        return [finding for finding in found if finding]

    def _one(self, minute: int, top: TopItem, base: float, middle: float | None, scene: Scene) -> Finding | None:
        mine = scene.detection.volume
        talker = self._known.setdefault(top.item, _Talker())
        if talker.minute < minute - 1:
            talker.run = 0
        talker.minute = minute
        share = log1p(top.count) - base
        own = talker.level.minutes / (talker.level.minutes + BORROW)
        center = talker.level.mean if middle is None else own * talker.level.mean + (1 - own) * middle
        known = max(NORMAL * talker.level.deviation, LEAST)
        deviation = sqrt(own * known**2 + (1 - own) * STRANGER**2)
        usual, z = max(0.0, expm1(center + base)), (share - center) / deviation
        judged = middle is not None or talker.level.minutes >= FEWEST
        large = judged and top.count >= max(mine.client_floor, mine.factor * usual) and z > mine.z
        talker.run = talker.run + 1 if large else 0
        if talker.run < mine.minutes or talker.run > PATIENCE:
            talker.level.learn(share, LEAST)
            return None
        return Finding(
            detector="volume",
            subject=top.item,
            severity="low",
            reason=f"{top.count} queries a minute for {talker.run} minutes, {usual:.0f} are usual for it at this hour",
            title=f"Client {top.item} asks far more than is usual for it",
            seen=(minute + 1) * float(_MINUTE),
            evidence={
                "kind": "client",
                "queries_per_minute": top.count,
                "error": top.error,
                "usual_per_minute": round(usual, 1),
                "minutes": talker.run,
                "minutes_threshold": mine.minutes,
                "z": round(z, 1),
                "z_threshold": mine.z,
                "factor_threshold": mine.factor,
                "floor": mine.client_floor,
                "own_share": round(own, 2),
                "learning": "active" if own >= 1 / 2 else "learning",
            },
            clients=(top.item,),
        )

    def pack(self) -> list[Any]:
        """Plain values for msgpack."""
        known = {
            name: [t.level.mean, t.level.deviation, t.level.minutes, t.run, t.minute] for name, t in self._known.items()
        }
        return [known, self._pace, self._minutes]

    @classmethod
    def unpack(cls, packed: list[Any]) -> Talkers:
        """Inverse of pack."""
        talkers = cls()
        known, talkers._pace, talkers._minutes = packed
        talkers._known = {
            name: _Talker(Level(mean, deviation, minutes), run, minute)
            for name, (mean, deviation, minutes, run, minute) in known.items()
        }
        return talkers
