"""Virtual names that stand for other names, as clients see them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from resolver.explain import explained
from resolver.posed import question
from schemas.signals import ContextSignal
from tests.resolver.path import NOW, POLICY, Path, ask, ede_of, texts

TARGETS = """
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: flat}
spec: {name: flat.internal, tenants: [acme], targets: [{name: Alias.Example.org}], ttl: 25}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: shown}
spec: {name: shown.internal, tenants: [acme], targets: [{name: alias.example.org}], answer: cname, ttl: 25}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: inner}
spec: {name: inner.internal, tenants: [acme], targets: [{name: portal.internal}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: outer}
spec: {name: outer.internal, tenants: [acme], targets: [{name: inner.internal}], answer: cname}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: behind}
spec: {name: behind.internal, tenants: [acme], records: [{type: CNAME, data: flat.internal, ttl: 90}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: gone}
spec: {name: gone.internal, tenants: [acme], targets: [{name: missing.example.org}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: round}
spec: {name: round.internal, tenants: [acme], targets: [{name: robin.internal}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: robin}
spec: {name: robin.internal, tenants: [acme], targets: [{name: round.internal}], answer: cname}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: split}
spec:
  name: split.internal
  tenants: [acme]
  sticky: false
  targets: [{name: one.example.org}, {name: two.example.org}]
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: sticky}
spec: {name: sticky.internal, tenants: [acme], targets: [{name: one.example.org}, {name: two.example.org}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: mine}
spec: {name: mine.internal, tenants: [acme], targets: [{name: portal.internal, clients: {matchLabels: {app: frontend}}}]}
"""
ZONE = [
    "www.example.org. 300 IN A 192.0.2.1", "www.example.org. 300 IN A 192.0.2.2", "www.example.org. 300 IN MX 5 mail.example.org.",
    "alias.example.org. 40 IN CNAME www.example.org.", "one.example.org. 60 IN A 192.0.2.11", "two.example.org. 60 IN A 192.0.2.12",
]  # fmt: skip


def path() -> Path:
    """A resolver with these names and this upstream."""
    made = Path(POLICY + TARGETS)
    made.upstream.zone = ZONE
    return made


@pytest.mark.parametrize(
    ("name", "qtype", "records"),
    [
        ("flat.internal", "A", ["flat.internal. 25 A 192.0.2.1", "flat.internal. 25 A 192.0.2.2"]),
        ("Flat.Internal", "MX", ["Flat.Internal. 25 MX 5 mail.example.org."]),
        (
            "shown.internal", "A",
            [
                "shown.internal. 25 CNAME alias.example.org.", "alias.example.org. 40 CNAME www.example.org.",
                "www.example.org. 300 A 192.0.2.1", "www.example.org. 300 A 192.0.2.2",
            ],
        ),
        ("shown.internal", "CNAME", ["shown.internal. 25 CNAME alias.example.org."]),
        ("inner.internal", "A", ["inner.internal. 30 A 10.1.0.1", "inner.internal. 30 A 10.1.0.2"]),
        ("outer.internal", "A", ["outer.internal. 30 CNAME inner.internal.", "inner.internal. 30 A 10.1.0.1", "inner.internal. 30 A 10.1.0.2"]),
        ("behind.internal", "A", ["behind.internal. 90 CNAME flat.internal.", "flat.internal. 25 A 192.0.2.1", "flat.internal. 25 A 192.0.2.2"]),
    ],
)  # fmt: skip
async def test_what_a_target_has(name: str, qtype: str, records: list[str]) -> None:
    """Flattened, a target's records are the name's own and its chain is not shown; as CNAME the way is; virtual or not."""
    answer = await path().get(name, qtype)
    assert (answer.header.rcode, texts(answer.rr)) == (0, records)


@pytest.mark.parametrize(
    ("name", "qtype"),
    [("flat.internal", "TXT"), ("flat.internal", "CNAME"), ("flat.internal", "SOA"), ("flat.internal", "NS"), ("gone.internal", "A"), ("inner.internal", "AAAA"), ("mine.internal", "A")],
)  # fmt: skip
async def test_nothing_of_that_type(name: str, qtype: str) -> None:
    """The name exists whatever its target has, even a missing one, and shows none of its SOA."""
    answer = await path().get(name, qtype)
    assert (answer.header.rcode, answer.rr) == (0, [])
    assert texts(answer.auth)[0].startswith(f"{name}. 30 SOA ns.nameward.invalid." if name != "flat.internal" else f"{name}. 25 SOA ns.nameward.invalid.")


async def test_time_counts_for_the_shorter() -> None:
    """A flattened TTL is what the target's chain has left, capped; a cached target costs no second question."""
    resolver = path()
    seen = []
    for seconds in (0, 10, 20, 9):
        resolver.now += seconds
        seen.append([record.ttl for record in (await resolver.get("flat.internal")).rr])
    assert seen == [[25, 25], [25, 25], [10, 10], [1, 1]]
    assert len(resolver.upstream.asked) == 1
    resolver.now += 1
    assert [record.ttl for record in (await resolver.get("flat.internal")).rr] == [25, 25]


async def test_failure_of_the_target() -> None:
    """A target that cannot be looked up is a failure of the name, with nothing else in the answer."""
    resolver = path()
    resolver.upstream.rcode = 2
    answer = await resolver.get("flat.internal")
    assert (answer.header.rcode, answer.rr, answer.auth) == (2, [], [])


async def test_loops_end() -> None:
    """Names that stand for each other are a failure that says so."""
    answer = await path().get("round.internal", edns=True)
    assert (answer.header.rcode, answer.rr, ede_of(answer)) == (2, [], (0, "too many aliases"))


async def test_chance_is_not_repeated() -> None:
    """Without stickiness each query draws, also when answers are cached: the fast path does not keep them."""
    resolver = path()
    resolver.draws.extend([0.9])
    answers = [str((await resolver.get("split.internal")).rr[0].rdata) for _ in range(6)]
    assert answers == ["192.0.2.11", "192.0.2.12"] * 3
    assert resolver.fastpath.table() == {}


async def test_sticky_answers_are_repeated() -> None:
    """A sticky choice is kept by the fast path, one client's is not another's, and both targets have clients."""
    resolver = path()
    clients = [f"127.0.1.{number}" for number in range(20, 60)]
    answers = [str((await resolver.get("sticky.internal", client=client)).rr[0].rdata) for client in clients]
    assert set(answers) == {"192.0.2.11", "192.0.2.12"}
    assert [str((await resolver.get("sticky.internal", client=client)).rr[0].rdata) for client in clients] == answers
    assert len(resolver.fastpath.table()) >= len(clients)


def signal(subject: str, seconds: float) -> ContextSignal:
    """A health signal that calls the subject down for a while."""
    return ContextSignal(
        tenant="acme", kind="health", subject=subject, value="down", source="prober", reason="refused",
        created=datetime.fromtimestamp(NOW, UTC), expires=datetime.fromtimestamp(NOW + seconds, UTC),
    )  # fmt: skip


async def test_signals_move_answers() -> None:
    """A target called down is passed over from the next query on, and comes back when the signal has expired."""
    resolver = path()
    message, client = ask("sticky.internal"), "127.0.1.20"
    before = str((await resolver.get("sticky.internal", client=client)).rr[0].rdata)
    await resolver.raw(message, client)
    down = "one.example.org" if before.endswith("11") else "two.example.org"
    resolver.store.put_signal(signal(down, 30), resolver.now)
    resolver.store.swap(resolver.now)
    other = str((await resolver.get("sticky.internal", client=client)).rr[0].rdata)
    assert {before, other} == {"192.0.2.11", "192.0.2.12"}
    await resolver.raw(message, client)
    known = resolver.fastpath.table()[client, message[2:]]
    assert known.end == NOW + 30
    resolver.now += 31
    assert str((await resolver.get("sticky.internal", client=client)).rr[0].rdata) == before


async def test_events_show_the_name_asked() -> None:
    """The event of a flattened answer holds what was asked and what was shown."""
    resolver = path()
    await resolver.get("flat.internal")
    event = resolver.events[-1]
    assert (event.qname, event.answer_source, event.answers) == ("flat.internal", "upstream", (("A", "192.0.2.1", 25), ("A", "192.0.2.2", 25)))


def test_explanations_have_the_reasons() -> None:
    """The story of a query names each target with weight, share and reason."""
    resolver = path()
    story = explained(resolver.store.current, resolver.caches, "127.0.1.1", question("mine.internal", "A"), transport="udp", now=NOW)
    assert story["virtual"] == [
        {
            "name": "mine.internal", "answer": "flatten",
            "targets": [{
                "target": "portal.internal", "weight": 1, "zone": "", "share": 0.0, "chosen": False,
                "why": "the client has no label app, expected 'frontend'",
            }],
        }
    ]  # fmt: skip
    story = explained(resolver.store.current, resolver.caches, "127.0.1.1", question("outer.internal", "A"), transport="udp", now=NOW)
    assert [(step["name"], step["targets"][0]["target"], step["targets"][0]["chosen"]) for step in story["virtual"]] == [
        ("outer.internal", "inner.internal", True), ("inner.internal", "portal.internal", True),
    ]  # fmt: skip


INSPECTING = """
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: seen}
spec:
  tier: tenant
  tenants: [acme]
  rules:
  - {name: block, match: {addresses: [192.0.2.2/32]}, action: deny}
  - {name: hop, match: {cname: [one.example.org]}, action: deny}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: hop}
spec: {name: hop.internal, tenants: [acme], targets: [{name: one.example.org}], answer: cname}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: hidden}
spec: {name: hidden.internal, tenants: [acme], targets: [{name: one.example.org}]}
"""


@pytest.mark.parametrize(("name", "rule"), [("flat.internal", "seen/block"), ("hop.internal", "seen/hop"), ("hidden.internal", "")])
async def test_rules_see_what_is_shown(name: str, rule: str) -> None:
    """Rules on the answer hold for flattened records and shown hops, asked for or remembered, not for what nobody sees."""
    resolver = path()
    resolver.apply(INSPECTING)
    for _ in range(2):
        answer = await resolver.get(name)
        assert (answer.header.rcode, resolver.events[-1].rule) == (3 if rule else 0, rule)


async def test_a_public_target_may_not_lead_inside() -> None:
    """The guard against DNS rebinding looks at what a public target answers, also under a virtual name."""
    resolver = path()
    resolver.upstream.zone = ["one.example.org. 60 IN A 10.0.0.1", "two.example.org. 60 IN A 10.0.0.1"]
    assert (await resolver.get("sticky.internal")).header.rcode == 3
    assert resolver.events[-1].rule == "rebinding-guard"


@pytest.mark.parametrize("name", ["flat.internal", "shown.internal", "behind.internal"])
async def test_hostile_data_of_a_target(name: str) -> None:
    """Names in a target's data that cannot be read where the answer has to be written anew are a failure of upstream."""
    resolver = path()

    async def hostile(group: object, message: bytes, *_: object) -> tuple[bytes, str, int]:
        question = message[12 : message.index(b"\0", 12) + 5]
        record = b"\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x08\0\1\0\2\0\x50\xc0\xff"  # SRV whose target points beyond the message
        return message[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + question + record, "udp://127.0.0.1:5399", 700

    resolver.upstream.query = hostile  # type: ignore[method-assign]
    for _ in range(2):  # asked for, and remembered
        answer = await resolver.get(name, "SRV", edns=True)
        assert (answer.header.rcode, answer.rr) == (2, [])
        assert ede_of(answer) == (23, "malformed response: compression pointer that does not point back")
