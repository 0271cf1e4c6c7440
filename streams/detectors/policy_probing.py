"""Policy probing: a client walks names it may not see, or piles up denials. The isolation alarm.

Per client (the workload, where addresses are not shown) and 10 minutes, told apart:

- walking: many *different* names of internal zones that are denied or do not exist. To whoever asks, another tenant's
  hidden name looks like a missing one, by design; so it does here. Public names tried with a search domain are no walk;
- denials: many different denied names of other zones, as behind a list of blocked names;
- a retry loop: very many denials of a handful of names, as a program does whose name was denied.

Each needs its floor and z deviations above what the client itself usually does (habits.py: EWMA per 10 minutes, frozen
for those who alert); within the first hour twice the floor. What an overlay denies does not count: it is our own
reaction to something already told.

Nothing here knows other tenants' names: an alarm that rang for them only would tell who else has which name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.detection_spec import PolicyProbingSpec
from schemas.objects import Severity
from streams.columns import TenantRows
from streams.detectors.denials import Denials, Refused, refused_of
from streams.detectors.finding import Detector, Finding, Scene, Standing, without
from streams.detectors.habits import Habits
from streams.detectors.panes import Panes
from streams.distinct import close_together
from streams.parts import Parts, pack, unpack

NAME = "policy_probing"
PANE, WINDOW = 10, 600
PANES = WINDOW // PANE
LEARNING = 3600.0
COLD_FACTOR = 2
FEW = 5
"""Different names up to which denials over and over are a retry loop."""
MANY_TIMES = 3.0
"""Times the limit from which on walking is of high severity."""
MOST_TOLD = 20
_MEASURES = ("hidden", "denied", "denials")


class PolicyProbing(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._panes = Panes(PANE)
        self._denials: dict[int, Denials] = {}
        self._touched: set[int] = set()
        self._habits = {measure: Habits() for measure in _MEASURES}
        self._learnt = False
        self._window: int | None = None
        self._since: float | None = None
        self._alerting: dict[int, int] = {}

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; what the panes that are now over showed."""
        if self._since is None and len(rows):
            self._since = float(rows.times.min())
        refused, hidden = refused_of(without(rows, scene.detection.policy_probing.exempt), scene.internal)
        panes = self._panes.place(refused.times)
        for pane in close_together(panes):
            here = panes == pane
            self._denials.setdefault(pane, Denials()).add(refused.only(here), hidden[here])
            self._touched.add(pane)
        return self.tick(scene)

    def tick(self, scene: Scene) -> list[Finding]:
        """Judge panes that are over; learn from windows that are."""
        waiting = [pane for pane in self._denials if pane >= self._panes.open_from]
        found: list[Finding] = []
        for pane in self._panes.over(scene.clock, waiting):
            self._learn(pane)
            found += self._judge(pane, scene)
        self._learn(self._panes.open_from)
        gone = [pane for pane in self._denials if pane < self._panes.open_from - 2 * PANES]
        for pane in gone:
            del self._denials[pane]
        self._touched.update(gone)
        return found

    def _learn(self, pane: int) -> None:
        """Teach habits the windows before the one of this pane."""
        window = pane // PANES
        if self._window is None or window <= self._window:
            self._window = window if self._window is None else self._window
            return
        first = self._window * PANES
        seen = Refused.of([self._denials[at] for at in range(first, first + PANES) if at in self._denials])
        frozen = np.array(sorted(key for key, at in self._alerting.items() if at >= first), np.uint64)
        for measure, habits in self._habits.items():
            if len(seen.clients) or len(habits.keys):
                habits.learn(seen.clients, getattr(seen, measure), frozen)
                habits.pass_idle(window - self._window - 1)
                self._learnt = True
        self._alerting = {key: at for key, at in self._alerting.items() if at >= window * PANES}
        self._window = window

    def _judge(self, pane: int, scene: Scene) -> list[Finding]:
        here = self._denials[pane]
        seen = Refused.of([self._denials[at] for at in range(pane - PANES + 1, pane + 1) if at in self._denials])
        mine, found = scene.detection.policy_probing, []
        limits = self._limits(seen, mine, (pane + 1) * PANE)
        ratios = np.max([getattr(seen, measure) / limits[measure] for measure in _MEASURES], axis=0)
        worst = np.argsort(-ratios, kind="stable")[:MOST_TOLD]
        for at in worst[ratios[worst] >= 1].tolist():
            if int(seen.clients[at]) in here.who:
                found += self._tell(pane, at, seen, limits, scene)
        return found

    def _limits(self, seen: Refused, mine: PolicyProbingSpec, end: float) -> dict[str, NDArray[np.float64]]:
        factor = COLD_FACTOR if self.standing(end).state == "learning" else 1
        floors = {"hidden": mine.hidden, "denied": mine.denied, "denials": mine.retries}
        return {
            measure: self._habits[measure].limits(seen.clients, mine.z, float(floor * factor))
            for measure, floor in floors.items()
        }

    def _tell(
        self, pane: int, at: int, seen: Refused, limits: dict[str, NDArray[np.float64]], scene: Scene
    ) -> list[Finding]:
        values = {measure: float(getattr(seen, measure)[at]) for measure in _MEASURES}
        over = {measure: values[measure] / float(limits[measure][at]) for measure in _MEASURES}
        kind = _kind(values, over)
        if not kind:
            return []
        key = int(seen.clients[at])
        self._alerting[key] = pane
        client, workload = self._denials[pane].who[key]
        severity, reason, title = _words(kind, client or f"Workload {workload}", values, over)
        measure = {"walking": "hidden", "denials": "denied", "retry_loop": "denials"}[kind]
        return [
            Finding(
                detector=NAME,
                subject=client or f"workload/{workload}",
                severity=severity,
                reason=reason,
                title=title,
                seen=float((pane + 1) * PANE),
                evidence={
                    "kind": kind,
                    "window_s": WINDOW,
                    "hidden_names": round(values["hidden"]),
                    "denied_names": round(values["denied"]),
                    "denials": round(values["denials"]),
                    "threshold": round(float(limits[measure][at])),
                    "usual": round(float(self._habits[measure].usual(seen.clients[at : at + 1])[0][0]), 1),
                    "z": scene.detection.policy_probing.z,
                    "learning": self.standing((pane + 1) * PANE).state,
                },
                samples=self._names(pane, key, kind),
                workloads=(workload,) if workload else (),
                clients=(client,) if client else (),
            )
        ]

    def _names(self, pane: int, client: int, kind: str) -> tuple[str, ...]:
        here = self._denials[pane]
        wanted = here.pairs[:, 2] == np.uint64(client)
        if kind != "retry_loop":
            wanted &= here.hidden == (kind == "walking")
        return tuple(sorted(here.names[name] for name in here.pairs[wanted, 1].tolist())[:5])

    def standing(self, clock: float) -> Standing:
        """Learning for an hour."""
        age = 0.0 if self._since is None else clock - self._since
        if age < LEARNING:
            return Standing(
                "learning",
                f"{age / 60:.0f} of {LEARNING / 60:.0f} minutes observed; told from {COLD_FACTOR} times the floors on",
            )
        return Standing(
            "active", f"habits of {len(self._habits['denials'].keys)} clients that are refused now and then"
        )

    def touch(self) -> None:
        """Count every pane as changed."""
        self._touched |= self._denials.keys()
        self._learnt = True

    def save(self, parts: Parts) -> dict[str, Any]:
        """Changed panes as parts, and habits when they learnt."""
        for pane in sorted(self._touched):
            if pane in self._denials:
                parts.put(f"probing/{pane}", pack(self._denials[pane].pack()))
            else:
                parts.drop(f"probing/{pane}")
        self._touched.clear()
        if self._learnt:
            parts.put("probing-habits", pack({measure: habits.pack() for measure, habits in self._habits.items()}))
            self._learnt = False
        alerting = sorted(self._alerting.items())
        return {"open": self._panes.open_from, "window": self._window, "since": self._since, "alerting": alerting}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._panes.open_from, self._window, self._since = rest["open"], rest["window"], rest["since"]
        self._alerting = dict(rest["alerting"])
        if "probing-habits" in values:
            kept = unpack(values["probing-habits"])
            self._habits = {measure: Habits.unpack(kept[measure]) for measure in _MEASURES}
        for name, value in values.items():
            if name.startswith("probing/"):
                self._denials[int(name.partition("/")[2])] = Denials.unpack(unpack(value))


