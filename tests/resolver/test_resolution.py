"""Upstream's answers by way of the cache: renewal ahead of their end, stale answers, failures remembered."""

from __future__ import annotations

import asyncio

import pytest
from dnslib import DNSRecord

from resolver.background import Background
from resolver.errors import UpstreamError
from resolver.policy.compiler import verify
from resolver.wire import decode_query
from tests.resolver.path import NOW, POLICY, Path, ask, ede_of, texts
from tests.resolver.policy.written import objects as written

WWW = "www.example.org"
CLIENT, OTHER = "127.0.1.1", "127.0.1.2"


def with_caching(caching: str) -> str:
    """The policy, its first tenant with this `caching`."""
    return POLICY.replace("  default: allow\n", f"  default: allow\n  caching: {caching}\n", 1)


async def settled(path: Path) -> None:
    """Let what runs in the background end."""
    while path.background._running:
        await asyncio.gather(*path.background._running.values(), return_exceptions=True)
        await asyncio.sleep(0)


async def times(path: Path, count: int, name: str = WWW, **options: object) -> DNSRecord:
    """Ask so often; the last answer."""
    for _ in range(count):
        answer = await path.get(name, **options)  # type: ignore[arg-type]
    await settled(path)
    return answer


# Renewal


async def test_a_popular_answer_is_renewed_ahead_of_its_end() -> None:
    """Asked for three times and in its last tenth: one question goes upstream, nobody waits for it, no event tells of it."""
    path = Path()
    await times(path, 4)
    path.now += 271
    answer = await times(path, 1)
    assert (answer.rr[0].ttl, len(path.upstream.asked), path.resolution.renewals, len(path.events)) == (29, 2, 1, 5)
    path.now += 200
    assert (await times(path, 1)).rr[0].ttl == 100
    assert len(path.upstream.asked) == 2


@pytest.mark.parametrize(
    ("asked", "later", "caching"),
    [(1, 271, "{}"), (4, 269, "{}"), (4, 271, "{prefetch: false}"), (4, 8, "{maxTtl: 9}")],
    ids=["seldom asked", "not in its last tenth", "not wanted", "short-lived"],
)
async def test_what_is_not_renewed(asked: int, later: float, caching: str) -> None:
    """An answer few asked for, one with time left, any where the tenant wants none, one that lives less than ten seconds."""
    path = Path(with_caching(caching))
    await times(path, asked)
    path.now += later
    await times(path, 1)
    assert (len(path.upstream.asked), path.resolution.renewals) == (1, 0)


async def test_the_fast_path_takes_part() -> None:
    """An answer only the fast path repeats is popular by that, and handed to the handler when its last tenth begins."""
    path = Path()
    for _ in range(2):
        await path.raw(ask(WWW))
    known = path.fastpath.table()[CLIENT, ask(WWW)[2:]]
    for _ in range(5):
        path.now += 40
        assert path.fastpath.renew(known, path.clock())
    path.now += 75
    assert not path.fastpath.renew(known, path.clock())
    await times(path, 1)
    assert path.resolution.renewals == 1
    known = path.fastpath.table()[CLIENT, ask(WWW)[2:]]
    assert path.clock() < known.until_ns, "until the renewed answer is there the old one is repeated"


async def test_a_renewal_that_fails_is_not_tried_again_and_again() -> None:
    """It changes nothing for the answer there is; the next attempt is a client's, after its end."""
    path = Path()
    await times(path, 4)
    path.now, path.upstream.broken = path.now + 280, True
    answer = await times(path, 9)
    assert (answer.rr[0].ttl, len(path.upstream.asked)) == (20, 2)


async def test_renewals_are_bounded() -> None:
    """With too much in the background already nothing is begun, and the answer still stands to its end."""
    path = Path()
    path.background._most = 0
    await times(path, 4)
    path.now += 280
    assert (await times(path, 3)).rr[0].ttl == 20
    assert len(path.upstream.asked) == 1


async def test_a_renewed_answer_meets_the_policy_of_its_day() -> None:
    """A rule that came between is applied to what was renewed."""
    path = Path()
    await times(path, 4)
    path.now += 280
    await times(path, 1)
    path.apply(
        "{apiVersion: nameward.io/v1, kind: DNSPolicy, metadata: {name: new}, spec: {tier: platform, rules: "
        "[{name: stop, match: {qname: [www.example.org]}, action: deny}]}}"
    )
    assert (await times(path, 1)).header.rcode == 3


