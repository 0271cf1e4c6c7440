"""A name that turns from public to private addresses is told, whoever let it through; habits and own zones are not."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.rebinding import _BLOCKS
from resolver.policy.rebinding import RULE as GUARD_RULE
from schemas.detection_spec import Detection, RebindingSpec
from schemas.events import AnswerRecord, QueryEvent
from schemas.objects import Rebinding as Guard
from schemas.objects import TenantSpec
from streams.columns import EventBatch
from streams.detectors import rebinding as module
from streams.detectors.finding import Finding
from streams.detectors.rebinding import GUARD, Rebinding
from streams.tenant import TenantSettings
from tests.streams.detectors.cuts import fed, pieces, reloaded
from tests.streams.events import START, batch, event, numbered

PUBLIC, PRIVATE = "198.51.100.7", "192.168.1.1"


def answer(time: float, name: str, *data: str, **fields: object) -> QueryEvent:
    """A name answered with these addresses."""
    records = tuple(AnswerRecord("AAAA" if ":" in item else "A", item, 1) for item in data)
    return event(START + time, name, 0, answers=records, **fields)


def denied(time: float, name: str, rule: str = GUARD) -> QueryEvent:
    """The resolver's guard denied what a name answered."""
    return event(START + time, name, 0, rcode="NXDOMAIN", verdict="deny", rule=rule, tier="platform", ede=15, ede_text=rule)


def found(*events: QueryEvent, internal: tuple[str, ...] = (), detection: Detection | None = None) -> list[Finding]:
    """What is found."""
    return fed(Rebinding(), numbered(list(events), 0), internal, detection)


@pytest.mark.parametrize("private", [PRIVATE, "10.0.0.1", "127.0.0.1", "0.0.0.0", "172.20.1.1", "169.254.169.254", "100.64.1.1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "::ffff:c0a8:101"])
def test_public_then_private_is_told(private: str) -> None:
    """High, about the registered domain, with an entry for it."""
    (item,) = found(answer(0, "a.evil.example", PUBLIC), answer(5, "a.evil.example", private))
    assert (item.subject, item.severity, item.evidence["address"], item.evidence["seconds_after_public"]) == ("evil.example", "high", private, 5.0)
    assert item.suggested is not None
    assert (item.suggested.pattern, item.suggested.action) == (".evil.example", "deny")
    assert item.evidence["learning"] == "learning"


def test_an_attempt_that_the_guard_denied_counts() -> None:
    """By the rule the resolver names in its events."""
    assert GUARD == GUARD_RULE
    (item,) = found(answer(0, "a.evil.example", PUBLIC), denied(5, "a.evil.example"), denied(6, "a.evil.example"))
    assert (item.evidence["attempts"], item.evidence["attempts_denied"]) == (2, 2)


SILENT: dict[str, list[QueryEvent]] = {
    "always private": [answer(0, "nas.example.com", PRIVATE), answer(9, "nas.example.com", PRIVATE)],
    "always denied": [denied(0, "nas.example.com"), denied(9, "nas.example.com")],
    "private first": [answer(0, "a.example.com", PRIVATE), answer(9, "a.example.com", PUBLIC)],
    "both in every answer": [answer(0, "a.example.com", PUBLIC, "0.0.0.1"), answer(9, "a.example.com", "0.0.0.1", PUBLIC)],
    "another name": [answer(0, "a.example.com", PUBLIC), answer(9, "b.example.com", PRIVATE)],
    "after the window": [answer(0, "a.example.com", PUBLIC), answer(3700, "a.example.com", PRIVATE)],
    "the tenant's own zone": [answer(0, "a.acme.example", PUBLIC), answer(9, "a.acme.example", PRIVATE)],
    "a special zone": [answer(0, "printer.lan", PUBLIC), answer(9, "printer.lan", PRIVATE)],
    "an answer of our own": [answer(0, "a.example.com", PUBLIC), answer(9, "a.example.com", PRIVATE, answer_source="virtual")],
    "another denial": [answer(0, "a.example.com", PUBLIC), denied(9, "a.example.com", "overlay/x")],
}


@pytest.mark.parametrize("case", SILENT)
def test_what_is_no_rebinding_is_silent(case: str) -> None:
    """Habits, own zones, other names, too late, and what policy did."""
    assert found(*SILENT[case], internal=("*.acme.example",)) == []


def test_parameters_hold() -> None:
    """A shorter window, and names exempt for the detector or from the resolver's guard."""
    events = [answer(0, "a.example.com", PUBLIC), answer(90, "a.example.com", PRIVATE)]
    assert found(*events)
    assert found(*events, detection=Detection(rebinding=RebindingSpec(window_s=60))) == []
    assert found(*events, detection=Detection(rebinding=RebindingSpec(exempt=[".example.com"]))) == []
    spec = TenantSpec(default="allow", rebinding=Guard(exempt=["*.example.com"]))
    assert found(*events, detection=TenantSettings.of(spec).detection) == []


def test_silence_has_a_meaning_once_a_window_is_known() -> None:
    """Learning for an hour, then active."""
    detector = Rebinding()
    fed(detector, [answer(0, "a.example.com", PUBLIC)])
    assert [detector.standing(START + time).state for time in (0, 3599, 3600)] == ["learning", "learning", "active"]


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many answer with public addresses; the oldest are forgotten first."""
    monkeypatch.setattr(module, "PER_BUCKET", 100)
    monkeypatch.setattr(module, "MOST", 300)
    detector = Rebinding()
    for minute in range(0, 60, 5):
        fed(detector, [answer(minute * 60, f"n{minute}-{number}.example.com", PUBLIC) for number in range(150)])
    assert [len(bucket) for bucket in detector._public.values()] == [100, 100, 100]
    assert min(detector._public) == int(START + 45 * 60) // 300


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.sampled_from([net[int(at)] for net in map(ipaddress.ip_network, _BLOCKS) for at in (0, -1)]),
                      st.ip_addresses(v=4).map(lambda item: ipaddress.IPv6Address(f"::ffff:{item}")))


@given(st.lists(ADDRESSES, min_size=1, max_size=20))
def test_what_is_inside_is_what_the_guard_says(addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
    """Both sides name the same blocks; IPv4 within IPv6 counts as the IPv4 address."""
    seen = EventBatch(batch([answer(0, "a.example.com", *map(str, addresses))])).addresses
    networks = [ipaddress.ip_network(block) for block in _BLOCKS]
    real = [getattr(item, "ipv4_mapped", None) or item for item in addresses]
    assert [bool(seen.inside[code]) for code in seen.codes] == [any(item in net for net in networks) for item in real]


@lru_cache(maxsize=1)
def mixture() -> pa.RecordBatch:
    """Forty names, some of which turn, at times of their own."""
    events = [answer(7 * i, f"n{i}.d{i % 9}.example", PUBLIC) for i in range(40)]
    events += [answer(7 * i + (i * 31) % 400 - 100, f"n{i}.d{i % 9}.example", PRIVATE) for i in range(0, 40, 3)]
    return batch(numbered(sorted(events, key=lambda item: item.time), 0))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 53), max_size=5))
def test_batches_however_cut_tell_of_the_same_domains(cuts: list[int]) -> None:
    """With a restart at each cut."""
    whole, cut, table, got = Rebinding(), Rebinding(), dict[str, bytes](), set[str]()
    expected = {item.subject for item in fed(whole, mixture())}
    for piece in pieces(mixture(), cuts):
        got |= {item.subject for item in fed(cut, piece)}
        again = reloaded(cut, table)
        assert isinstance(again, Rebinding)
        cut = again
    assert expected
    assert got == expected
