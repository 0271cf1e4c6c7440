"""Names on infected machines are told from names on content networks by where their addresses lie."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.detection_spec import Detection, FastFluxSpec
from schemas.events import AnswerRecord, QueryEvent
from streams.detectors.fast_flux import FastFlux
from streams.detectors.finding import Finding, Scene
from tests.streams.detectors.cuts import fed, pieces, reloaded
from tests.streams.events import START, batch, capture, event, numbered


def everywhere(number: int, seed: int = 1) -> str:
    """An address of a machine somewhere."""
    drawn = random.Random(seed * 1000 + number)
    return f"{drawn.randrange(11, 99)}.{drawn.randrange(256)}.{drawn.randrange(256)}.{drawn.randrange(1, 255)}"


def together(number: int) -> str:
    """An address of one network."""
    return f"203.0.{number % 256}.{number * 7 % 250}"


def far_and_wide(number: int) -> str:
    """The same of IPv6."""
    return f"2a{number % 90 + 10}:{number * 37 % 9000 + 100}::{number}"


def turning(name: str, address: Callable[[int], str], *, rounds: int = 10, each: int = 3, ttl: int = 120, every: float = 150.0, **fields: Any) -> list[QueryEvent]:
    """A name whose answers turn through addresses."""
    def records(turn: int) -> tuple[AnswerRecord, ...]:
        alias = (AnswerRecord("CNAME", fields["alias"], ttl),) if "alias" in fields else ()
        data = [address(turn * each + place) for place in range(each)]
        return (*alias, *(AnswerRecord("AAAA" if ":" in item else "A", item, ttl) for item in data))

    others = {key: value for key, value in fields.items() if key != "alias"}
    return [event(START + turn * every, name, turn, answers=records(turn), **others) for turn in range(rounds)]


def found(events: list[QueryEvent], detection: Detection | None = None, internal: tuple[str, ...] = ()) -> list[Finding]:
    """What is found, once the last minute has ended."""
    detector, end = FastFlux(), events[-1].time.timestamp() + 120
    return [*fed(detector, numbered(events, 0), internal, detection), *detector.tick(Scene("acme", end, internal, detection or Detection()))]


@pytest.mark.parametrize("address", [everywhere, far_and_wide])
def test_a_name_that_moves_everywhere_is_told(address: Callable[[int], str]) -> None:
    """Medium from ten addresses on, high from twenty; with an entry for the registered domain."""
    first, *_, last = found(turning("www.flux.example", address))
    assert (first.subject, first.severity, last.severity) == ("flux.example", "medium", "high")
    assert float(last.evidence["spread"]) > 0.8
    assert last.suggested is not None
    assert last.suggested.pattern == ".flux.example"


SILENT: dict[str, list[QueryEvent]] = {
    "a content network": turning("www.cdn.example", together),
    "many addresses, always the same": turning("www.big.example", lambda i: everywhere(i % 12), each=12),
    "two sets": turning("www.moved.example", lambda i: everywhere(i % 24), each=12, rounds=2),
    "long TTLs": turning("www.slow.example", everywhere, ttl=3600),
    "over days": turning("www.dynamic.example", everywhere, each=1, every=1200.0, rounds=40),
    "volunteers": turning("0.pool.ntp.org", everywhere),
    "an alias into a cloud": turning("www.shop.example", everywhere, alias="x.eu-west-1.elb.amazonaws.com"),
    "the tenant's own zone": turning("www.acme.example", everywhere),
    "answers of our own": turning("www.flux.example", everywhere, answer_source="discovery"),
    "denied": turning("www.flux.example", everywhere, answer_source="policy", verdict="deny"),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_stays_in_few_networks_or_is_meant_to_move_is_silent(case: str) -> None:
    """One difference each from a name that is told."""
    assert found(SILENT[case], internal=("*.acme.example",)) == []


@pytest.mark.parametrize("name", ["benign/recursive_2023-08-05_150331.pcap", "benign/office-hour.zeek-dns.log.gz"])
def test_real_content_networks_are_silent(name: str) -> None:
    """What real clients resolved."""
    assert found(capture(name)) == []


def test_parameters_hold() -> None:
    """Fewer addresses, longer TTLs, an exempt name."""
    few, slow = turning("www.flux.example", everywhere, rounds=3, each=2), turning("www.flux.example", everywhere, ttl=3600)
    assert found(few) == []
    assert found(few, Detection(fast_flux=FastFluxSpec(addresses=5)))
    assert found(slow, Detection(fast_flux=FastFluxSpec(ttl_s=7200)))
    assert found(slow, Detection(fast_flux=FastFluxSpec(ttl_s=7200, exempt=[".flux.example"]))) == []


def test_names_and_addresses_are_bounded_and_those_with_most_are_kept() -> None:
    """Three thousand names in a minute do not drive out the one that moves."""
    detector = FastFlux()
    many = [event(START + 30 + i / 100, f"n{i}.example.com", i, answers=(AnswerRecord("A", together(i), 60),)) for i in range(3000)]
    events = sorted([*turning("www.flux.example", everywhere, each=4, every=5.0), *many], key=lambda item: item.time)
    assert fed(detector, numbered(events, 0)) == []
    (item,) = detector.tick(Scene("acme", START + 200))
    assert item.subject == "flux.example"
    assert len(set(detector._seen.table.hashes[:, 0].tolist())) <= 1000
    detector.forget("flux.example")
    assert "www.flux.example" not in {detector._seen.texts.get(key) for key in detector._seen.table.hashes[:, 0].tolist()}


def test_silence_has_a_meaning_after_an_hour() -> None:
    """Learning until then."""
    detector = FastFlux()
    fed(detector, turning("www.cdn.example", together, rounds=1))
    assert [detector.standing(START + time).state for time in (0, 3600)] == ["learning", "active"]


@lru_cache(maxsize=1)
def mixture() -> pa.RecordBatch:
    """Two that move, one that does not."""
    parts = [turning("a.flux.example", everywhere), turning("b.flow.example", lambda i: everywhere(i, 2), every=40.0), turning("www.cdn.example", together)]
    return batch(numbered(sorted((item for part in parts for item in part), key=lambda item: item.time), 0))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 29), max_size=5))
def test_batches_however_cut_give_the_same_findings(cuts: list[int]) -> None:
    """With a restart at each cut."""
    whole, cut, table, got = FastFlux(), FastFlux(), dict[str, bytes](), list[Finding]()
    expected = fed(whole, mixture())
    for piece in pieces(mixture(), cuts):
        got += fed(cut, piece)
        again = reloaded(cut, table)
        assert isinstance(again, FastFlux)
        cut = again
    assert {item.subject for item in expected} == {"flux.example", "flow.example"}
    assert got == expected