# Stale answers


@pytest.mark.parametrize("failure", ["broken", "SERVFAIL"])
async def test_a_stale_answer_stands_in(failure: str) -> None:
    """When upstream fails the last answer is given with TTL 30 and EDE 3, to everybody of the tenant, by the fast path too."""
    path = Path()
    await times(path, 1)
    path.now += 1000
    path.upstream.broken, path.upstream.rcode = failure == "broken", 2
    answers = [await times(path, 1, client=client, edns=True) for client in (CLIENT, OTHER, CLIENT, CLIENT)]
    assert {tuple(texts(answer.rr)) for answer in answers} == {("www.example.org. 30 A 192.0.2.1",)}
    assert {ede_of(answer) for answer in answers} == {(3, "")}
    assert [event.answer_source for event in path.events] == ["upstream", "stale", "stale", "stale", "stale"]
    assert (len(path.upstream.asked), path.resolution.stale) == (2, 1)
    assert (CLIENT, ask(WWW, edns=True)[2:]) in path.fastpath.table()


async def test_a_stale_name_error_says_so() -> None:
    """EDE 19 for a name that did not exist; the SOA's TTL is 30 too."""
    path = Path()
    await times(path, 1, "gone.example.org")
    path.now, path.upstream.broken = path.now + 100, True
    answer = await times(path, 1, "gone.example.org", edns=True)
    assert (answer.header.rcode, answer.auth[0].ttl, ede_of(answer)) == (3, 30, (19, ""))


async def test_upstream_is_asked_again_after_a_while() -> None:
    """Thirty seconds nobody asks; then one question, and when it is answered the stale answer has gone."""
    path = Path()
    await times(path, 1)
    path.now, path.upstream.broken = path.now + 1000, True
    await times(path, 5)
    path.now += 29
    await times(path, 5)
    assert len(path.upstream.asked) == 2
    path.now, path.upstream.broken = path.now + 1.5, False
    assert (await times(path, 1)).rr[0].ttl == 300
    path.now += 1
    assert (await times(path, 1)).rr[0].ttl == 299
    assert (len(path.upstream.asked), path.events[-1].answer_source) == (3, "cache")


