"""The path of a query, whole."""

from __future__ import annotations

import pytest
from dnslib import DNSRecord, EDNSOption

from resolver.limits import InFlight
from tests.resolver.path import Path, ask, ede_of, texts


async def test_upstream_then_cache() -> None:
    """The first answer comes from upstream, the next from the tenant's cache with its TTL counted down."""
    path = Path()
    first = await path.get("www.example.org")
    path.now += 12.5
    second = await path.get("WWW.example.org", ident=9)
    assert (texts(first.rr), texts(second.rr)) == (["www.example.org. 300 A 192.0.2.1"], ["WWW.example.org. 288 A 192.0.2.1"])
    assert [event.answer_source for event in path.events] == ["upstream", "cache"]
    assert [event.upstream for event in path.events] == ["udp://127.0.0.1:5399", ""]
    assert path.numbers[0][2] == 1500
    assert (path.events[0].tags, len(path.upstream.asked)) == (("seen",), 1)


async def test_tenants_do_not_share_what_they_resolved() -> None:
    """Another tenant's question for the same name goes upstream."""
    path = Path()
    await path.get("www.example.org")
    await path.get("www.example.org", client="127.0.2.1")
    assert len(path.upstream.asked) == 2


async def test_ttl_is_over() -> None:
    """When the TTL is over upstream is asked again."""
    path = Path()
    await path.get("www.example.org")
    path.now += 300
    assert (await path.get("www.example.org")).rr[0].ttl == 300
    assert len(path.upstream.asked) == 2


async def test_negative_answers_are_cached() -> None:
    """A name error answers the name for every type, for as long as the SOA says."""
    path = Path()
    await path.get("gone.example.org")
    path.now += 59
    later = await path.get("gone.example.org", "TXT")
    assert (later.header.rcode, later.auth[0].ttl, len(path.upstream.asked)) == (3, 1, 1)
    path.now += 1
    await path.get("gone.example.org")
    assert len(path.upstream.asked) == 2


async def test_unknown_client_is_refused() -> None:
    """Nobody's client gets REFUSED, whatever it asks, and upstream never hears of it."""
    path = Path()
    answer = await path.get("www.example.org", client="127.0.9.9")
    assert (answer.header.rcode, path.upstream.asked) == (5, [])
    assert (path.events[0].tenant, path.events[0].verdict, path.events[0].rcode) == ("", "deny", "REFUSED")


async def test_frontend_may_not_resolve_com() -> None:
    """The word-for-word example: denied with NXDOMAIN, SOA and EDE 15 for the frontend, answered for others."""
    path = Path()
    denied = await path.get("www.example.com", client="127.0.1.10", edns=True)
    assert (denied.header.rcode, len(denied.auth), ede_of(denied)) == (3, 1, (15, "rules/no-com"))
    await path.get("www.example.com", client="127.0.1.11")
    assert [event.verdict for event in path.events] == ["deny", "allow"]
    assert "log" in path.events[0].tags


async def test_policy_stands_above_the_cache() -> None:
    """What one workload resolved and the tenant's cache remembers is still denied to another."""
    path = Path()
    path.upstream.zone.append("www.example.com. 300 IN A 192.0.2.7")
    await path.get("www.example.com", client="127.0.1.11")
    assert (await path.get("www.example.com", client="127.0.1.10")).header.rcode == 3


@pytest.mark.parametrize(
    ("name", "rcode", "answers", "authority"),
    [("nodata.bad", 0, [], 1), ("refused.bad", 5, [], 0), ("hole.bad", 0, ["hole.bad. 30 A 10.6.6.6"], 0),
     ("away.bad", 0, ["away.bad. 30 CNAME www.example.org.", "www.example.org. 300 A 192.0.2.1"], 0),
     ("home.bad", 0, ["home.bad. 30 CNAME portal.internal.", "portal.internal. 60 A 10.1.0.1", "portal.internal. 60 A 10.1.0.2"], 0)],
)  # fmt: skip
async def test_forms(name: str, rcode: int, answers: list[str], authority: int) -> None:
    """Each form of a deny, and redirects to names outside and to virtual names, with the addresses behind them."""
    answer = await Path().get(name)
    assert (answer.header.rcode, texts(answer.rr), len(answer.auth)) == (rcode, answers, authority)


