"""Asking upstream on real sockets: checks, truncation, timeouts, second server, coalescing, TCP reuse."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from resolver.answers.exchange import belongs, question_of, without_edns
from resolver.answers.upstream import Upstreams
from resolver.errors import Ede, ResponseError, UpstreamError
from resolver.tenant_view import Server
from tests.patience import PROCESS_S
from tests.peers.ports import free_port
from tests.resolver.answers.servers import OPT, group, query, respond, upstream


@pytest.fixture
async def upstreams() -> AsyncIterator[Upstreams]:
    """What is tested."""
    made = Upstreams()
    yield made
    made.close()


async def test_a_response_comes_back_with_id_zero(upstreams: Upstreams) -> None:
    """The id on the wire is random and ours; server, time and statistics are told."""
    async with upstream() as one:
        response, url, elapsed = await upstreams.query(group(one.server()), query(), 1.0)
        assert response == respond(query())
        assert url == f"udp://127.0.0.1:{one.port}"
        assert 0 < elapsed < 1_000_000
        stats, mismatched = upstreams.stats()[url]
        assert (stats.asked, stats.failed, sum(stats.latencies), mismatched) == (1, {}, 1, 0)


async def test_ids_and_ports_are_random(upstreams: Upstreams) -> None:
    """Many questions use many ids and a bounded number of ports (RFC 5452 section 9.2)."""
    async with upstream() as one:
        for number in range(300):
            await upstreams.query(group(one.server()), query(f"n{number}.example.com"), 1.0)
    ids = {message[:2] for _, message, _ in one.asked}
    ports = [port for _, _, port in one.asked]
    assert len(ids) > 290
    assert 8 < len(set(ports)) <= 16
    assert len({port - before for before, port in pairwise(ports)}) > 20


async def test_ports_are_given_up_for_others(upstreams: Upstreams, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many questions a socket is replaced; no question is lost on the way."""
    monkeypatch.setattr("resolver.answers.upstream_udp._USES", 3)
    async with upstream() as one:
        for start in range(0, 400, 20):
            asked = [
                upstreams.query(group(one.server()), query(f"n{n}.example.com"), 1.0) for n in range(start, start + 20)
            ]
            await asyncio.gather(*asked)
    assert len({port for _, _, port in one.asked}) > 60


@pytest.mark.parametrize(
    "forged",
    [
        lambda message: b"\0\0" + respond(message)[2:] if message[:2] != b"\0\0" else b"",
        lambda message: respond(message, question=query("evil.example.com")[12:-11]),
        lambda message: message,
        lambda message: respond(message)[:9],
        lambda message: message[:2],
    ],
    ids=["wrong id", "other question", "a query", "short", "id only"],
)
async def test_what_does_not_belong_is_ignored(upstreams: Upstreams, forged) -> None:
    """Datagrams that do not answer the question do not end the waiting (RFC 5452 section 9.1); the real one does."""
    async with upstream(lambda message, _: [forged(message), respond(message, rcode=3)]) as one:
        response, url, _ = await upstreams.query(group(one.server()), query(), 1.0)
        assert response == respond(query(), rcode=3)
        assert upstreams.stats()[url][1] == 1


async def test_letter_case_of_the_question_may_change(upstreams: Upstreams) -> None:
    """A server that writes the name in capitals is still answering it (RFC 4343)."""
    shouted = query("WWW.EXAMPLE.COM")[12:-11]
    async with upstream(lambda message, _: respond(message, question=shouted)) as one:
        response, _, _ = await upstreams.query(group(one.server()), query(), 1.0)
        assert response[12:17] == b"\x03WWW\x07"


async def test_truncation_is_asked_again_over_tcp(upstreams: Upstreams) -> None:
    """TC over UDP leads to TCP at the same server (RFC 7766 section 5)."""
    async with upstream(lambda message, transport: respond(message, tc=transport == "udp")) as one:
        response, _, _ = await upstreams.query(group(one.server()), query(), 1.0)
        assert response == respond(query())
        assert [transport for transport, _, _ in one.asked] == ["udp", "tcp"]


async def test_silence_ends_in_time_with_ede_22(upstreams: Upstreams) -> None:
    """A single server is asked twice, then the failure says No Reachable Authority and names the server."""
    async with upstream(lambda _message, _transport: None) as one:
        with pytest.raises(UpstreamError, match="timeout") as caught:
            await upstreams.query(group(one.server()), query(), 0.1)
        assert caught.value.ede == Ede.NO_REACHABLE_AUTHORITY
        assert caught.value.upstream == one.server().url
        assert 190_000 < caught.value.elapsed_us < 2_000_000
        assert len(one.asked) == 2
        assert upstreams.stats()[one.server().url][0].failed == {"timeout": 2}


