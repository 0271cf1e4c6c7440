"""Plays a scenario to a tenant's analysis, cut into batches as the stream would, in event time."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from schemas.signals import Alert
from streams.analysis import Findings, TenantState
from tests.bench.quality.scenario import Scenario
from tests.streams.events import batch, numbered

_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was told: alerts as they opened, each with event time; events and days played; seconds it took."""

    scenario: Scenario
    opened: tuple[Alert, ...]
    events: int
    days: float
    took: float


def play(scenario: Scenario) -> Seen:
    """Show everything to a fresh tenant; time passes in pauses, too."""
    own = scenario.incident.events if scenario.incident else ()
    events = numbered(sorted([*scenario.background(), *own], key=lambda event: event.time), 0)
    times = np.array([event.time.timestamp() for event in events])
    state, opened = TenantState("acme", scenario.settings), list[Alert]()

    def note(found: Findings) -> None:
        opened.extend(alert for alert in found.alerts if alert.state == "open")

    cuts = np.flatnonzero(np.diff(np.floor(times / scenario.step))) + 1
    began, before = time.perf_counter(), times[0]
    for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(events)], strict=True):
        for pause in np.arange(before + _PAUSE, times[first], _PAUSE).tolist():
            note(state.tick(pause))
        before = times[last - 1]
        note(state.update(batch(events[first:last]), before))
    for pause in np.arange(before, before + scenario.rest, 1.0).tolist():
        note(state.tick(pause + 1.0))
    days = (times[-1] - times[0]) / 86400
    return Seen(scenario, tuple(opened), len(events), days, time.perf_counter() - began)
