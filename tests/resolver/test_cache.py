"""The cache."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.cache import Caches, TenantCache
from resolver.query import Query, Response
from resolver.wire import decode_query
from tests.resolver.path import ask


def query_for(name: str, qtype: str = "A", **changes: object) -> Query:
    """A decoded query with some fields changed."""
    return replace(decode_query(ask(name, qtype))[0], **changes)  # type: ignore[arg-type]


def answer(rcode: int = 0, *, lifetime: int = 60, counts: tuple[int, int, int] = (1, 0, 0), body: bytes = b"") -> Response:
    """An answer of upstream."""
    return Response(rcode, "upstream", body, counts, lifetime=lifetime, upstream="udp://x:53", upstream_us=9)


@given(st.integers(0, 100), st.floats(-50, 200))
def test_lifetime(lifetime: int, later: float) -> None:
    """An answer is found for as long as it lives, not long before it was born (the clock was set back) and not after."""
    caches = Caches(10)
    caches.put("acme", "s", query_for("a"), answer(lifetime=lifetime), 1000.0)
    found = caches.get("acme", "s", query_for("a"), 1000.0 + later)
    alive = -2.0 <= (1000.0 + later) - 1000.0 < lifetime and lifetime > 0
    assert (found is not None) == alive
    if found:
        assert (found.source, found.born, found.upstream, found.upstream_us) == ("cache", 1000.0, "", 0)
    assert caches.entries == int(alive)


@pytest.mark.parametrize(
    ("asked", "tenant", "scope"),
    [
        (query_for("a"), "globex", "s"),
        (query_for("a"), "acme", "other servers"),
        (query_for("a", "AAAA"), "acme", "s"),
        (query_for("b"), "acme", "s"),
        (query_for("a", do=True), "acme", "s"),
        (query_for("a", cd=True), "acme", "s"),
        (query_for("a", qclass=3), "acme", "s"),
    ],
)
def test_what_is_another_answer(asked: Query, tenant: str, scope: str) -> None:
    """Another tenant, other servers, another name, type or class, DO or CD: nothing is found."""
    caches = Caches(10)
    caches.put("acme", "s", query_for("a"), answer(), 0.0)
    assert caches.get("acme", "s", query_for("a"), 1.0) is not None
    assert caches.get(tenant, scope, asked, 1.0) is None


def test_negative_answers() -> None:
    """RFC 2308 section 5: a name error is for the name, NODATA for name and type; behind a CNAME it is for name and type."""
    caches = Caches(10)
    caches.put("t", "s", query_for("gone"), answer(3, counts=(0, 1, 0)), 0.0)
    caches.put("t", "s", query_for("bare"), answer(0, counts=(0, 1, 0)), 0.0)
    caches.put("t", "s", query_for("alias"), answer(3, counts=(1, 1, 0)), 0.0)
    found = {(name, kind): caches.get("t", "s", query_for(name, kind), 1.0) for name in ("gone", "bare", "alias") for kind in ("A", "TXT")}
    assert {key for key, value in found.items() if value} == {("gone", "A"), ("gone", "TXT"), ("bare", "A"), ("alias", "A")}


@pytest.mark.parametrize(("later", "fresh", "stale"), [(59, True, True), (60, False, True), (159, False, True), (160, False, False)])
def test_how_long_an_answer_may_stand_in(later: float, fresh: bool, stale: bool) -> None:
    """Behind its end an answer is stale for as long as the reader says, then it is gone."""
    caches = Caches(10)
    caches.put("t", "s", query_for("a"), answer(lifetime=60), 0.0)
    assert (caches.get("t", "s", query_for("a"), later, 100.0) is not None) == fresh
    assert (caches.stale("t", "s", query_for("a"), later, 100.0) is not None) == stale
    assert caches.entries == int(stale)


def test_a_failure_stands_beside_what_was_known() -> None:
    """It is found when nothing better is, never displaces an answer, is never stale, and goes when an answer comes."""
    caches, query = Caches(10), query_for("a")
    caches.put("t", "s", query, answer(body=b"good", lifetime=10), 0.0)
    caches.put("t", "s", query, answer(2, counts=(0, 0, 0), lifetime=30), 5.0)
    found = [caches.get("t", "s", query, now, 100.0) for now in (6.0, 11.0, 36.0)]
    assert [response and (response.rcode, response.body) for response in found] == [(0, b"good"), (2, b""), None]
    stale = caches.stale("t", "s", query, 11.0, 100.0)
    assert stale is not None
    assert stale.body == b"good"
    caches.put("t", "s", query, answer(5, counts=(0, 0, 0), lifetime=30), 40.0)
    caches.put("t", "s", query, answer(lifetime=1), 41.0)
    assert caches.get("t", "s", query, 43.0, 100.0) is None, "upstream was right again"
    assert caches.entries == 1


def test_the_latest_stands_in() -> None:
    """Of an answer and a later name error the later one does."""
    caches, query = Caches(10), query_for("a")
    caches.put("t", "s", query, answer(lifetime=10), 0.0)
    caches.put("t", "s", query, answer(3, counts=(0, 1, 0), lifetime=10), 20.0)
    stale = caches.stale("t", "s", query, 50.0, 100.0)
    assert stale is not None
    assert stale.rcode == 3


def test_newer_replaces_older() -> None:
    """The latest answer to a question is the one that is kept, and counted once."""
    caches = Caches(10)
    for body in (b"old", b"new"):
        caches.put("t", "s", query_for("a"), answer(body=body), 0.0)
    found = caches.get("t", "s", query_for("a"), 1.0)
    assert found is not None
    assert (found.body, caches.entries) == (b"new", 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 4)), max_size=200))
def test_memory_is_bounded(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is put and asked, failures and stale answers included, entries and octets stay within bounds and agree."""
    caches = Caches(12, octets=12_000)
    for now, (tenant, number, step) in enumerate(steps):
        query = query_for(f"n{number}")
        if step < 3:
            caches.put(tenant, "s", query, answer((0, 2, 3)[step], body=bytes(number * 20), lifetime=9), float(now))
        elif step == 3:
            caches.get(tenant, "s", query, float(now), 40.0)
        else:
            caches.stale(tenant, "s", query, float(now), 40.0)
        held = caches._tenants.values()
        assert caches.entries == sum(len(cache.index) for cache in held) <= 12
        assert caches.octets == sum(cache.octets for cache in held) <= 12_000


def test_one_tenants_flood_is_its_own() -> None:
    """A tenant that floods its cache evicts itself, not its neighbour."""
    caches = Caches(100)
    for number in range(20):
        caches.put("quiet", "s", query_for(f"q{number}"), answer(), 0.0)
    for number in range(1000):
        caches.put("loud", "s", query_for(f"l{number}"), answer(), 0.0)
    assert all(caches.get("quiet", "s", query_for(f"q{number}"), 1.0) for number in range(20))
    assert caches.evicted == 920


def test_sieve_keeps_what_is_asked_for() -> None:
    """A scan of new names passes through; names asked for since the hand last passed stay."""
    cache = TenantCache()
    for number in range(10):
        cache.put((number,), replace(answer(), born=0.0))
    assert cache.get((3,), 1.0)
    for number in range(10, 40):
        cache.evict()
        cache.put((number,), replace(answer(), born=0.0))
    assert cache.get((3,), 1.0)
    assert len(cache.index) == 10


def test_evicting_nothing() -> None:
    """An empty cache has nothing to give."""
    cache = TenantCache()
    cache.evict()
    assert cache.octets == 0
