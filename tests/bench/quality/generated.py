"""Generated incidents, seeded and said to be generated, each laid over an office at work."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from schemas.events import AnswerRecord, QueryEvent
from schemas.objects import Feedback
from streams.detectors.dga_model import shipped
from streams.tenant import TenantSettings
from tests.bench.quality.benign import DAY, office
from tests.bench.quality.scenario import Incident, Scenario
from tests.streams.events import CAPTURES, START, event

HOUR = 3600.0
_MIDNIGHT = START - START % DAY
NINE = _MIDNIGHT + 9 * HOUR
SUSPECT = "10.0.9.9"


def scenarios(*, small: bool = False) -> Iterator[Scenario]:
    """Every kind of incident.

    Args:
        small: the short ones only, one of each.
    """
    yield _play("random-subdomain flood", flood(), ("nxdomain_storm",), ("victim.example",), within=120)
    yield _play("search list gone wrong", search_list(), ("nxdomain_storm",), ("corp.example",), within=180)
    yield _play("rebinding", rebinding(), ("rebinding",), ("rebind.example",), within=600)
    yield _play("policy probing", probing(), ("policy_probing",), (SUSPECT, "prober"), within=900)
    yield _play("policy version that denies", shift(), ("policy_shift",), ("policy", "v2"), within=900, days=0, since=NINE)
    yield _play("slow upstream", trouble(slow=True), ("service_trouble",), ("192.0.2.53",), within=900, hours=5, step=5.0, since=NINE + 2.5 * HOUR)
    yield _play("failing upstream", trouble(slow=False), ("service_trouble",), ("192.0.2.53",), within=900, hours=5, step=5.0, since=NINE + 2.5 * HOUR)
    yield _play("newly observed burst", burst(), ("newly_observed",), (SUSPECT,), within=1800, days=3, step=10.0)
    yield _play("ten times the volume", volume(), ("volume",), ("tenant", SUSPECT), within=900, days=8, step=20.0)
    yield _play("fast flux", flux(), ("fast_flux",), ("flux.example",), within=7200, hours=3, step=5.0)
    for period, jitter in ((60, 0.1), (300, 0.2)) if small else _BEATS:
        name = f"beacon every {period} s, jitter {jitter:.0%}"
        yield _play(name, beacon(period, jitter), ("beaconing",), ("c2.example", SUSPECT), days=1, step=10.0)
    for family in shipped().held_out:
        if names := generated_names(family):
            yield _play(f"infection, {family}", infection(names), ("dga", "nxdomain_storm"), (SUSPECT,), within=HOUR, hours=4, step=2.0)


_BEATS = tuple((period, jitter) for period in (30, 300, 3600) for jitter in (0.0, 0.2, 0.5))


def _play(
    name: str,
    events: Iterable[QueryEvent],
    detectors: tuple[str, ...],
    marks: tuple[str, ...],
    *,
    within: float = 0.0,
    hours: float = 2.0,
    days: int | None = None,
    step: float = 1.0,
    since: float = 0.0,
) -> Scenario:
    """An incident over so many hours around nine o'clock of an office day, or over whole days, or over nothing (0 days)."""
    own = tuple(sorted(events, key=lambda item: item.time))

    def background() -> Sequence[QueryEvent]:
        if days is not None:
            return office(7, days=days, clients=20) if days else ()
        return [item for item in office(7, clients=20) if -2 * HOUR <= item.time.timestamp() - NINE < hours * HOUR]

    settings = TenantSettings(Feedback(), internal=(".corp.example",))
    return Scenario(name, "generated", background, Incident(detectors, marks, own, within, since), settings, step)


def _many(times: Iterable[float], make: Any) -> list[QueryEvent]:
    return [make(at, number) for number, at in enumerate(times)]


def _every(start: float, seconds: float, each: float) -> list[float]:
    return [start + number * each for number in range(int(seconds / each))]


def flood(seed: int = 1) -> list[QueryEvent]:
    """Fifty names a second below one domain, by two hundred clients, for three minutes."""
    rng = random.Random(seed)
    return _many(_every(NINE, 180, 0.02), lambda at, n: event(
        at, f"{rng.getrandbits(48):x}.victim.example", n, client=f"10.0.5.{n % 200}", rcode="NXDOMAIN"))  # fmt: skip


def search_list(seed: int = 2) -> list[QueryEvent]:
    """Everything anybody asks is first tried below the tenant's own suffix."""
    rng = random.Random(seed)
    names = [f"www.site{number}.com" for number in range(400)]
    return _many(_every(NINE, 240, 0.05), lambda at, n: event(
        at, f"{rng.choice(names)}.corp.example", n, client=f"10.0.5.{n % 30}", rcode="NXDOMAIN"))  # fmt: skip


def rebinding(seed: int = 3) -> list[QueryEvent]:
    """A public name that turns private within a minute."""
    del seed
    found = []
    for number, at in enumerate(_every(NINE, 120, 10)):
        address = "203.0.113.7" if number % 2 == 0 else "192.168.1.1"
        found.append(event(at, "x1.rebind.example", number, client=SUSPECT, qtype="A", answers=(AnswerRecord("A", address, 1),)))
    return found