async def test_redirect_is_a_forged_answer() -> None:
    """A redirect carries EDE 4 over the target's answer."""
    assert ede_of(await Path().get("away.bad", edns=True)) == (4, "rules/away")


async def test_audit_changes_nothing() -> None:
    """A rule in audit mode is recorded and the query answered."""
    path = Path()
    path.upstream.zone.append("watched.example.org. 60 IN A 192.0.2.8")
    assert (await path.get("watched.example.org")).rr[0].ttl == 60
    assert path.events[0].audits == (("rules/watch", "deny", "tenant"),)


async def test_virtual_names_come_first() -> None:
    """The same name is another answer per tenant, and upstream is not asked."""
    path = Path()
    acme, globex = await path.get("portal.internal"), await path.get("portal.internal", client="127.0.2.1")
    assert ([str(r.rdata) for r in acme.rr], [str(r.rdata) for r in globex.rr]) == (["10.1.0.1", "10.1.0.2"], ["10.2.0.1"])
    assert path.upstream.asked == []


async def test_virtual_alias_to_the_outside() -> None:
    """A virtual CNAME is answered with what its target has, and the cache holds the target for both names."""
    path = Path()
    first = await path.get("out.internal")
    path.now += 5
    second = await path.get("out.internal")
    assert texts(first.rr) == ["out.internal. 20 CNAME www.example.org.", "www.example.org. 300 A 192.0.2.1"]
    assert [r.ttl for r in second.rr] == [20, 295]
    await path.get("www.example.org")
    assert len(path.upstream.asked) == 1


async def test_no_oracle_for_other_tenants_names() -> None:
    """A name virtual for globex alone answers acme byte for byte like any missing name of the same length."""
    path = Path()
    for edns in (False, True):
        theirs = await path.raw(ask("shop.globex.internal", edns=edns))
        missing = await path.raw(ask("shop.nobody.internal", edns=edns))
        assert theirs is not None
        assert missing is not None
        assert theirs.replace(b"globex", b"nobody") == missing
    assert [(e.answer_source, e.rcode) for e in path.events[:2]] == [("upstream", "NXDOMAIN")] * 2


async def test_empty_non_terminals_exist() -> None:
    """Above a virtual name upstream's name error becomes NODATA, from upstream and from the cache; siblings stay missing."""
    path = Path()
    rcodes = [(await path.get(name)).header.rcode for name in ("deep.example", "deep.example", "b.deep.example", "c.deep.example")]
    assert rcodes == [0, 0, 0, 3]
    assert (await path.get("deep.example", client="127.0.2.1")).header.rcode == 3


async def test_upstream_by_suffix() -> None:
    """The group with the longest matching suffix is asked."""
    path = Path()
    await path.get("db.corp.example")
    assert path.events[0].upstream == "udp://127.0.0.1:5398"


async def test_no_upstream() -> None:
    """A tenant without upstream for a name gets SERVFAIL and the reason; its default deny still stands before."""
    path = Path()
    assert ede_of(await path.get("x.example", client="127.0.3.1", edns=True)) == (15, "denied by default")
    path.apply("{apiVersion: nameward.io/v1, kind: Tenant, metadata: {name: island}, spec: {default: allow, clients: [{subnets: [127.0.3.0/24]}]}}")
    answer = await path.get("x.example", client="127.0.3.1", edns=True)
    assert (answer.header.rcode, ede_of(answer)) == (2, (0, "no upstream for this name"))


async def test_upstream_fails() -> None:
    """When no server answers: SERVFAIL, EDE 23, and the server in the event."""
    path = Path()
    path.upstream.broken = True
    answer = await path.get("www.example.org", edns=True)
    assert (answer.header.rcode, ede_of(answer)) == (2, (23, "timeout"))
    assert (path.events[0].answer_source, path.events[0].upstream, path.numbers[0][2]) == ("error", "udp://127.0.0.1:5399", 1000)


async def test_upstream_fails_itself() -> None:
    """A failure of upstream passes with its EDE and is remembered for one second (RFC 9520)."""
    path = Path()
    path.upstream.rcode, path.upstream.options = 2, [EDNSOption(15, b"\0\x06bogus")]
    for _ in range(2):
        answer = await path.get("www.example.org", edns=True)
        assert (answer.header.rcode, ede_of(answer)) == (2, (6, "bogus"))
    assert len(path.upstream.asked) == 1
    path.now += 1
    await path.get("www.example.org")
    assert len(path.upstream.asked) == 2