async def test_a_slow_upstream_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the client's patience a stale answer goes out; what upstream says later is remembered all the same."""
    monkeypatch.setattr("resolver.resolution.PATIENCE", 0.01)
    path, speak = Path(), asyncio.Event()
    await times(path, 1)
    path.now += 1000
    query = path.upstream.query

    async def slow(*arguments: object) -> object:
        await speak.wait()
        return await query(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(path.upstream, "query", slow)
    assert (await path.get(WWW)).rr[0].ttl == 30
    speak.set()
    assert (await times(path, 1)).rr[0].ttl in {30, 300}
    assert (await times(path, 1)).rr[0].ttl == 300


@pytest.mark.parametrize(("caching", "later", "stands_in"), [("{serveStale: 60}", 359, True), ("{serveStale: 60}", 361, False), ("{serveStale: 0}", 301, False)])
async def test_how_long_a_stale_answer_stands_in(caching: str, later: float, stands_in: bool) -> None:
    """As long behind its end as the tenant says; 0 is never."""
    path = Path(with_caching(caching))
    await times(path, 1)
    path.now, path.upstream.broken = path.now + later, True
    assert (await times(path, 1)).header.rcode == (0 if stands_in else 2)


async def test_no_stale_answer_of_another_tenant() -> None:
    """What one tenant was told never stands in for another."""
    path = Path()
    await times(path, 1)
    path.now, path.upstream.broken = path.now + 1000, True
    assert (await times(path, 1, client="127.0.2.1")).header.rcode == 2


async def test_a_stale_answer_is_denied_where_policy_denies() -> None:
    """Policy stands above the stale answer as above every other."""
    path = Path()
    path.upstream.zone.append("www.example.com. 300 IN A 192.0.2.7")
    await times(path, 1, "www.example.com")
    path.now, path.upstream.broken = path.now + 1000, True
    assert (await times(path, 1, "www.example.com", client="127.0.1.10")).header.rcode == 3


async def test_nobody_vouches_for_a_stale_answer() -> None:
    """AD is not repeated when the time of the data, and so perhaps of its signatures, is over."""
    path = Path()
    await times(path, 1)
    cached = path.caches.get("acme", path.store.current.tenants["acme"].upstreams[0].scope, decode_query(ask(WWW))[0], NOW)
    assert cached is not None
    cached.ad = True
    path.now, path.upstream.broken = path.now + 1000, True
    assert (await times(path, 1, do=False)).header.ad == 0


# Failures


async def test_a_failure_is_believed_for_a_second() -> None:
    """RFC 9520 section 3.2: upstream is not asked again at once, whether it said SERVFAIL or nothing; then it is."""
    for broken in (True, False):
        path = Path()
        path.upstream.broken, path.upstream.rcode = broken, 2
        for _ in range(3):
            assert (await times(path, 1, edns=True)).header.rcode == 2
        assert len(path.upstream.asked) == 1
        path.now, path.upstream.broken, path.upstream.rcode = path.now + 1, False, None
        assert (await times(path, 1)).header.rcode == 0
        path.now += 0.5
        assert (await times(path, 1)).rr[0].ttl == 300


async def test_a_failure_keeps_its_words() -> None:
    """The EDE of a failure is the same when it comes from memory."""
    path = Path()
    path.upstream.broken = True
    assert [ede_of(await times(path, 1, edns=True)) for _ in range(2)] == [(23, "timeout")] * 2


# Bounds of TTLs


@pytest.mark.parametrize(
    ("caching", "name", "shown", "kept"),
    [
        ("{minTtl: 60}", "short.example.org", 60, 60),
        ("{minTtl: 60}", WWW, 300, 300),
        ("{maxTtl: 100}", WWW, 100, 100),
        ("{minTtl: 60}", "zero.example.org", 60, 60),
        ("{}", "zero.example.org", 0, 0),
        ("{maxTtl: 604800}", "long.example.org", 604800, 604800),
        ("{}", "long.example.org", 86400, 86400),
        ("{maxNegativeTtl: 5, minTtl: 60}", "gone.example.org", 5, 5),
        ("{maxNegativeTtl: 0}", "gone.example.org", 0, 0),
    ],
)
async def test_bounds_of_ttls(caching: str, name: str, shown: int, kept: int) -> None:
    """A tenant's bounds show in the TTLs given out, and are how long the answer is kept."""
    path = Path(with_caching(caching[:-1] + (", " if len(caching) > 2 else "") + "serveStale: 0, prefetch: false}"))
    path.upstream.zone += [
        "short.example.org. 5 IN A 192.0.2.2", "zero.example.org. 0 IN A 192.0.2.3", "long.example.org. 2000000 IN A 192.0.2.4"
    ]  # fmt: skip
    answer = await times(path, 1, name)
    assert (answer.rr or answer.auth)[0].ttl == shown
    if kept:
        path.now += kept - 0.5
        await times(path, 1, name)
    assert len(path.upstream.asked) == 1
    path.now += 0.5
    await times(path, 1, name)
    assert len(path.upstream.asked) == 2


async def test_changed_bounds_hold_at_once() -> None:
    """What was kept under other bounds is not given out any more."""
    path = Path()
    await times(path, 2)
    path.apply(with_caching("{maxTtl: 20}"))
    assert (await times(path, 1)).rr[0].ttl == 20


def test_bounds_that_contradict() -> None:
    """The least must not be more than the most."""
    problems = verify(written(with_caching("{minTtl: 600, maxTtl: 60}")))
    assert [str(problem) for problem in problems] == ["Tenant/acme spec.caching.minTtl: 600 is more than maxTtl, 60"]


# The background


async def test_background_joins_bounds_and_forgets() -> None:
    """One task for a key; no more than allowed; a failure is nobody's business; the end leaves nothing."""
    background, begun = Background(most=1), []

    async def work() -> int:
        begun.append(1)
        await asyncio.sleep(0)
        return 7

    async def fail() -> int:
        raise UpstreamError("no")

    assert await asyncio.gather(background.within(5, "a", work), background.within(5, "a", work), background.within(5, "b", work)) == [7, 7, None]
    assert await background.within(5, "c", fail) is None
    assert (len(begun), background._running) == (1, {})
    background.start("d", work)
    background.close()
