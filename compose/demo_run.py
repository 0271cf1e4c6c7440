"""A demo day on a running stack: its tenants, its events in order of time, and the wait until they were judged.

Between the command and the generator. Must not know options or how things are shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from importlib.resources import files

import msgspec
import numpy as np

from compose.demo_traffic import TENANTS, Day
from compose.demo_verdict import Told
from compose.event_account import wait_stored
from compose.event_topic import writing
from compose.failure import Failure
from compose.policy_change import change, planned
from compose.ports import Address
from compose.store import rows
from resolver.rows import Rows
from schemas.documents import read_documents

SOURCE = "demo-traffic"
SLICE_S = 60.0
"""Seconds of event time that are published at once, and PAUSE_S between: the analysis sees a day pass, not a lump."""
_PAUSE_S = 0.03
_PATIENCE_S = 180.0
"""Without a window judged; a broker under load may keep a fetch waiting for most of a minute, more than once."""
_LAST = """
SELECT max(time) > toDateTime64(0, 6, 'UTC') AS any, toFloat64(max(time)) AS last
FROM nameward.query_events WHERE source = {source:String}
"""
_JUDGED = """
SELECT tenant, toFloat64(max(window_start)) AS last FROM nameward.telemetry
WHERE tenant IN {tenants:Array(String)} AND workload = '' GROUP BY tenant
"""
_ALERTS = """
SELECT tenant, detector, subject, severity, title, toFloat64(first_seen) AS first_seen,
       toFloat64(last_seen) AS last_seen, clients
FROM nameward.alerts_now WHERE tenant IN {tenants:Array(String)} AND last_seen >= {since:DateTime64(3, 'UTC')}
ORDER BY tenant, detector, subject
"""
_NAMES = "[" + ", ".join(f"'{name}'" for name in TENANTS) + "]"
Tell = Callable[[int], None]


async def put_tenants(bootstrap: str) -> None:
    """Put the tenants of the demo in force.

    Raises:
        Failure: if they contradict what is there, or no broker answers.
    """
    text = files("compose").joinpath("config", "demo_traffic.yaml").read_text()
    documents, errors = read_documents(text, "demo_traffic.yaml")
    if errors:
        raise Failure("\n".join(map(str, errors)))
    await change(bootstrap, lambda present: planned(documents, present))


def last_event(store: Address) -> float:
    """Unix seconds of the latest demo event, 0 without any.

    Raises:
        Failure: if the store does not answer.
    """
    (found,) = rows(store, _LAST, {"source": SOURCE})
    return float(found["last"]) if found["any"] else 0.0


async def publish(bootstrap: str, store: Address, day: Day, epoch: int, tell: Tell) -> None:
    """Write a day's events and wait until the store has them.

    Raises:
        Failure: if broker or store do not answer or do not take them.
    """
    async with writing(bootstrap, SOURCE, epoch) as writer:
        for tenant, part in _slices(day):
            await writer.send(tenant, part)
            tell(writer.sent)
            await asyncio.sleep(_PAUSE_S / len(TENANTS))
    await asyncio.to_thread(wait_stored, store, SOURCE, epoch, writer.sent)


def _slices(day: Day) -> Iterator[tuple[str, Rows]]:
    """Rows of all tenants, a slice of time after the other."""
    start = min(int(events.times[0]) for events in day.events.values())
    end = max(int(events.times[-1]) for events in day.events.values())
    for begin in range(start, end + 1, int(SLICE_S * 1e9)):
        for tenant, events in day.events.items():
            first, behind = np.searchsorted(events.times, [begin, begin + int(SLICE_S * 1e9)]).tolist()
            if behind > first:
                yield tenant, _part(events, first, behind)


def _part(events: Rows, first: int, behind: int) -> Rows:
    place = slice(first, behind)
    used, slots = np.unique(events.slots[place], return_inverse=True)
    templates = [events.templates[slot] for slot in used.tolist()]
    return Rows(templates, slots, events.times[place], events.latencies[place], events.upstreams[place])


def wait_judged(store: Address, day: Day, tell: Callable[[str], None]) -> bool:
    """Wait until telemetry of every tenant has come to the end of the day; False if it stopped on the way."""
    due = {tenant: int(events.times[-1]) / 1e9 - 120 for tenant, events in day.events.items()}
    reached, deadline = 0.0, time.monotonic() + _PATIENCE_S
    while True:
        now = {row["tenant"]: float(row["last"]) for row in rows(store, _JUDGED, {"tenants": _NAMES})}
        if all(now.get(tenant, 0.0) >= moment for tenant, moment in due.items()):
            return True
        if sum(now.values()) > reached:
            reached, deadline = sum(now.values()), time.monotonic() + _PATIENCE_S
            tell(time.strftime("%H:%M", time.gmtime(min(now.values()))))
        elif time.monotonic() > deadline:
            return False
        time.sleep(0.5)


def alerts(store: Address, since: float) -> list[Told]:
    """Alerts of the demo's tenants about what was since then, once no more come.

    Raises:
        Failure: if the store does not answer.
    """
    found: list[Told] | None = None
    for _ in range(10):
        before = found
        answer = rows(store, _ALERTS, {"tenants": _NAMES, "since": f"{since:.3f}"})
        found = [msgspec.convert(row, Told, strict=False) for row in answer]
        if found == before:
            break
        time.sleep(3)
    return found or []
