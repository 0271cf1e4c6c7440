"""One tenant's analysis: events in; telemetry, alerts, signals, overlays out. The only door for agents.

On the path: codec -> split_by_tenant -> TenantState.update (here) -> topics. Knows columns and values; must not know
Kafka, Faust, clocks or where state is kept. Event time drives windows; ``now`` only closes what went idle.

How to keep the state (one table, keys ``(tenant, part)``, bytes values): after every call write what ``dirty()``
returns, in its order, None deletes a part; ``main`` comes last, so that a write cut short is simply replayed. ``load``
asks ``get("main")`` first and then only for parts main names; ``to_bytes`` holds everything in one value.
A replayed row is skipped (its sequence is not above the high-water), so a batch may be given any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

import pyarrow as pa

from schemas.signals import Alert, AlertOrder, Overlay
from streams.answerers import Answerers
from streams.columns import TenantRows, split_by_tenant
from streams.desk import Desk
from streams.detectors.finding import Scene
from streams.highwater import HighWater
from streams.pace import AHEAD, EVERY, FAR, OPEN_EVERY, SPAN
from streams.panel import Panel
from streams.parts import Parts, pack, unpack
from streams.popularity import Popularity
from streams.seasonal import Prior
from streams.standings import Standings
from streams.telemetry import LATENESS, TelemetryWindows
from streams.tenant import Findings, Fleeting, TenantSettings
from streams.upstreams import Upstreams

__all__ = ["Findings", "TenantRows", "TenantSettings", "TenantState", "split_by_tenant"]


class TenantState:
    """Everything streams remember of one tenant; bounded whatever the traffic."""

    def __init__(self, tenant: str, settings: TenantSettings | None = None) -> None:
        self.tenant = tenant
        self.settings = settings or TenantSettings()
        self._parts = Parts()
        self._changed = False
        self._seen = HighWater()
        self._telemetry = TelemetryWindows(tenant)
        self.panel = Panel()
        self._desk = Desk(tenant)
        self.prior: Prior | None = None
        self._clock = self._lag = 0.0
        self._busy_at: float | None = None
        self._ticked_at = 0.0
        self._standings = Standings(tenant)
        self._answerers = Answerers()
        self._upstreams = Upstreams(tenant, self._answerers)
        self._popularity = Popularity(tenant)

    def configure(self, settings: TenantSettings, now: float) -> Findings:
        """Take over a changed Tenant object; entries in force follow at once (a new mode, a new exemption)."""
        self.settings, found = settings, Findings()
        self._changed |= self._desk.configure(settings.feedback, now, found)
        return found

    def obey(self, orders: Iterable[AlertOrder], now: float) -> Findings:
        """Take over people's orders about alerts: all there are."""
        self._changed, found = True, Findings()
        for alert in self._desk.obey(orders, now, found):
            self.panel.forget(alert.detector, alert.subject)
        return found

    def update(
        self, columns: pa.RecordBatch | TenantRows, now: float, heard: Mapping[str, Mapping[int, int]] | None = None
    ) -> Findings:
        """Take in rows of this tenant (any number of sources).

        Args:
            columns: a record batch (schema events.SCHEMA) of this tenant alone, or rows from split_by_tenant; rows
                already seen are skipped.
            now: processing time, Unix seconds.
            heard: events that resolvers had dropped when these rows were sent, by source and epoch.
        """
        self._busy_at, found = now, Findings()
        rows = columns if isinstance(columns, TenantRows) else TenantRows.of(columns)
        rows = self._seen.unseen(rows).not_later_than(now + AHEAD)
        for part in rows.spans(SPAN):
            if len(part):
                self._add(part, now, heard or {}, found)
            self._settle(self._clock, now, found)
        self._lag = now - self._clock
        return found

    def _add(self, rows: TenantRows, now: float, heard: Mapping[str, Mapping[int, int]], found: Findings) -> None:
        self._changed = True
        self._clock = max(self._clock, float(rows.times.max()))
        self._telemetry.add(rows)
        self._telemetry.lose(rows, heard)
        self._answerers.add(rows)
        self._popularity.add(rows)
        self._desk.common = self._popularity.common
        for finding in self.panel.update(rows, self._scene(self._clock)):
            self._desk.report(finding, self.settings.feedback, now, found)
        for first in self.panel.first_asked(self.settings.detection):
            self._telemetry.count_new(first)

    def tick(self, now: float) -> Findings:
        """Let time pass: idle windows close, quiet alerts close, overlay entries expire. Call about once a second."""
        found, self._ticked_at = Findings(), now
        if self._busy_at is None:  # just loaded: a backlog may be on its way
            self._busy_at = now
        if self._clock and now - self._busy_at >= LATENESS and now > self._clock:
            # Where events lie far behind `now`, as imported ones do, idle time passes from the last of them on.
            clock = now if self._lag < FAR else self._clock + now - self._busy_at
            self._settle(clock, now, found, idle=True)
        else:
            self._settle(self._clock, now, found)
        return found

    def needs_time(self, now: float) -> bool:
        """Whether a tick has anything to do."""
        return now - self._ticked_at >= EVERY or self.due() <= now

    def due(self) -> float:
        """When time has to pass for it though no row comes, Unix seconds; inf: never."""
        last = max(self._ticked_at, self._busy_at or 0.0)
        opened = self._desk.due()
        soon = min(opened, last + OPEN_EVERY) if opened < inf else inf
        return min(soon, self._telemetry.due(), self.panel.due(self._scene(self._clock)))

    def fleeting(self) -> Fleeting:
        """What is not written, for a state that leaves memory for a while."""
        return Fleeting(self._busy_at, *self._standings.told())

    def come_back(self, fleeting: Fleeting) -> None:
        """Go on as before leaving: it was not a restart, no backlog is on its way."""
        self._busy_at = fleeting.busy_at
        self._standings.resume(fleeting.told_at, fleeting.standings)

    def _scene(self, clock: float) -> Scene:
        detection = self.settings.detection
        return Scene(self.tenant, clock, self.settings.internal, detection, self._answerers, self.prior)

    def _settle(self, clock: float, now: float, found: Findings, *, idle: bool = False) -> None:
        """Close windows and alerts by `clock`, expire entries by `now`, say how the detectors stand."""
        closed = self._telemetry.close(clock - LATENESS)
        found.telemetry.extend(closed)
        if closed or idle:
            for finding in self.panel.judge(closed, self._scene(clock), idle=idle):
                self._desk.report(finding, self.settings.feedback, now, found)
        gone = self._desk.settle(clock, now, found)
        for entry in gone:
            if entry.mode == "enforce":  # only fresh evidence may block again
                self.panel.forget(entry.detector, entry.pattern.lstrip("*."))
        if self._clock:
            detection, detectors = self.settings.detection, self.panel.detectors.values()
            found.signals.extend(self._standings.due(detectors, detection, clock, now))
            found.signals.extend(self._upstreams.due(clock, now))
            found.signals.extend(self._popularity.due(now))
            found.signals.extend(self.panel.signals(detection, clock, now))
        self._changed |= bool(found.telemetry or found.alerts or gone)

    def dirty(self) -> dict[str, bytes | None]:
        """Parts that changed since the last call, in the order to write them; None deletes a part."""
        if not self._changed:
            return {}
        self._changed = False
        core = {
            "clock": self._clock,
            "seen": self._seen.save(),
            "telemetry": self._telemetry.save(self._parts),
            "detectors": self.panel.save(self._parts),
            **self._desk.save(),
        }
        self._popularity.save(self._parts)
        self._parts.put("core", pack(core))
        return self._parts.flush()

    @classmethod
    def load(
        cls, tenant: str, get: Callable[[str], bytes | None], settings: TenantSettings | None = None
    ) -> TenantState:
        """State from its parts; a fresh one when there is no ``main``.

        Raises:
            ValueError: if a part is missing.
        """
        state = cls(tenant, settings)
        state._parts, values = Parts.load(get)
        if values:
            state._resume(unpack(values["core"]), values)
        return state

    def _resume(self, core: dict[str, Any], values: dict[str, bytes]) -> None:
        self._clock = core["clock"]
        self._seen.load(core["seen"])
        self._telemetry.load(core["telemetry"], values)
        self._popularity.load(values)
        self.panel.load(core["detectors"], values)
        self._desk.load(core)

    def to_bytes(self) -> bytes:
        """The whole state in one value; the next dirty() then writes everything again."""
        kept, self._parts = self._parts, Parts()
        self._touch()
        written = self.dirty()
        self._parts = kept
        self._touch()
        return pack(written)

    @classmethod
    def from_bytes(cls, tenant: str, value: bytes, settings: TenantSettings | None = None) -> TenantState:
        """State from ``to_bytes``."""
        written: dict[str, bytes] = unpack(value) if value else {}
        return cls.load(tenant, written.get, settings)

    def _touch(self) -> None:
        self._changed = True
        self._telemetry.touch()
        self._popularity.touch()
        self.panel.touch()

    def baselines(self) -> dict[str, float]:
        """What was learnt, as plain values for the warehouse (name -> number)."""
        return self.panel.learnt()

    def restore(
        self,
        *,
        alerts: Iterable[Alert] = (),
        overlay: Overlay | None = None,
        baselines: Mapping[str, float] | None = None,
        asked: tuple[list[str], float] | None = None,
        now: float,
    ) -> Findings:
        """Reload what a durable memory knows into a fresh state; the overlay is told again.

        Args:
            alerts: the last word of each; open ones go on, closed ones keep counting their revisions.
            overlay: the tenant's last.
            baselines: values of baselines().
            asked: registered domains the tenant has asked, and since when.
            now: processing time; entries that expired meanwhile are gone.
        """
        self._changed, found = True, Findings()
        self._desk.resume(alerts, overlay, self.settings.feedback, now, found)
        self.panel.relearn(baselines or {})
        if asked is not None:
            self.panel.seed(*asked)
        return found