async def test_a_closed_port_fails_at_once_with_ede_23(upstreams: Upstreams) -> None:
    """ICMP port unreachable is not waited out."""
    port = free_port()
    for scheme in ("udp", "tcp"):
        server = Server(scheme, "127.0.0.1", port, f"{scheme}://127.0.0.1:{port}")
        loop = asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(UpstreamError, match="network error") as caught:
            await upstreams.query(group(server), query(), 5.0)
        assert caught.value.ede == Ede.NETWORK_ERROR
        assert loop.time() - start < 2


async def test_the_second_server_steps_in(upstreams: Upstreams) -> None:
    """Silence, SERVFAIL or REFUSED of the first lead to the second."""
    async with upstream() as good:
        for bad in (lambda _m, _t: None, lambda m, _t: respond(m, rcode=2), lambda m, _t: respond(m, rcode=5)):
            async with upstream(bad) as first:
                response, url, _ = await upstreams.query(group(first.server(), good.server()), query(), 0.2)
                assert (response, url) == (respond(query()), good.server().url)
                assert len(first.asked) == 1


async def test_servfail_of_all_is_passed_on(upstreams: Upstreams) -> None:
    """When nobody does better, the first server's own words (and its EDE) are the answer, asked once each."""
    async with (
        upstream(lambda m, _: respond(m, rcode=2)) as first,
        upstream(lambda m, _: respond(m, rcode=5)) as second,
    ):
        response, url, _ = await upstreams.query(group(first.server(), second.server()), query(), 0.2)
        assert (response, url) == (respond(query(), rcode=2), first.server().url)
        response, url, _ = await upstreams.query(group(second.server()), query("other.example.com"), 0.2)
        assert (response[3] & 15, len(second.asked)) == (5, 2)


async def test_a_failing_server_is_asked_last_for_a_while(upstreams: Upstreams) -> None:
    """After three failures questions go to the other server at once."""
    async with upstream(lambda _m, _t: None) as dead, upstream() as good:
        servers = group(dead.server(), good.server())
        for number in range(10):
            await upstreams.query(servers, query(f"n{number}.example.com"), 0.05)
        assert len(dead.asked) == 3


async def test_the_fastest_is_asked_and_the_others_measured(upstreams: Upstreams) -> None:
    """The least average latency decides; a server not asked for ten seconds is sent the same question beside."""
    async with upstream() as one, upstream() as other:
        mine = group(one.server(), other.server(), strategy="fastest")
        await upstreams.query(mine, query(), 1.0)
        await asyncio.gather(*upstreams._probes)
        assert (len(one.asked), len(other.asked)) == (1, 1), "both are measured"
        slow, fast = (upstreams._links[server.server()] for server in (one, other))
        slow.latency, fast.latency = 0.5, 0.001
        for number in range(5):
            assert (await upstreams.query(mine, query(f"n{number}.example.com"), 1.0))[1] == other.server().url
        slow.used -= 11
        await upstreams.query(mine, query("again.example.com"), 1.0)
        await asyncio.gather(*upstreams._probes)
        assert (len(one.asked), slow.latency < 0.5) == (2, True)


async def test_a_failure_counts_as_slow(upstreams: Upstreams) -> None:
    """Where the fastest does not answer, the next steps in and is the fastest from then on."""
    async with upstream(lambda _m, _t: None) as dead, upstream() as good:
        mine = group(dead.server(), good.server(), strategy="fastest")
        await upstreams.query(mine, query(), 0.05)
        await upstreams.query(mine, query("b.example.com"), 0.05)
        assert len(dead.asked) == 1


async def test_random_spreads_questions(upstreams: Upstreams) -> None:
    """Every server gets its share."""
    async with upstream() as one, upstream() as two, upstream() as three:
        mine = group(one.server(), two.server(), three.server(), strategy="random")
        for number in range(60):
            await upstreams.query(mine, query(f"n{number}.example.com"), 1.0)
        assert min(len(server.asked) for server in (one, two, three)) > 5


async def test_what_a_name_s_owner_says_does_not_make_a_server_look_dead(upstreams: Upstreams) -> None:
    """Answers that cannot be used are counted and passed over; the server is asked first all the same."""

    def refuse(response: bytes) -> None:
        if b"bad" in response:
            raise ResponseError("malformed response")

    async with upstream() as first, upstream() as second:
        mine = group(first.server(), second.server())
        for number in range(5):
            with pytest.raises(UpstreamError, match="^malformed response$"):
                await upstreams.query(mine, query(f"bad{number}.example.com"), 1.0, refuse)
        assert (await upstreams.query(mine, query(), 1.0, refuse))[1] == first.server().url
        assert upstreams.stats()[first.server().url][0].failed == {"malformed response": 5}


