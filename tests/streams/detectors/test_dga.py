"""Infected clients are told from those that merely fail, and the name that resolves from those that did not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.detection_spec import Detection, DgaSpec
from schemas.events import AnswerRecord, QueryEvent
from streams.detectors.dga import Dga
from streams.detectors.finding import Finding, Scene
from tests.bench import dga_model as lists
from tests.streams.detectors.cuts import fed, pieces, reloaded
from tests.streams.events import START, batch, capture, event, numbered

SICK = "10.1.0.66"
ADDRESS = (AnswerRecord("A", "198.51.100.7", 300),)
WORDS = ["river", "stone", "garden", "window", "market", "silver", "summer", "candle", "bridge", "forest", "mirror", "orange", "planet", "thunder", "harbor", "meadow", "pepper", "saddle", "timber", "velvet", "anchor", "basket", "castle", "dinner", "engine", "feather", "ginger", "hammer", "island", "jacket", "kettle", "ladder", "magnet", "needle", "oyster", "pillow", "rabbit", "school", "ticket", "violin"]


def letters(number: int) -> str:
    """Twelve letters at random."""
    drawn = random.Random(number)
    return "".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=12)) + ".com"


def two_words(number: int) -> str:
    """As families with a word list make them."""
    return "".join(random.Random(number).sample(WORDS, 2)) + ".net"


def failing(names: Iterable[str], every: float = 100.0, start: float = START, **fields: Any) -> list[QueryEvent]:
    """One client's names, all NXDOMAIN."""
    return [event(start + every * i, name, i, **({"client": SICK, "rcode": "NXDOMAIN"} | fields)) for i, name in enumerate(names)]


def found(*many: list[QueryEvent], internal: tuple[str, ...] = (), detection: Detection | None = None, detector: Dga | None = None) -> list[Finding]:
    """What is found in events, once their last pane has ended."""
    events = numbered(sorted((item for events in many for item in events), key=lambda item: item.time), 0)
    detector = detector or Dga()
    end = events[-1].time.timestamp() + 20
    return [*fed(detector, events, internal, detection), *detector.tick(Scene("acme", end, internal, detection or Detection()))]


def browsing(count: int, client: str = SICK) -> list[QueryEvent]:
    """A client that resolves ordinary names."""
    return [event(START + i * 7, f"www.{WORDS[i % 40]}{WORDS[(i * 7) % 40]}.org", i, client=client, answers=ADDRESS) for i in range(count)]


def family(name: str, seed: int, count: int) -> list[str]:
    """Names of a real family, or a skip."""
    if not lists.LISTS.exists():
        pytest.skip(f"the lists of families are not in {lists.LISTS}: they may not be shipped with the project")
    return [f"{label}.com" for label in random.Random(seed).sample(lists.labels(lists.LISTS / f"{name}.txt.gz"), count)]


@pytest.mark.parametrize("name", [*lists.RANDOM, *lists.WORDS])
def test_every_family_is_found_within_thirty_failed_names(name: str) -> None:
    """Names over an hour, amid browsing; the model never saw those in lists.TEST. Nothing is told of who only browses."""
    for seed in range(3):
        (first, *_) = found(failing(family(name, seed, 30)), browsing(100), browsing(100, "10.1.0.1"))
        assert (first.subject, first.severity in {"high", "medium"}, first.suggested) == (SICK, True, None)


@pytest.mark.parametrize(("name", "count", "severity", "kind"), [(letters, 12, "high", "letters"), (two_words, 24, "medium", "words")])
def test_made_up_names_are_found_at_the_number_the_tenant_set(name: Callable[[int], str], count: int, severity: str, kind: str) -> None:
    """Twelve of letters, twice as many of two words; one less is not enough."""
    assert found(failing(name(i) for i in range(count - 1))) == []
    (first,) = found(failing(name(i) for i in range(count)))
    assert (first.severity, first.evidence["kind"], first.evidence["names"]) == (severity, kind, count)
    assert first.evidence["learning"] == "learning"
    assert set(first.samples) <= {name(i) for i in range(count)}


