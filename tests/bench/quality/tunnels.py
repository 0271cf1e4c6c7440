"""Tunnels: captured ones, and real programs run now, each in every way it knows to hide in DNS.

A live tunnel is recorded once and played twice: as it was, and stretched until a byte a second is left.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from compose.imports import read
from schemas.batches import events_of
from schemas.events import QueryEvent
from tests.bench.quality.benign import captured, office
from tests.bench.quality.scenario import Incident, Origin, Scenario
from tests.peers import recorded_tunnel

CAPTURED = ("tunnels/dns2tcp-key.pcap", "tunnels/dnscat2-cname.pcap")
FAST, SLOW = 10.0, 3600.0
"""Seconds in which a tunnel of 50 B/s and more, and one of a byte a second, must be found."""
RATE = 60.0
_DETECTORS = ("heavy_hitters",)
_CLIENT = "10.0.9.9"


def recorded(path: Path) -> tuple[QueryEvent, ...]:
    """Events of a capture made here."""
    found = [item for columns in read(path, tenant="acme") for item in events_of(columns)]
    return tuple(sorted(found, key=lambda item: item.time))


def during_work(events: Sequence[QueryEvent], stretch: float, *, clients: int = 8) -> Scenario:
    """The events, stretched in time, of one client of an office at work."""
    day = office(11, clients=clients, sessions=40)
    begin, first = day[len(day) // 2].time.timestamp(), events[0].time.timestamp()
    moved = tuple(
        msgspec.structs.replace(
            item,
            time=datetime.fromtimestamp(begin + (item.time.timestamp() - first) * stretch, UTC),
            client=_CLIENT, tenant="acme", source="r1", epoch=1, partition=0,
        )
        for item in events
    )  # fmt: skip
    domains = tuple({item.registered_domain for item in moved})
    end = moved[-1].time.timestamp() + 600
    quiet = tuple(item for item in day if begin - 1200 < item.time.timestamp() < end)
    incident = Incident(_DETECTORS, (*domains, _CLIENT), moved, FAST if stretch <= 1 else SLOW)
    return Scenario("", "live", lambda: quiet, incident, step=1.0 if stretch <= 1 else 10.0)


def scenarios(*, live: bool, seconds: float = 30.0) -> Iterator[Scenario]:
    """Captured tunnels, then live ones.

    Args:
        live: run real programs; they need root.
        seconds: how long each of these pushes bytes.
    """
    for name in CAPTURED:
        if events := captured(name)[:1500]:
            yield _named(during_work(events, 1.0), name.partition("/")[2], "capture")
    if live:
        for name, events in _live(seconds):
            said = {item.qname.removesuffix(item.registered_domain) for item in events}
            rate = sum(map(len, said)) / max(1.0, (events[-1].time - events[0].time).total_seconds())
            yield _named(during_work(events, 1.0), f"{name}, {rate:.0f} B/s in names", "live")
            yield _named(during_work(events, rate), f"{name}, slowed to 1 B/s", "live")


def _named(scenario: Scenario, name: str, origin: Origin) -> Scenario:
    return replace(scenario, name=name, origin=origin)


def _live(seconds: float) -> Iterator[tuple[str, tuple[QueryEvent, ...]]]:
    programs = (("dns2tcp", recorded_tunnel.dns2tcp, recorded_tunnel.DNS2TCP), ("iodine", recorded_tunnel.iodine, recorded_tunnel.IODINE))
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        for program, record, types in programs:
            for qtype in types:
                yield f"{program} {qtype}", recorded(record(Path(place), qtype, seconds=seconds, bytes_per_second=RATE))