async def test_identical_questions_of_a_tenant_travel_once(upstreams: Upstreams) -> None:
    """They share one exchange, also its failure; another tenant's group never shares."""
    async with upstream() as one:
        mine, other = group(one.server()), group(one.server())
        results = await asyncio.gather(
            *(upstreams.query(mine, query(), 1.0) for _ in range(20)), upstreams.query(other, query(), 1.0)
        )
        assert {response for response, _, _ in results} == {respond(query())}
        assert len(one.asked) == 2
        assert upstreams.coalesced == 19
    async with upstream(lambda _m, _t: None) as silent:
        waiting = [upstreams.query(group_, query(), 0.05) for group_ in [group(silent.server())] for _ in range(5)]
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(
            isinstance(failure, UpstreamError) and failure.ede == Ede.NO_REACHABLE_AUTHORITY for failure in failures
        )
        assert len({id(failure) for failure in failures}) == 5


async def test_who_waits_for_one_that_is_cancelled_asks_itself(upstreams: Upstreams) -> None:
    """A client that goes away does not take others' answers with it."""
    held = asyncio.Event()
    async with upstream(lambda m, _: respond(m) if held.is_set() else None) as one:
        mine = group(one.server())
        leader = asyncio.create_task(upstreams.query(mine, query(), 5.0))
        await asyncio.sleep(0)
        follower = asyncio.create_task(upstreams.query(mine, query(), 5.0))
        async with asyncio.timeout(PROCESS_S):
            while not one.asked:  # noqa: ASYNC110 (the server is asked when it is asked)
                await asyncio.sleep(0.01)
        held.set()
        leader.cancel()
        response, _, _ = await follower
        assert response == respond(query())


async def test_a_server_without_edns_is_asked_without(upstreams: Upstreams) -> None:
    """FORMERR without OPT means: ask again in the old way (RFC 6891 section 7)."""

    def old(message: bytes, _transport: str) -> bytes:
        if message.endswith(OPT):
            return message[:2] + b"\x81\x81" + bytes(8)
        return message[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + message[12:]

    async with upstream(old) as one:
        response, _, _ = await upstreams.query(group(one.server()), query(), 1.0)
        assert response[3] & 15 == 0
        assert len(one.asked) == 2


async def test_tcp_is_one_connection_for_many_questions(upstreams: Upstreams) -> None:
    """Questions are pipelined on one connection, answers are taken in any order (RFC 7766 section 6.2.1)."""
    kept: list[bytes] = []

    def shuffled(message: bytes, _transport: str) -> list[bytes]:
        kept.append(respond(message))
        if len(kept) < 50:
            return []
        random.Random(1).shuffle(kept)
        return kept

    async with upstream(shuffled) as one:
        mine = group(one.server("tcp"))
        results = await asyncio.gather(*(upstreams.query(mine, query(f"n{n}.example.com"), 5.0) for n in range(50)))
        assert [response for response, _, _ in results] == [respond(query(f"n{n}.example.com")) for n in range(50)]
        assert one.connections == 1


async def test_a_closed_tcp_connection_is_made_anew(upstreams: Upstreams) -> None:
    """A server may close at any time; what was on the connection is asked once more (RFC 7766 section 6.2.4)."""
    async with upstream() as one:
        one.close_after = 1
        for number in range(3):
            response, _, _ = await upstreams.query(group(one.server("tcp")), query(f"n{number}.example.com"), 2.0)
            assert response == respond(query(f"n{number}.example.com"))
        results = await asyncio.gather(
            *(upstreams.query(group(one.server("tcp")), query(f"m{n}.example.com"), 2.0) for n in range(2))
        )
        assert len(results) == 2
        assert one.connections >= 4


async def test_hundreds_of_questions_at_once(upstreams: Upstreams) -> None:
    """Everyone gets the answer to the own question."""
    async with upstream() as one:
        mine = group(one.server())
        results = await asyncio.gather(*(upstreams.query(mine, query(f"n{n}.example.com"), 5.0) for n in range(200)))
        assert [response for response, _, _ in results] == [respond(query(f"n{n}.example.com")) for n in range(200)]


def test_the_question_is_cut_out_of_a_query() -> None:
    """Name, type and class; the OPT record can be taken away."""
    assert question_of(query("a.b")) == b"\1a\1b\0\0\1\0\1"
    assert without_edns(query("a.b")) == query("a.b")[:10] + b"\0\0" + b"\1a\1b\0\0\1\0\1"


def test_random_bytes_belong_to_nothing() -> None:
    """No garbage passes for a response, and none raises."""
    dice, question = random.Random(5452), question_of(query())
    good = respond(query())
    assert belongs(good, question)
    for _ in range(20000):
        garbage = bytearray(good if dice.random() < 0.5 else dice.randbytes(dice.randrange(60)))
        for _ in range(dice.randrange(1, 4)):
            if garbage:
                garbage[dice.randrange(len(garbage))] = dice.randrange(256)
        if belongs(bytes(garbage), question):
            assert garbage[2] & 0x80
            assert garbage[4:6] == b"\0\0" or bytes(garbage[12 : 12 + len(question)]).lower() == question