SILENT: list[tuple[str, Callable[[int], str], dict[str, Any]]] = [
    ("a search list", lambda i: f"fileserver.{['com', 'net', 'org', 'de', 'fr', 'it', 'nl', 'es'][i % 8]}", {}),
    ("a search list below one zone", lambda i: f"{letters(i)}.corp.example.com", {}),
    ("probes for captive portals", lambda i: letters(i).removesuffix(".com"), {}),
    ("the same with a search domain nobody sells", lambda i: letters(i).removesuffix(".com") + ".mycorp", {}),
    ("a home router's zone", lambda i: letters(i).removesuffix(".com") + ".lan", {}),
    ("the tenant's own zone", lambda i: letters(i).removesuffix(".com") + ".acme.example", {}),
    ("block lists", lambda i: f"{i}.2.0.192.zen.spamhaus.org", {}),
    ("reverse zones", lambda i: f"1.2.{i}.10.in-addr.arpa", {}),
    ("international names", lambda i: f"xn--{letters(i)}", {}),
    ("look-alikes of a brand", lambda i: f"nameward{letters(i)[:4]}.com", {}),
    ("denials", letters, {"verdict": "deny", "answer_source": "policy"}),
    ("server trouble", letters, {"rcode": "SERVFAIL"}),
    ("many clients, a name each", letters, {"client": ""}),
]


@pytest.mark.parametrize(("name", "fields"), [case[1:] for case in SILENT], ids=[case[0] for case in SILENT])
def test_who_merely_fails_raises_no_alarm(name: Callable[[int], str], fields: dict[str, Any]) -> None:
    """Forty failures within an hour each."""
    assert found(failing((name(i) for i in range(40)), 60.0, **fields), internal=("*.acme.example",)) == []


@pytest.mark.parametrize("day", ["2023-08-05_150331", "2023-08-06_101852"])
def test_a_crawler_of_dead_links_raises_no_alarm(day: str) -> None:
    """A real client that asked dozens of dead and dubious domains in a row."""
    assert found(capture(f"benign/recursive_{day}.pcap")) == []


def test_typing_errors_of_many_clients_raise_no_alarm() -> None:
    """Thirty wrong names an hour and client, of 200 clients: nobody is told as infected."""
    popular = family("top-100000-domains", 1, 6000)
    drawn = random.Random(2)
    wrong = []
    for name in popular:
        place = drawn.randrange(len(name) - 4)
        wrong.append(name[:place] + drawn.choice("abcdefghijklmnopqrstuvwxyz") + name[place + drawn.randrange(2) :])
    clients = [failing(wrong[i * 30 : i * 30 + 30], client=f"10.2.0.{i}") for i in range(200)]
    assert found(*clients) == []


@pytest.mark.parametrize(("name", "action"), [(letters, "deny"), (two_words, "tag")])
def test_the_name_that_resolves_is_the_worst(name: Callable[[int], str], action: str) -> None:
    """Critical, named first, with an entry for it; a name people chose that resolves at the same time is not taken for it."""
    beat = 20.0
    resolved = event(START + 30 * beat + 3, name(999), 0, client=SICK, answers=ADDRESS)
    others = [event(START + 30 * beat + i, other, 0, client=SICK, answers=ADDRESS) for i, other in enumerate(["example.com", "wikipedia.org", "debian.net"])]
    *_, last = found(failing((name(i) for i in range(31)), beat), [resolved], others)
    assert (last.severity, last.subject, last.samples[0], last.evidence["resolved"]) == ("critical", SICK, name(999), name(999))
    assert last.suggested is not None
    assert (last.suggested.pattern, last.suggested.action) == (f".{name(999)}", action)


def test_all_within_one_second_is_found_too() -> None:
    """A client that walks through its names at full speed, the last of which resolves."""
    *_, last = found(failing((letters(i) for i in range(50)), 0.01), [event(START + 0.6, letters(999), 0, client=SICK, answers=ADDRESS)])
    assert (last.severity, last.evidence["resolved"]) == ("critical", letters(999))


def test_a_generated_name_without_a_burst_before_it_is_no_rendezvous() -> None:
    """Asked before anything failed, or long after: high, not critical."""
    early, late = event(START - 5, letters(998), 0, client=SICK, answers=ADDRESS), event(START + 1300, letters(999), 0, client=SICK, answers=ADDRESS)
    assert {item.severity for item in found(failing((letters(i) for i in range(30)), 10.0), [early, late])} == {"high"}


def test_browsing_after_the_burst_renews_nothing() -> None:
    """What is told last is the burst itself: an alert can close, an entry can run out."""
    quiet = [event(START + 700 + 30 * i, f"www.{WORDS[i]}.org", i, client=SICK, answers=ADDRESS) for i in range(40)]
    assert max(item.seen for item in found(failing((letters(i) for i in range(30)), 2.0), quiet)) < START + 60
    assert len(found(failing((letters(i) for i in range(30)), 2.0), quiet)) == len(found(failing((letters(i) for i in range(30)), 2.0)))