async def test_do_is_passed_on() -> None:
    """DO goes upstream and comes back, and is a question of its own for the cache."""
    path = Path()
    answer = await path.get("www.example.org", do=True)
    await path.get("www.example.org")
    assert answer.ar[0].edns_do == 1
    assert [asked.ar[0].edns_do for asked in path.upstream.asked] == [1, 0]


@pytest.mark.parametrize(
    ("message", "rcode"),
    [(ask("a.example", "AXFR"), 5), (ask("a.example", "IXFR"), 5), (ask("a.example")[:20], 1), (b"\0\1\x10\0\0\1" + ask("a.example")[6:], 4),
     (ask("a.example", edns=True)[:-5] + b"\1" + ask("a.example", edns=True)[-4:], 0)],
)  # fmt: skip
async def test_queries_that_are_none_of_ours(message: bytes, rcode: int) -> None:
    """Transfers, broken bytes, other opcodes and EDNS versions get their rcode, and one event each."""
    path = Path()
    answer = await path.raw(message)
    assert answer is not None
    assert answer[3] & 15 == rcode
    assert (len(path.events), path.events[0].tenant, path.upstream.asked) == (1, "acme", [])


async def test_silence() -> None:
    """Responses and fragments of a header get neither an answer nor an event."""
    path = Path()
    assert await path.raw(b"\0\1\x81\x80" + bytes(8)) is None
    assert await path.raw(b"\0\1\1") is None
    assert (path.events, path.handler.ignored) == ([], 2)


async def test_any() -> None:
    """ANY is the same HINFO for names that exist and for those that do not."""
    path = Path()
    answers = [await path.raw(ask(name, "ANY")) for name in ("www.example.org", "not.example.org")]
    assert answers[0] is not None
    assert answers[1] == answers[0].replace(b"\3www", b"\3not")
    assert path.upstream.asked == []


async def test_without_recursion_desired() -> None:
    """RD 0: local data and the cache answer, anything else is refused with EDE 20 instead of asked upstream."""
    path = Path()
    answer = await path.get("www.example.org", rd=False, edns=True)
    assert (answer.header.rcode, ede_of(answer)) == (5, (20, "recursion was not desired"))
    assert (await path.get("portal.internal", rd=False)).header.rcode == 0
    await path.get("www.example.org")
    assert (await path.get("www.example.org", rd=False)).rr[0].ttl == 300
    assert len(path.upstream.asked) == 1


async def test_tcp_is_not_truncated() -> None:
    """The same large answer is truncated over UDP and whole over TCP."""
    path = Path()
    path.upstream.zone += [f"big.example.org. 60 IN A 203.0.113.{n}" for n in range(100)]
    udp, tcp = await path.raw(ask("big.example.org")), await path.raw(ask("big.example.org"), transport="tcp")
    assert udp is not None
    assert tcp is not None
    assert (DNSRecord.parse(udp).header.tc, len(udp) <= 512, len(DNSRecord.parse(tcp).rr)) == (1, True, 100)
    assert [event.transport for event in path.events] == ["udp", "tcp"]


async def test_policy_changes_while_upstream_is_asked() -> None:
    """An answer computed under the old policy is not served after the swap: the query is decided anew."""
    path = Path()
    deny = """
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: late}
spec: {tier: platform, rules: [{name: never, match: {qname: [.example.org]}, action: deny}]}
"""

    def meanwhile() -> None:
        path.now += 0.5
        path.apply(deny)

    path.upstream.before_answer = meanwhile
    answer = await path.get("www.example.org", edns=True)
    assert (answer.header.rcode, ede_of(answer)) == (3, (15, "late/never"))
    assert (path.events[0].rule, path.events[0].policy_version) == ("late/never", path.store.version)


async def test_unrelated_policy_change_while_upstream_is_asked() -> None:
    """If the new policy decides the same, what upstream just said is the answer; it is not asked again."""
    path = Path()

    def meanwhile() -> None:
        path.now += 0.5
        path.store.swap(path.now)

    path.upstream.before_answer = meanwhile
    assert texts((await path.get("www.example.org")).rr) == ["www.example.org. 300 A 192.0.2.1"]
    assert len(path.upstream.asked) == 1


