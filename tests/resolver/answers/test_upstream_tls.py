"""DNS over TLS upstream, on real sockets: what is checked, what is reused, what is said when it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from resolver.answers.upstream import Upstreams
from resolver.errors import Ede, UpstreamError
from tests.peers.certificates import Issuer
from tests.resolver.answers.servers import group, query, respond, upstream

NAME = "dns.example.net"


async def test_one_connection_for_many_questions(upstreams: Upstreams, issuer: Issuer) -> None:
    """Questions are pipelined and answered in any order; the protocol agreed on is dot (RFC 7858 section 3.3)."""
    kept: list[bytes] = []

    def late(message: bytes, _transport: str) -> list[bytes]:
        kept.append(respond(message))
        return kept[::-1] if len(kept) == 50 else []

    async with upstream(late, udp=False, tls=issuer.server()) as one:
        mine = group(one.server("tls", NAME, issuer.ca_file))
        results = await asyncio.gather(*(upstreams.query(mine, query(f"n{n}.example.com"), 5.0) for n in range(50)))
        assert [response for response, _, _ in results] == [respond(query(f"n{n}.example.com")) for n in range(50)]
        assert (one.connections, one.sessions) == (1, [("dot", False)])


async def test_a_connection_outlives_a_policy_change(upstreams: Upstreams, issuer: Issuer) -> None:
    """A new policy makes new groups; a server named by both keeps its connection."""
    async with upstream(udp=False, tls=issuer.server()) as one:
        for number in range(3):
            fresh = group(one.server("tls", NAME, issuer.ca_file))
            await upstreams.query(fresh, query(f"n{number}.example.com"), 5.0)
        assert one.connections == 1


async def _resume(issuer: Issuer, upstreams: Upstreams) -> list[tuple[str | None, bool]]:
    async with upstream(udp=False, tls=issuer.server()) as one:
        one.close_after = 1
        for number in range(3):
            await upstreams.query(group(one.server("tls", NAME, issuer.ca_file)), query(f"n{number}.example.com"), 5.0)
        return one.sessions


async def test_a_session_is_resumed(upstreams: Upstreams, issuer: Issuer) -> None:
    """A connection made anew to a server that closed it goes on with the session there was (RFC 7858 section 3.4)."""
    assert await _resume(issuer, upstreams) == [("dot", False), ("dot", True), ("dot", True)]


def test_the_same_on_the_event_loop_of_the_resolver(issuer: Issuer) -> None:
    """Sessions are resumed on uvloop too."""

    async def run() -> Any:
        return await _resume(issuer, Upstreams())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run())[1:] == [("dot", True), ("dot", True)]


@pytest.mark.parametrize("name", ["127.0.0.1", NAME])
async def test_a_certificate_may_bear_the_address(upstreams: Upstreams, issuer: Issuer, name: str) -> None:
    """Without a name in the URL the certificate must be for the address itself."""
    async with upstream(udp=False, tls=issuer.server(name)) as one:
        asked = upstreams.query(group(one.server("tls", "127.0.0.1", issuer.ca_file)), query(), 5.0)
        if name == "127.0.0.1":
            assert (await asked)[0] == respond(query())
        else:
            with pytest.raises(UpstreamError, match="^certificate for another name$"):
                await asked


@pytest.mark.parametrize(
    ("certificate", "trusted", "reason"),
    [
        ({"name": "dns.example.org"}, True, "certificate for another name"),
        ({"days": (-2, -1)}, True, "certificate expired"),
        ({"days": (1, 2)}, True, "certificate not valid yet"),
        ({"self_signed": True}, True, "certificate from an unknown issuer"),
        ({}, False, "certificate from an unknown issuer"),
    ],
    ids=["other name", "expired", "not yet", "self-signed", "unknown issuer"],
)
async def test_certificates_that_are_not_accepted(
    upstreams: Upstreams, issuer: Issuer, certificate: dict[str, Any], trusted: bool, reason: str
) -> None:
    """Nothing is asked; the reason, which names nobody, goes to the counters and with EDE 23 to the client."""
    async with upstream(udp=False, tls=issuer.server(**certificate)) as one:
        server = one.server("tls", NAME, issuer.ca_file if trusted else "")
        with pytest.raises(UpstreamError) as caught:
            await upstreams.query(group(server), query(), 5.0)
        assert (caught.value.ede_text, caught.value.ede, caught.value.upstream) == (reason, Ede.NETWORK_ERROR, server.url)
        assert (one.asked, upstreams.stats()[server.url][0].failed) == ([], {reason: 2})


async def test_a_server_that_speaks_no_tls(upstreams: Upstreams, issuer: Issuer) -> None:
    """Clear text is never fallen back to."""
    async with upstream(lambda _m, _t: b"\0" * 200, udp=False) as one:
        with pytest.raises(UpstreamError, match="^(TLS failed|timeout|network error)$"):
            await upstreams.query(group(one.server("tls", NAME, issuer.ca_file)), query(), 0.5)
        assert [message for _, message, _ in one.asked if b"example" in message] == []


async def test_a_ca_file_that_cannot_be_used(upstreams: Upstreams, issuer: Issuer, tmp_path: Path) -> None:
    """It is missing, or no certificates; when it is put right the next question is answered."""
    file, good = tmp_path / "ca.pem", Path(issuer.ca_file).read_text()  # noqa: ASYNC240 - a test waits for nobody
    async with upstream(udp=False, tls=issuer.server()) as one:
        mine = group(one.server("tls", NAME, str(file)))
        for content in (None, "nonsense"):
            if content is not None:
                file.write_text(content)
            with pytest.raises(UpstreamError, match="^caFile cannot be used$"):
                await upstreams.query(mine, query(), 5.0)
        file.write_text(good)
        assert (await upstreams.query(mine, query(), 5.0))[0] == respond(query())


async def test_an_idle_connection_is_closed(upstreams: Upstreams, issuer: Issuer) -> None:
    """After ten seconds without questions (RFC 7858 section 3.4), seen by the clock of the loop; the next makes another."""
    async with upstream(udp=False, tls=issuer.server()) as one:
        mine = group(one.server("tls", NAME, issuer.ca_file))
        await upstreams.query(mine, query("a.example.com"), 5.0)
        link = next(iter(upstreams._links.values()))
        now = asyncio.get_running_loop().time()
        link.close_idle(now + 9)
        await upstreams.query(mine, query("b.example.com"), 5.0)
        link.close_idle(now + 30)
        await upstreams.query(mine, query("c.example.com"), 5.0)
        assert one.connections == 2