def _kind(values: dict[str, float], over: dict[str, float]) -> str:
    """What it is; empty for nothing."""
    if over["hidden"] >= 1:
        return "walking"
    if over["denied"] >= 1:
        return "denials"
    return "retry_loop" if over["denials"] >= 1 and values["hidden"] + values["denied"] <= FEW else ""


def _words(kind: str, who: str, values: dict[str, float], over: dict[str, float]) -> tuple[Severity, str, str]:
    """(severity, reason, title)."""
    minutes = f"within {WINDOW // 60} minutes"
    if kind == "walking":
        return (
            "high" if over["hidden"] >= MANY_TIMES else "medium",
            f"{values['hidden']:.0f} different names of internal zones, {over['hidden']:.1f} times the threshold; "
            "a matter for the platform's operator, too",
            f"{who} walks internal names it may not see or that do not exist: {values['hidden']:.0f} {minutes}",
        )
    if kind == "denials":
        return (
            "low",
            f"{values['denied']:.0f} different names denied, {over['denied']:.1f} times the threshold",
            f"{who} was denied {values['denied']:.0f} different names {minutes}",
        )
    names = values["hidden"] + values["denied"]
    return (
        "info",
        f"{values['denials']:.0f} denials of {names:.0f} names: a program that does not take no for an answer",
        f"{who} asks {names:.0f} denied names over and over: {values['denials']:.0f} times {minutes}",
    )
