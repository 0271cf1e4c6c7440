"""Token buckets, meters and queries in flight: never more than allowed, never less than promised, bounded memory."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from resolver.limits import Bucket, ClientBuckets, InFlight, Meter, Meters, Room
from resolver.tenants import Asker, identify
from schemas.tenant_spec import Limits
from tests.resolver.policy.written import compiled

NOW = 1_800_000_000 * 10**9
SECOND = 10**9
_gaps = st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=200)
_rates = st.integers(1, 100_000)
_bursts = st.integers(0, 500)


@given(_rates, _bursts, _gaps)
def test_never_more_than_burst_and_rate(rate: int, burst: int, gaps: list[int]) -> None:
    """Between any two moments no more pass than the burst and what the rate gives for the time between them."""
    bucket = Bucket(rate, burst)
    passed = [time for time in accumulate(gaps, initial=NOW) if bucket.take(time)]
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert (last - first + 1 - (burst or rate)) * SECOND <= rate * (passed[last] - start)


@given(_rates, _bursts, _gaps)
def test_never_less_than_the_rate(rate: int, burst: int, gaps: list[int]) -> None:
    """However much was refused before: as many whole tokens as the time gave, up to the burst, can be taken."""
    bucket = Bucket(rate, burst)
    tokens = float(burst or rate)
    times = list(accumulate(gaps, initial=NOW))
    for before, time in zip([NOW, *times], times, strict=False):
        tokens = min(burst or rate, tokens + rate * (time - before) / SECOND)
        taken = bucket.take(time)
        assert taken or tokens < 1 + 1e-6
        tokens -= taken


def test_a_clock_set_back() -> None:
    """A bucket is at worst empty afterwards: it gives its rate again at once, not when the old time is reached."""
    clients = ClientBuckets(10, 10, Room(1000))
    for bucket in (Bucket(10, 10).take, lambda now: clients.take("a", now)):
        assert all(bucket(NOW) for _ in range(10))
        earlier = NOW - 3600 * SECOND
        assert not bucket(earlier)
        assert [bucket(earlier + tenth * SECOND // 10) for tenth in range(1, 6)] == [True] * 5


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, SECOND // 2)), max_size=300), st.integers(1, 50))
def test_each_client_has_a_bucket_of_its_own(queries: list[tuple[int, int]], rate: int) -> None:
    """While there is room a client is treated as if it were alone."""
    together, alone, now = ClientBuckets(rate, 0, Room(10_000)), {number: Bucket(rate) for number in range(21)}, NOW
    for number, gap in queries:
        now += gap
        assert together.take(str(number), now) == alone[number].take(now)


def test_memory_is_bounded() -> None:
    """Made-up addresses push each other out, and the more meters there are the less room each of them has."""
    room = Room(1000)
    buckets = ClientBuckets(5, 0, room)
    for number in range(5000):
        buckets.take(f"10.0.{number >> 8}.{number & 255}", NOW)
        assert len(buckets) <= 500
    room.meters = 5
    for number in range(600):
        buckets.take(f"10.1.{number >> 8}.{number & 255}", NOW)
    assert room.each == 100
    room.meters = 1000
    assert room.each == 64


def test_who_is_forgotten_first() -> None:
    """The client that took a token least lately: one that is kept out by its limit is not saved by asking on."""
    buckets = ClientBuckets(1, 0, Room(0))
    for number in range(64):
        buckets.take(str(number), NOW)
    assert not buckets.take("0", NOW)
    buckets.take("new", NOW)
    assert buckets.take("0", NOW)  # forgotten, so its bucket is full
    assert not buckets.take("2", NOW)


def meter(**limits: int) -> Meter:
    """A meter of these limits."""
    return Meter(Limits(**limits), Room(1000))


def test_which_limit_is_over() -> None:
    """The client's own first, so that what one has too much does not use up what is there for all."""
    one = meter(queries_per_second=3, client_queries_per_second=2)
    said = [one.over(client, "udp", NOW) for client in ("a", "a", "a", "a", "b", "b", "c")]
    assert said == ["", "", "client", "client", "", "tenant", "tenant"]


