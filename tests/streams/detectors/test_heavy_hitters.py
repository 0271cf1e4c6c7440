"""Information heavy hitters: what counts, what does not, in which direction and window, and how much it takes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from schemas.events import AnswerRecord
from streams.columns import TenantRows
from streams.detectors.finding import Finding, Scene
from streams.detectors.heavy_hitters import HeavyHitters
from streams.detectors.thresholds import ANSWER_FACTOR, FLOORS
from tests.streams.events import START, batch, event, names


def run(detector: HeavyHitters, columns: pa.RecordBatch, internal: tuple[str, ...] = ()) -> list[Finding]:
    """Findings of one batch, the clock at its last event."""
    rows = TenantRows.of(columns)
    return detector.update(rows, Scene("acme", float(rows.times.max()), internal))


def data(count: int, size: int = 40, domain: str = "evil.test", seed: int = 1) -> list[str]:
    """Names that carry so many bytes each under a domain."""
    rng = random.Random(seed)
    return [f"{rng.randbytes(size // 2).hex()}.{domain}" for _ in range(count)]


def test_the_threshold_is_four_hundred_different_bytes_in_two_minutes() -> None:
    """Nine names of 40 bytes are quiet, repeated or not; the tenth crosses, with the numbers as evidence."""
    detector = HeavyHitters()
    nine = data(9)
    assert run(detector, names(START, nine * 20)) == []
    (found,) = run(detector, names(START + 1, data(10), client="10.1.0.7", workload="web"))
    assert (found.subject, found.severity, found.evidence["distinct_bytes"], found.evidence["threshold_bytes"]) == ("evil.test", "medium", 400, 400)
    assert (found.clients, found.workloads, len(found.samples), found.evidence["window_s"]) == (("10.1.0.7",), ("web",), 5, 120)
    assert found.suggested is not None
    assert found.suggested.pattern == ".evil.test"
    assert "1.0 times the threshold" in found.reason


def test_more_is_more_severe() -> None:
    """Four thresholds are high, twenty-five critical."""
    assert [run(HeavyHitters(), names(START, data(n)))[0].severity for n in (10, 40, 250)] == ["medium", "high", "critical"]


@pytest.mark.parametrize("window", [120, 600, 3600])
def test_slow_leaks_are_found_in_the_longer_windows(window: int) -> None:
    """Bytes spread over a window cross that window's threshold and no shorter one's."""
    detector, found = HeavyHitters(), list[Finding]()
    size, step = 20, window / (FLOORS[window] * 1.2 / 20)
    for index, name in enumerate(data(int(FLOORS[window] * 1.2 / size), size)):
        found += run(detector, names(START + index * step, [name], index))
    assert found
    assert found[0].evidence["window_s"] == window


NOTHING: list[tuple[Sequence[str], dict[str, Any], tuple[str, ...]]] = [
    (data(50), {"verdict": "deny", "rcode": "NXDOMAIN", "answer_source": "policy", "upstream": ""}, ()),
    (data(50), {"answer_source": "virtual", "upstream": ""}, ()),
    ([f"{i}.{i % 7}.168.192.in-addr.arpa" for i in range(300)], {"qtype": "PTR"}, ()),
    ([f"{'.'.join('0123456789abcdef')}.{i:x}.f.ip6.arpa" for i in range(300)], {"qtype": "PTR", "rcode": "NXDOMAIN"}, ()),
    (data(50, domain="default.svc.cluster.local"), {"rcode": "NXDOMAIN"}, ()),
    ([f"www.name{i}.com.acme.internal" for i in range(200)], {"rcode": "NXDOMAIN"}, ()),
    ([f"host-{i}.acme.internal" for i in range(150)], {}, ()),
    (data(50, domain="corp.test"), {"rcode": "NXDOMAIN"}, (".corp.test",)),
    (data(50, domain="zen.spamhaus.org"), {}, ()),
    ([f"d{i}.test" for i in range(500)], {}, ()),
    (["evil.test"] * 500, {}, ()),
]


@pytest.mark.parametrize(("qnames", "fields", "internal"), NOTHING)
def test_what_carries_nothing_out_or_is_ones_own_raises_nothing(qnames: list[str], fields: dict[str, Any], internal: tuple[str, ...]) -> None:
    """Denied and local answers, reverse zones, failed search lists, own hosts, block lists, bare domains, repetitions."""
    assert run(HeavyHitters(), names(START, qnames, **fields), internal) == []


def test_a_tunnel_through_an_own_zone_is_found_at_ten_times_the_floor() -> None:
    """Names that resolve count also where the tenant's own servers answer."""
    assert run(HeavyHitters(), names(START, data(90, domain="corp.test")), (".corp.test",)) == []
    (found,) = run(HeavyHitters(), names(START, data(110, domain="corp.test")), (".corp.test",))
    assert found.evidence["threshold_bytes"] == 4000