async def test_policy_changes_without_end() -> None:
    """However often policy changes meanwhile: what the servers say that it still names is an answer, kept or not."""
    path = Path()
    path.upstream.zone = ["www.example.org. 0 IN A 192.0.2.1"]
    path.upstream.before_answer = lambda: path.store.swap(path.now) and None
    answer = await path.get("www.example.org")
    assert (texts(answer.rr), len(path.upstream.asked)) == (["www.example.org. 0 A 192.0.2.1"], 1)


OTHER_SERVERS = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: globex}
spec: {default: allow, clients: [{subnets: [127.0.2.0/24]}], upstreams: [{servers: ["udp://127.0.0.1:{{port}}"]}]}
"""


async def test_upstreams_change_without_end() -> None:
    """If the servers to ask are others each time an answer comes, the query fails in bounded time."""
    path = Path()
    ports = iter(range(5000, 5100))
    path.upstream.before_answer = lambda: path.apply(OTHER_SERVERS.replace("{{port}}", str(next(ports))))
    answer = await path.get("www.example.org", client="127.0.2.1")
    assert (answer.header.rcode, len(path.upstream.asked)) == (2, 4)


async def test_servers_that_failed_were_replaced_meanwhile() -> None:
    """A query that waits for dead servers when policy names others is answered by those."""
    path = Path()
    path.upstream.broken = True

    def meanwhile() -> None:
        path.upstream.before_answer = lambda: setattr(path.upstream, "broken", False)
        path.apply(OTHER_SERVERS.replace("{{port}}", "5397"))

    path.upstream.before_answer = meanwhile
    answer = await path.get("www.example.org", client="127.0.2.1")
    assert texts(answer.rr) == ["www.example.org. 300 A 192.0.2.1"]
    assert [event.upstream for event in path.events] == ["udp://127.0.0.1:5397"]


async def test_servers_fail_while_another_thing_changes() -> None:
    """A failure stays one when policy names the same servers as before; they are not asked again."""
    path = Path()
    path.upstream.broken = True
    path.upstream.before_answer = lambda: path.store.swap(path.now) and None
    answer = await path.get("www.example.org", client="127.0.2.1")
    assert (answer.header.rcode, len(path.upstream.asked)) == (2, 1)


async def test_a_client_that_changes_hands_meanwhile() -> None:
    """What one tenant asked is no answer for the tenant that has its client now, though both name the same servers."""
    path = Path()
    taken = OTHER_SERVERS.replace("globex", "taker").replace("127.0.2.0/24", "127.0.2.1").replace("{{port}}", "5399")

    def meanwhile() -> None:
        path.upstream.before_answer = lambda: None
        path.apply(taken)

    path.upstream.before_answer = meanwhile
    await path.get("www.example.org", client="127.0.2.1")
    assert (path.events[0].tenant, len(path.upstream.asked)) == ("taker", 2)


async def test_changed_upstreams_start_afresh() -> None:
    """What other servers said is not served once a tenant's servers change."""
    path = Path()
    await path.get("www.example.org", client="127.0.2.1")
    path.apply("""
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: globex}
spec: {default: allow, clients: [{subnets: [127.0.2.0/24]}], upstreams: [{servers: ["udp://127.0.0.1:5397"]}]}
""")
    await path.get("www.example.org", client="127.0.2.1")
    assert [event.upstream for event in path.events] == ["udp://127.0.0.1:5399", "udp://127.0.0.1:5397"]


async def test_too_many_wait() -> None:
    """Beyond the bound of queries in flight the answer is SERVFAIL at once, and the bound frees itself."""
    path = Path()
    path.handler.in_flight = InFlight(0)
    answer = await path.get("www.example.org", edns=True)
    assert (answer.header.rcode, ede_of(answer)) == (2, (0, "too many queries in flight"))
    assert (path.handler.in_flight.total, path.handler.in_flight.refused) == (0, 1)


async def test_every_query_is_one_event() -> None:
    """One event per query, whatever became of it."""
    path = Path()
    names = ["www.example.org", "www.example.org", "portal.internal", "drop.bad", "gone.example", "a.loop", "refused.bad"]
    for name in names:
        await path.raw(ask(name))
    assert [event.qname for event in path.events] == names