def test_udp_and_tcp_are_counted_apart() -> None:
    """A flood of datagrams in somebody's name leaves TCP to that client."""
    one = meter(queries_per_second=1, client_queries_per_second=1)
    assert [one.over("a", "udp", NOW) for _ in range(3)] == ["", "client", "client"]
    assert [one.over("a", transport, NOW) for transport in ("tcp", "tcp")] == ["", "client"]


def test_slip() -> None:
    """Every n-th, none for 0, each for 1."""
    assert [[one.slips() for _ in range(6)] for one in (meter(slip=3), meter(slip=0), meter(slip=1))] == [
        [False, False, True] * 2,
        [False] * 6,
        [True] * 6,
    ]


def test_few_are_told() -> None:
    """The first at once, then three a second at most, however many there are."""
    one = meter(queries_per_second=1)
    assert [one.told(NOW) for _ in range(5)] == [True] + [False] * 4
    told = sum(one.told(NOW + number * SECOND // 1000) for number in range(10_000))
    assert 28 <= told <= 31


TENANT = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec: {{default: allow, clients: [{{subnets: [10.0.0.0/8]}}], limits: {limits}, caching: {{minTtl: {other}}}}}
"""


def asker(limits: str, other: int = 0) -> Asker:
    """A client of a tenant with these limits; `other` changes something else about it."""
    found = identify(compiled(TENANT.format(limits=limits, other=other)), "10.0.0.1")
    assert found is not None
    return found


def test_meters_outlive_policy() -> None:
    """A change of something else leaves the buckets as they are; new limits begin full, with the counts so far."""
    meters = Meters()
    first = meters.of(asker("{queriesPerSecond: 1}"))
    assert first is not None
    first.turned_away["tenant", "dropped"] += 7
    assert meters.of(asker("{queriesPerSecond: 1}", 5)) is first
    second = meters.of(asker("{queriesPerSecond: 2}"))
    assert second is not first
    assert list(meters.turned_away()) == [("acme", "tenant", "dropped", 7)]


def test_no_limits_no_meter() -> None:
    """Without a rate there is nothing to ask; unknown clients have a meter of their own where one is wanted."""
    assert Meters().of(asker("{}")) is None
    assert Meters().of(asker("{inFlight: 3, slip: 1}")) is None
    assert Meters().of(None) is None
    assert Meters(Limits(client_queries_per_second=1)).of(None) is not None


def test_in_flight_of_a_tenant() -> None:
    """Its own limit, and what leaves is free again."""
    flights = InFlight(100)
    assert [flights.enter("a", 2) for _ in range(3)] == [True, True, False]
    assert flights.enter("b", 2)
    flights.leave("a")
    assert [flights.enter("a", 2) for _ in range(2)] == [True, False]
    assert (flights.total, flights.refused) == (3, 2)


@given(st.integers(1, 400), st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=600))
def test_there_is_always_room_for_the_next(most: int, moves: list[tuple[int, bool]]) -> None:
    """Whatever tenants do the bound holds, and one with nothing in flight is refused only when nothing is free."""
    flights, held = InFlight(most), [0] * 4
    for tenant, leaves in moves:
        if leaves and held[tenant]:
            flights.leave(str(tenant))
            held[tenant] -= 1
        else:
            held[tenant] += flights.enter(str(tenant), 0)
        assert flights.total == sum(held) <= most
    if flights.total < most and not held[3]:
        assert flights.enter("3", 0)


def test_a_flood_leaves_room() -> None:
    """One tenant alone gets eight ninths; what it floods for leaves every other tenant a share."""
    flights = InFlight(900)
    assert sum(flights.enter("flood", 0) for _ in range(5000)) == 800
    assert sum(flights.enter("quiet", 0) for _ in range(50)) == 50
