"""DNS over HTTPS upstream, on real sockets: how it asks, what it reuses, what it does not accept."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from resolver.answers.upstream import Upstreams
from resolver.errors import Ede, UpstreamError
from tests.peers.certificates import Issuer
from tests.peers.doh import HttpsUpstream, Reply, https_upstream
from tests.peers.ports import free_port
from tests.resolver.answers.servers import group, query, respond

NAME = "dns.example.net"


async def test_a_question_is_posted(upstreams: Upstreams, issuer: Issuer) -> None:
    """POST of the message with id 0 to path and name (RFC 8484 section 4.1), at the address the tenant wrote."""
    async with https_upstream(lambda body: Reply(respond(body)), issuer.server(alpn="h2")) as one:
        server = one.server(NAME, issuer.ca_file, "/acme/dns")
        response, url, _ = await upstreams.query(group(server), query(), 5.0)
        assert (response, url) == (respond(query()), server.url)
        [(headers, body)] = one.asked
        assert body == query()
        assert (headers[":method"], headers[":path"], headers[":authority"]) == ("POST", "/acme/dns", f"{NAME}:{one.port}")
        assert (headers["content-type"], headers["accept"]) == ("application/dns-message", "application/dns-message")


async def test_one_connection_for_many_questions(upstreams: Upstreams, issuer: Issuer) -> None:
    """A hundred questions and a change of policy between them travel on one connection."""
    async with https_upstream(lambda body: Reply(respond(body)), issuer.server(alpn="h2")) as one:
        for _ in range(2):
            mine = group(one.server(NAME, issuer.ca_file))
            asked = [upstreams.query(mine, query(f"n{n}.example.com"), 5.0) for n in range(50)]
            assert [response for response, _, _ in await asyncio.gather(*asked)] == [
                respond(query(f"n{n}.example.com")) for n in range(50)
            ]
        assert (len(one.sessions), len(one.asked)) == (1, 100)


async def _dropped(upstreams: Upstreams, issuer: Issuer) -> list[bool]:
    """Sessions resumed, when the server closes its connections between questions."""
    async with https_upstream(lambda body: Reply(respond(body)), issuer.server(alpn="h2")) as one:
        for number in range(3):
            name = f"n{number}.example.com"
            response, _, _ = await upstreams.query(group(one.server(NAME, issuer.ca_file)), query(name), 5.0)
            assert response == respond(query(name))
            for connection in list(one.connections):
                connection.abort()
            while one.connections:  # noqa: ASYNC110 - a closed connection says nothing
                await asyncio.sleep(0.001)
        return one.sessions


async def test_a_server_may_close_at_any_time(upstreams: Upstreams, issuer: Issuer) -> None:
    """The next question makes a connection anew, and goes on with the TLS session there was."""
    assert await _dropped(upstreams, issuer) == [False, True, True]


def test_the_same_on_the_event_loop_of_the_resolver(issuer: Issuer) -> None:
    """And on uvloop."""

    async def run() -> list[bool]:
        made = Upstreams()
        try:
            return await _dropped(made, issuer)
        finally:
            made.close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == [False, True, True]


async def _fails(upstreams: Upstreams, one: HttpsUpstream, issuer: Issuer) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await upstreams.query(group(one.server(NAME, issuer.ca_file)), query(), 5.0)
    return caught.value


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"no", 500, "text/plain"), "HTTP status 500"),
        (Reply(b"", 302), "HTTP status 302"),
        (Reply(respond(query()), media_type="text/html; charset=utf-8"), "not a DNS message"),
        (Reply(respond(query()), media_type=None), "not a DNS message"),
        (Reply(bytes(65536)), "response too long"),
        (Reply(bytes(4 << 20)), "response too long"),
        (Reply(b""), "malformed response"),
        (Reply(respond(query("evil.example.com"))), "malformed response"),
        (Reply(query()), "malformed response"),
    ],
    ids=["500", "redirect", "other type", "no type", "too long", "endless", "empty", "other question", "a query"],
)
async def test_what_is_not_accepted(upstreams: Upstreams, issuer: Issuer, reply: Reply, reason: str) -> None:
    """A status but 200, another type, too many octets, another message: the reason, EDE 23, and the next question works."""
    async with https_upstream(lambda body: reply, issuer.server(alpn="h2")) as one:
        error = await _fails(upstreams, one, issuer)
        assert (error.ede_text, error.ede) == (reason, Ede.NETWORK_ERROR)
        one.behaviour = lambda body: Reply(respond(body), media_type="Application/DNS-Message ; x=y")
        assert (await upstreams.query(group(one.server(NAME, issuer.ca_file)), query(), 5.0))[0] == respond(query())


async def test_64_kilobytes_come_whole(upstreams: Upstreams, issuer: Issuer) -> None:
    """The longest message there is."""
    async with https_upstream(lambda body: Reply(respond(body).ljust(65535, b"\0")), issuer.server(alpn="h2")) as one:
        response, _, _ = await upstreams.query(group(one.server(NAME, issuer.ca_file)), query(), 5.0)
        assert len(response) == 65535


async def test_silence_ends_in_time(upstreams: Upstreams, issuer: Issuer) -> None:
    """EDE 22; other questions on the same connection are not disturbed."""
    def some(body: bytes) -> Reply | None:
        return None if b"silent" in body else Reply(respond(body))

    async with https_upstream(some, issuer.server(alpn="h2")) as one:
        mine = group(one.server(NAME, issuer.ca_file))
        await upstreams.query(mine, query(), 5.0)
        with pytest.raises(UpstreamError, match="^timeout$") as caught:
            await upstreams.query(mine, query("silent.example.com"), 0.1)
        assert caught.value.ede == Ede.NO_REACHABLE_AUTHORITY
        assert (await upstreams.query(mine, query("b.example.com"), 5.0))[0] == respond(query("b.example.com"))
        assert len(one.sessions) == 1


async def test_certificates_are_checked(upstreams: Upstreams, issuer: Issuer) -> None:
    """Against the name in the URL and the file that vouches; nothing is posted otherwise."""
    for certificate, reason in (
        (issuer.server("dns.example.org", alpn="h2"), "certificate for another name"),
        (issuer.server(days=(-2, -1), alpn="h2"), "certificate expired"),
        (issuer.server(self_signed=True, alpn="h2"), "certificate from an unknown issuer"),
    ):
        async with https_upstream(lambda body: Reply(respond(body)), certificate) as one:
            error = await _fails(upstreams, one, issuer)
            assert (error.ede_text, error.ede, one.asked) == (reason, Ede.NETWORK_ERROR, [])


async def test_nobody_there(upstreams: Upstreams, issuer: Issuer) -> None:
    """A closed port is a network error at once."""
    nobody = HttpsUpstream(lambda body: None, free_port())
    assert (await _fails(upstreams, nobody, issuer)).ede_text == "network error"