def probing(seed: int = 4) -> list[QueryEvent]:
    """A workload that walks through names it may not have."""
    rng = random.Random(seed)
    return _many(_every(NINE, 900, 1.5), lambda at, n: event(
        at, f"{rng.choice(('db', 'api', 'vault', 'admin', 'git'))}{n}.other.internal", n, client=SUSPECT, workload="prober", verdict="deny",
        rule="isolation/deny", tier="platform", rcode="NXDOMAIN", answer_source="policy", upstream="", ede=15))  # fmt: skip


def shift(seed: int = 5) -> list[QueryEvent]:
    """Twenty clients; from nine o'clock on a new version of the policy denies a third of what they ask."""
    rng, found = random.Random(seed), []
    for number, at in enumerate(_every(NINE - HOUR, 2 * HOUR, 0.8)):
        new, ads = at >= NINE, rng.random() < 0.33
        denied = {"verdict": "deny", "rule": "ads/deny", "tier": "tenant", "rcode": "NXDOMAIN", "answer_source": "policy", "upstream": ""}
        found.append(event(at, "ads.partner.example" if ads else "www.partner.example", number, client=f"10.0.6.{number % 20}",
                           policy_version="v2" if new else "v1", **(denied if new and ads else {})))  # fmt: skip
    return found


def trouble(*, slow: bool, seed: int = 6) -> list[QueryEvent]:
    """A server that did well for four hours takes ten times as long, or fails at half of what it is asked."""
    rng, found = random.Random(seed), []
    for number, at in enumerate(_every(NINE - HOUR, 4 * HOUR, 1.0)):
        bad = at >= NINE + 2.5 * HOUR
        took = int(rng.lognormvariate(9.6, 0.4)) * (10 if bad and slow else 1)
        failed = bad and not slow and rng.random() < 0.5
        found.append(event(at, f"h{number % 50}.partner{number % 9}.example", number, client=f"10.0.6.{number % 20}", latency_us=took + 100,
                           upstream_latency_us=took, rcode="SERVFAIL" if failed else "NOERROR"))  # fmt: skip
    return found


def burst(seed: int = 8) -> list[QueryEvent]:
    """One client asks three hundred domains within ten minutes that nobody here ever asked."""
    rng = random.Random(seed)
    start = NINE + 2 * DAY + 5 * HOUR
    return _many(_every(start, 600, 2.0), lambda at, n: event(
        at, f"www.{rng.choice(_SYLLABLES)}{rng.choice(_SYLLABLES)}{n}.com", n, client=SUSPECT))  # fmt: skip


def volume(seed: int = 9) -> list[QueryEvent]:
    """One client asks forty queries a second for ten minutes."""
    del seed
    start = NINE + 7 * DAY + 5 * HOUR
    return _many(_every(start, 600, 0.025), lambda at, n: event(at, f"h{n % 40}.partner.example", n, client=SUSPECT))


def flux(seed: int = 10) -> list[QueryEvent]:
    """A name whose five addresses change every three minutes and lie all over the place."""
    rng, found = random.Random(seed), []
    for number, at in enumerate(_every(NINE, 2 * HOUR, 180)):
        addresses = tuple(AnswerRecord("A", f"{rng.randrange(11, 200)}.{rng.randrange(255)}.{rng.randrange(255)}.9", 150) for _ in range(5))
        found.append(event(at, "www.flux.example", number, client=SUSPECT, answers=addresses))
    return found


def beacon(period: float, jitter: float, seed: int = 12) -> list[QueryEvent]:
    """One client asks one name all day long, at a period give or take; its TTL is short."""
    rng, found, at = random.Random(seed), [], _MIDNIGHT + 100.0
    answers = (AnswerRecord("A", "203.0.113.99", 5),)
    while at < _MIDNIGHT + DAY - 600:
        found.append(event(at, "sync.c2.example", len(found), client=SUSPECT, answers=answers))
        at += period * (1 + jitter * (2 * rng.random() - 1))
    return found


def generated_names(family: str) -> list[str]:
    """Names of a malware family, from the lists; none where they are not there."""
    path = CAPTURES / "dga" / f"{family}.txt.gz"
    if not path.exists():
        return []
    with gzip.open(path, "rt") as lines:
        return [line.strip().split(",")[0].lower() for line in lines if line.strip()]


def infection(names: Sequence[str], seed: int = 13) -> list[QueryEvent]:
    """Thirty names of the family fail within an hour, at irregular times."""
    rng = random.Random(seed)
    chosen = rng.sample(list(names), 40)
    times = sorted(NINE + rng.random() * HOUR for _ in chosen)
    return [event(at, name, n, client=SUSPECT, rcode="NXDOMAIN") for n, (at, name) in enumerate(zip(times, chosen, strict=True))]


_SYLLABLES = ["alpha", "berg", "corda", "delta", "ember", "fjord", "gusto", "haven", "indigo", "jasper", "karma", "lumen", "mira", "nova", "orbit"]