def test_an_unknown_search_domain_is_named_as_such() -> None:
    """Failing public names tried below one domain: low severity, whatever their number."""
    (found,) = run(HeavyHitters(), names(START, [f"www.name{i}.com.corp.test" for i in range(100)], rcode="NXDOMAIN"))
    assert (found.severity, "search domain corp.test" in found.reason) == ("low", True)


@pytest.mark.parametrize(("kind", "count", "found"), [("TXT", 39, False), ("TXT", 41, True), ("NULL", 41, True), ("KEY", 41, True), ("TYPE65399", 41, True),
                                                      ("CNAME", 41, True), ("A", 400, False), ("RRSIG", 400, False)])
def test_answers_count_where_they_can_carry_payload(kind: str, count: int, *, found: bool) -> None:
    """Distinct payloads of 100 bytes, asked for under one short name; addresses and signatures are none."""
    rng = random.Random(4)
    records = [(AnswerRecord(kind, rng.randbytes(50).hex(), 3),) for _ in range(count)]
    events = [event(START + i / 100, "t.evil.test", i, qtype=kind, answers=record) for i, record in enumerate(records * 2)]
    findings = run(HeavyHitters(), batch(events))
    assert bool(findings) == found
    assert all(item.evidence["direction"] == "answers" and item.evidence["threshold_bytes"] == 400 * ANSWER_FACTOR for item in findings)


def test_escaped_bytes_weigh_one() -> None:
    """A label of raw bytes is shown as three digits, which is four characters for one byte."""
    detector = HeavyHitters()
    raw = [r"\200\201\202\203\204\205\206\207\208" + f"{i:x}.evil.test" for i in range(10)]
    assert run(detector, names(START, raw)) == []
    ((_, measures),) = detector.state.measures([next(iter(detector.state.names))])
    assert measures[0].value == 100.0


def test_thresholds_follow_a_busy_tenant_slowly_and_at_most_fourfold() -> None:
    """Many domains that each say 350 bytes raise the bar within hours; the one domain of a tunnel does not."""
    busy, single = HeavyHitters(), HeavyHitters()
    for index in range(60 * 6 + 1):
        at = START + index * 10
        run(busy, batch([event(at, name, 0) for d in range(4) for name in data(35, 10, f"cdn{d}.test")]))
        run(single, batch([event(at, name, 0) for name in data(35, 10, "slow.test")]))
    assert 420 < busy.state.thresholds.limit(("names", 120)) <= 1600
    assert single.state.thresholds.limit(("names", 120)) == 400
    assert (busy.standing(at).state, HeavyHitters().standing(at).state) == ("active", "learning")


def test_quiet_learning_tolerates_what_crosses_in_the_first_hour() -> None:
    """An operator may let it learn first: what crossed in peace stays silent, what comes later does not."""
    detector = HeavyHitters(quiet=True)
    assert run(detector, names(START, data(20, domain="telemetry.test"))) == []
    late = START + 3700
    found = run(detector, names(late, [*data(20, domain="telemetry.test", seed=2), *data(20)]))
    assert [item.subject for item in found] == ["evil.test"]
    other = HeavyHitters()
    other.relearn(detector.learnt())
    assert run(other, names(late, data(20, domain="telemetry.test"))) == []
