"""Rules on the answer on the whole path: from upstream, cache, virtual names; redirects after the fact; what is repeated."""

from __future__ import annotations

from typing import Any

import pytest

from resolver.explain import explained
from resolver.posed import question
from tests.resolver.path import Path, ask, ede_of, texts

TENANT = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: acme}}
spec:
  default: {default}
  clients: [{{subnets: [127.0.1.0/24]}}]
  workloads: [{{name: frontend, subnets: [127.0.1.10], labels: {{app: frontend}}}}]
  upstreams: [{{servers: ["udp://127.0.0.1:5399"]}}]
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {{name: portal}}
spec: {{name: portal.internal, tenants: [acme], records: [{{type: A, data: 10.1.0.1, ttl: 60}}]}}
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {{name: p}}
spec:
  tier: tenant
  tenants: [acme]
  rules:
{rules}
"""
ZONE = ["www.example. 300 IN CNAME edge.tracker.example.", "edge.tracker.example. 300 IN A 192.0.2.1",
        "evil.example. 300 IN A 10.0.0.1", "fine.example. 300 IN A 198.51.100.1"]  # fmt: skip


def path_of(*rules: str, default: str = "allow") -> Path:
    """A path whose tenant has these rules."""
    path = Path(TENANT.format(default=default, rules="\n".join(f"  - {{{rule}}}" for rule in rules)))
    path.upstream.zone = list(ZONE)
    return path


ADDRESSES = "match: {addresses: [192.0.2.0/24, 10.1.0.0/16]}"
FORMS = [
    ("", 3, [], 1, (15, "p/d")),
    (", answer: {form: nodata}", 0, [], 1, (15, "p/d")),
    (", answer: {form: refused}", 5, [], 0, (15, "p/d")),
    (", answer: {form: addresses, addresses: [203.0.113.9]}", 0, ["www.example. 30 A 203.0.113.9"], 0, (4, "p/d")),
]


@pytest.mark.parametrize(("form", "rcode", "answers", "authority", "ede"), FORMS)
async def test_forms_of_a_deny_on_the_answer(
    form: str, rcode: int, answers: list[str], authority: int, ede: tuple[int, str]
) -> None:
    """Each form, from upstream first and then from the cache, and the event tells who had been asked."""
    path = path_of(f"name: d, action: deny, {ADDRESSES}{form}")
    for _ in range(2):
        answer = await path.get("www.example", edns=True)
        assert (answer.header.rcode, texts(answer.rr), len(answer.auth)) == (rcode, answers, authority)
        assert ede_of(answer) == ede
    assert len(path.upstream.asked) == 1
    assert [(event.verdict, event.rule, event.answer_source) for event in path.events] == [("deny", "p/d", "policy")] * 2
    assert [event.upstream for event in path.events] == ["udp://127.0.0.1:5399", ""]


async def test_silence_on_the_answer() -> None:
    """A drop is a drop after the fact too."""
    path = path_of(f"name: d, action: deny, {ADDRESSES}, answer: {{form: drop}}")
    assert await path.raw(ask("www.example")) is None
    assert await path.raw(ask("fine.example")) is not None


async def test_every_hop_of_the_chain_is_looked_at() -> None:
    """A name that hides behind a CNAME is found by its target (CNAME cloaking)."""
    path = path_of("name: d, action: deny, match: {cname: [.tracker.example]}")
    assert (await path.get("www.example")).header.rcode == 3
    assert (await path.get("fine.example")).header.rcode == 0


async def test_virtual_answers_are_looked_at_too() -> None:
    """A rule on addresses holds for answers made here."""
    path = path_of(f"name: d, action: deny, {ADDRESSES}")
    assert (await path.get("portal.internal")).header.rcode == 3
    assert path.upstream.asked == []


async def test_each_client_gets_its_own_verdict_on_a_shared_answer() -> None:
    """The cache holds what upstream said, not what one client was told."""
    path = path_of(f"name: d, action: deny, clients: {{matchLabels: {{app: frontend}}}}, {ADDRESSES}")
    assert (await path.get("www.example", client="127.0.1.10")).header.rcode == 3
    assert (await path.get("www.example", client="127.0.1.11")).header.rcode == 0
    assert (await path.get("www.example", client="127.0.1.10")).header.rcode == 3
    assert len(path.upstream.asked) == 1


async def test_denied_unless_the_answer_is_right() -> None:
    """With an allow on the answer before a deny, the answer is fetched, and denied when it does not match."""
    path = path_of(f"name: ok, action: allow, {ADDRESSES}", default="deny")
    assert [(await path.get(name)).header.rcode for name in ("www.example", "fine.example", "www.example", "fine.example")] == [0, 3, 0, 3]
    assert [(event.verdict, event.rule) for event in path.events] == [("allow", "p/ok"), ("deny", "")] * 2


async def test_denied_at_once_asks_nobody() -> None:
    """With denies alone before a deny, nobody is asked: nothing of the query leaves."""
    path = path_of(f"name: net, action: deny, {ADDRESSES}", "name: all, action: deny")
    assert (await path.get("www.example")).header.rcode == 3
    assert path.upstream.asked == []


REDIRECTS = [
    ("fine.example", ["www.example. 30 CNAME fine.example.", "fine.example. 300 A 198.51.100.1"], 2),
    ("portal.internal", ["www.example. 30 CNAME portal.internal.", "portal.internal. 60 A 10.1.0.1"], 1),
    # what a rule redirects to is not looked at again, be it what the rule was about
    ("www.example", ["www.example. 30 CNAME www.example.", "www.example. 300 CNAME edge.tracker.example.",
                     "edge.tracker.example. 300 A 192.0.2.1"], 1),
]  # fmt: skip


@pytest.mark.parametrize(("target", "answers", "asked"), REDIRECTS)
async def test_redirects_after_the_fact(target: str, answers: list[str], asked: int) -> None:
    """A redirect on the answer leads to names of upstream, of the cache and to virtual ones, once."""
    path = path_of(f"name: r, action: redirect, answer: {{target: {target}}}, {ADDRESSES}")
    for _ in range(2):
        answer = await path.get("www.example", edns=True)
        assert (texts(answer.rr), ede_of(answer)) == (answers, (4, "p/r"))
    assert len(path.upstream.asked) == asked
    assert {(event.verdict, event.rule) for event in path.events} == {("redirect", "p/r")}


async def test_rules_on_failures() -> None:
    """A rule on SERVFAIL sends clients elsewhere when upstream fails; without one a failure stays a failure."""
    path = path_of("name: r, action: redirect, answer: {target: portal.internal}, match: {qname: [www.example], rcode: [SERVFAIL]}")
    path.upstream.broken = True
    assert texts((await path.get("www.example")).rr)[1:] == ["portal.internal. 60 A 10.1.0.1"]
    assert (await path.get("fine.example")).header.rcode == 2
    denied = path_of(f"name: ok, action: allow, {ADDRESSES}", default="deny")
    denied.upstream.broken = True
    assert (await denied.get("www.example")).header.rcode == 2
    assert (denied.events[0].verdict, denied.events[0].answer_source) == ("deny", "error")


async def test_a_redirect_that_fails_too_ends() -> None:
    """Where the name redirected to cannot be had either, the client is told of the fault."""
    path = path_of("name: r, action: redirect, answer: {target: fine.example}, match: {rcode: [SERVFAIL]}")
    path.upstream.broken = True
    assert (await path.get("www.example")).header.rcode == 2
    assert len(path.upstream.asked) == 2


async def test_rebinding_is_denied_and_told() -> None:
    """A public name with a private address is a name error naming the guard, in the event too; from the cache as well."""
    path = path_of("name: t, action: tag, tag: seen")
    for _ in range(3):
        answer = await path.get("evil.example", edns=True)
        assert (answer.header.rcode, ede_of(answer)) == (3, (15, "rebinding-guard"))
    assert {(event.verdict, event.rule, event.tier, event.tags) for event in path.events} == {
        ("deny", "rebinding-guard", "platform", ("seen",))
    }
    assert (await path.get("portal.internal")).header.rcode == 0


async def test_a_verdict_on_an_answer_is_repeated_no_longer_than_the_answer() -> None:
    """When the answer that was denied is over, upstream is asked again and the new answer decided anew."""
    path = path_of("name: all, action: allow")
    for _ in range(3):
        assert (await path.get("evil.example")).header.rcode == 3
    (known,) = path.fastpath.table("").values()
    assert known.until_ns <= (path.now + 300) * 1e9
    path.now += 301
    path.upstream.zone = ["evil.example. 300 IN A 198.51.100.9"]
    assert texts((await path.get("evil.example")).rr) == ["evil.example. 300 A 198.51.100.9"]


async def test_policy_that_changes_while_upstream_is_asked_decides_on_the_answer() -> None:
    """A rule on the answer that came into force meanwhile holds for the answer that comes."""
    path = path_of("name: all, action: allow")
    changed = TENANT.format(default="allow", rules=f"  - {{name: d, action: deny, {ADDRESSES}}}")
    path.upstream.before_answer = lambda: path.apply(changed)
    assert (await path.get("www.example")).header.rcode == 3


async def test_a_schedule_is_never_outlived_by_what_is_repeated() -> None:
    """A rule that begins to hold at a boundary holds for the query at that moment, however often it was answered before."""
    path = path_of(
        'name: d, action: deny, match: {qname: [fine.example]}, schedule: {timeZone: UTC, hours: ["08:01-08:02"]}'
    )
    for _ in range(3):
        assert (await path.get("fine.example")).header.rcode == 0
    (known,) = path.fastpath.table().values()
    assert known.end == path.now + 60
    assert not path.fastpath.renew(known, int((path.now + 60) * 1e9))
    path.now += 60
    assert (await path.get("fine.example")).header.rcode == 3
    path.now += 60
    assert (await path.get("fine.example")).header.rcode == 0


async def test_explain_tells_what_was_made_of_an_answer_at_hand() -> None:
    """Before anybody asked, rules on the answer wait; with the answer in the cache they have looked at it."""
    path = path_of(f"name: ok, action: allow, {ADDRESSES}", "name: all, action: deny")

    def story(name: str) -> dict[str, Any]:
        query = question(name, "A")
        return explained(path.store.current, path.caches, "127.0.1.1", query, transport="tls", now=path.now)

    waiting = story("fine.example")
    assert (waiting["verdict"], waiting["waits_for_answer"], waiting["answer_source"]) == ("allow", True, "upstream")
    assert [(rule["rule"], rule["outcome"]) for rule in waiting["rules"]] == [
        ("p/ok", "waits"), ("p/all", "verdict"), ("", "skip"), ("rebinding-guard", "waits"),
    ]  # fmt: skip
    await path.get("fine.example")
    seen = story("fine.example")
    assert (seen["verdict"], seen["rule"], seen["rcode"], seen["answer_source"]) == ("deny", "p/all", "NXDOMAIN", "policy")
    assert seen["rules"][0]["why"] == "no address of the answer (198.51.100.1) is in 192.0.2.0/24, 10.1.0.0/16"
    local = story("portal.internal")
    assert (local["verdict"], local["rule"], local["answer_source"]) == ("allow", "p/ok", "virtual")
    assert local["rules"][-1]["why"] == "the answer was made here"