def test_a_tenant_that_drops_addresses_is_told_the_workload() -> None:
    """The subject is the workload; the client stays unknown."""
    (first,) = found(failing((letters(i) for i in range(20)), 0.1, client="", workload="build"))
    assert (first.subject, first.workloads, first.clients) == ("workload/build", ("build",), ())


def test_silence_has_a_meaning_after_an_hour() -> None:
    """Learning until then; afterwards it says what the model never saw."""
    detector = Dga()
    fed(detector, browsing(1))
    assert [detector.standing(START + time).state for time in (0, 3600)] == ["learning", "active"]
    assert "conficker" in detector.standing(START + 3600).reason


def test_parameters_hold() -> None:
    """Exempt names, fewer names, and a threshold that only gibberish passes."""
    events = failing((letters(i) for i in range(10)), 1.0)
    assert found(events, detection=Detection(dga=DgaSpec(names=8)))
    assert found(events, detection=Detection(dga=DgaSpec(names=8, exempt=["*.com"]))) == []
    assert found(events, detection=Detection(dga=DgaSpec(names=8, threshold=4.0))) == []


def test_a_client_is_judged_anew_after_its_entry_ran_out() -> None:
    """What failed before does not count again."""
    detector = Dga()
    assert found(failing((letters(i) for i in range(20)), 1.0), detector=detector)
    detector.forget(SICK)
    assert found(failing((letters(i) for i in range(20, 25)), 1.0, START + 100), detector=detector) == []


def test_a_name_whose_entry_ran_out_must_resolve_again() -> None:
    """To be told again: the client is still infected, and no more than that."""
    detector, met = Dga(), event(START + 41, letters(999), 0, client=SICK, answers=ADDRESS)
    *_, last = found(failing((letters(i) for i in range(20)), 2.0), [met], detector=detector)
    assert last.severity == "critical"
    detector.forget(letters(999))
    assert {item.severity for item in found(failing((letters(i) for i in range(20, 40)), 2.0, START + 100), detector=detector)} == {"high"}


def test_a_flood_of_names_and_clients_stays_within_bounds() -> None:
    """Six hundred clients with thirty names each: at most 500 are remembered, and what is said of them is bounded."""
    detector = Dga()
    events = [event(START + number / 100, letters(number), number, client=f"10.{number % 3}.0.{number // 3 % 200}", rcode="NXDOMAIN") for number in range(18_000)]
    assert len(found(events, detector=detector)) > 100
    table = detector._failed.table
    assert len(set(table.hashes[:, 0].tolist())) <= 500
    assert len(detector._failed.texts) <= len(table.times) + 500


def test_a_client_with_endless_names_keeps_the_newest() -> None:
    """Forty-eight of five hundred."""
    detector = Dga()
    assert found(failing((letters(i) for i in range(500)), 1.0), detector=detector)
    assert (len(detector._failed.table.times), detector._failed.table.times.min()) == (48, START + 452)


@lru_cache(maxsize=4)
def incident(seed: int) -> pa.RecordBatch:
    """Two infected clients, one of which meets its master, and browsing."""
    drawn = random.Random(seed)
    one = failing((letters(i + seed * 100) for i in range(40)), drawn.choice([0.1, 2.0, 40.0]))
    two = failing((two_words(i + seed * 100) for i in range(30)), 11.0, client="10.1.0.67")
    rendezvous = [event(one[-1].time.timestamp() + drawn.random(), letters(999), 0, client=SICK, answers=ADDRESS)]
    return batch(numbered(sorted([*one, *two, *rendezvous, *browsing(100)], key=lambda item: item.time), 0))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 171), max_size=4), st.integers(0, 2))
def test_batches_however_cut_give_the_same_findings(cuts: list[int], seed: int) -> None:
    """With a restart at each cut; critical among them."""
    whole, cut, table, got = Dga(), Dga(), dict[str, bytes](), list[Finding]()
    expected = fed(whole, incident(seed))
    for piece in pieces(incident(seed), cuts):
        got += fed(cut, piece)
        again = reloaded(cut, table)
        assert isinstance(again, Dga)
        cut = again
    assert "critical" in {item.severity for item in expected}
    assert got == expected
