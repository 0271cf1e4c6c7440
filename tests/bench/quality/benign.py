"""Benign traffic: captures as they are, and office days made of pieces of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from compose.imports import read
from schemas.batches import events_of
from schemas.events import QueryEvent
from tests.bench.quality.scenario import Scenario
from tests.streams.events import CAPTURES, START, event

CAPTURED = (
    "benign/recursive_2023-08-05_150331.pcap",
    "benign/recursive_2023-08-06_101852.pcap",
    "benign/office-hour.zeek-dns.log.gz",
)
DAY = 86400.0
_MIDNIGHT = START - START % DAY
_SESSION = 90.0
_MOST = 40
"""Seconds and queries of a session."""
_RHYTHM = (1, 1, 1, 1, 1, 1, 2, 5, 9, 10, 10, 9, 7, 9, 10, 10, 9, 6, 4, 3, 2, 2, 1, 1)
"""Sessions by hour of the day, in proportion."""


@lru_cache(maxsize=8)
def captured(name: str) -> tuple[QueryEvent, ...]:
    """Events of a capture, as `nameward import` reads it; none where the file is not there."""
    path = CAPTURES / name
    if not path.exists():
        return ()
    found = [item for columns in read(path, tenant="acme") for item in events_of(columns)]
    return tuple(sorted(found, key=lambda item: item.time))


@lru_cache(maxsize=1)
def invented() -> tuple[QueryEvent, ...]:
    """A quiet hour of made-up names, for where there are no captures."""
    rng = random.Random(5)
    sites = [f"{rng.choice(_WORDS)}{rng.choice(_WORDS)}.{rng.choice(('com', 'org', 'net', 'de'))}" for _ in range(150)]
    hosts = ("www", "api", "static", "img", "cdn", "mail")
    found = []
    for number in range(6000):
        name = f"{rng.choice(hosts)}.{rng.choice(sites)}"
        rcode = "NXDOMAIN" if rng.random() < 0.01 else "NOERROR"
        found.append(event(START + number * 0.6, name, number, rcode=rcode, client="10.0.0.1"))
    return tuple(found)


_WORDS = ["north", "wind", "paper", "stone", "cloud", "river", "metal", "green", "blue", "market", "house", "garden", "light", "train", "forest", "bridge", "harbor"]


@lru_cache(maxsize=1)
def corpora() -> tuple[tuple[QueryEvent, ...], ...]:
    """What office days are made of: the office hour twice, since the other captures walk through lists of popular names."""
    found = tuple(pool for name in (*CAPTURED, CAPTURED[-1]) if (pool := captured(name)))
    return found or (invented(),)


@lru_cache(maxsize=4)
def office(seed: int, *, days: int = 1, clients: int = 40, sessions: int = 24, midnight: float = _MIDNIGHT) -> tuple[QueryEvent, ...]:
    """Days of a tenant: each client has sessions a day, by the rhythm of an office, each a piece of what somebody once asked.

    Args:
        seed: of everything.
        days: how many.
        clients: how many.
        sessions: of one client and day.
        midnight: of the first day, Unix seconds.
    """
    rng = random.Random(seed)
    found: list[QueryEvent] = []
    for client in range(clients):
        for number in range(sessions * days):
            hour = rng.choices(range(24), _RHYTHM)[0]
            start = midnight + number % days * DAY + hour * 3600 + rng.random() * 3600
            found += _session(rng.choice(corpora()), rng, start, f"10.0.{client // 200}.{10 + client % 200}")
    return tuple(sorted(found, key=lambda item: item.time))


def _session(pool: Sequence[QueryEvent], rng: random.Random, start: float, client: str) -> list[QueryEvent]:
    first = rng.randrange(len(pool))
    began = pool[first].time.timestamp()
    found = []
    for item in pool[first : first + _MOST]:
        ago = item.time.timestamp() - began
        if not 0 <= ago < _SESSION:
            break
        at = datetime.fromtimestamp(start + ago, UTC)
        found.append(msgspec.structs.replace(item, time=at, client=client, tenant="acme", source="r1", epoch=1, partition=0, policy_version="1"))
    return found


def scenarios(days: int) -> list[Scenario]:
    """Captures as they are, and so many office days."""
    as_is = [Scenario(name.partition("/")[2], "capture", lambda name=name: captured(name)) for name in CAPTURED if captured(name)]
    made = [Scenario(f"office day {seed}", "generated", lambda seed=seed: office(seed), step=5.0) for seed in range(days)]
    return as_is + made
