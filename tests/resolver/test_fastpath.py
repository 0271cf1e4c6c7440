"""The fast path."""

from __future__ import annotations

from dnslib import DNSRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.store import PolicyStore
from tests.resolver.path import NOW, POLICY, Path, ask

CLIENT = "127.0.1.1"
DENY = """
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {{name: flip}}
spec: {{tier: platform, rules: [{{name: flip, match: {{qname: [www.example.org, portal.internal]}}, action: {action}}}]}}
"""


def fast(path: Path, message: bytes, client: str = CLIENT) -> bytes | None:
    """What the listener does with the fast path."""
    known = path.fastpath.table().get((client, message[2:]))
    if known is None or known.epoch != path.store.current.epoch:
        return None
    if path.clock() < known.until_ns or path.fastpath.renew(known, path.clock()):
        return message[:2] + known.tail
    return None


async def serve(path: Path, message: bytes, client: str = CLIENT) -> bytes | None:
    """One query as the listener takes it."""
    return fast(path, message, client) or await path.raw(message, client)


async def test_admission() -> None:
    """Answers of upstream never enter; what the cache gave enters at once; local answers enter at their second time."""
    path = Path()
    sizes = []
    for name in ("www.example.org", "www.example.org", "portal.internal", "portal.internal"):
        await path.raw(ask(name))
        sizes.append(len(path.fastpath.table()))
    assert sizes == [0, 1, 1, 2]


async def test_random_names_leave_nothing() -> None:
    """A flood of names asked once, denied, virtual or missing, takes no room."""
    path = Path()
    for number in range(300):
        await path.raw(ask(f"x{number}.com"), "127.0.1.10")
        await path.raw(ask(f"x{number}.example.org"))
        await path.raw(ask(f"x{number}.org"), "127.0.9.9")
    assert len(path.fastpath) == 0


async def test_same_answer_with_its_own_id() -> None:
    """The known answer is what the handler would say, with the id of the query."""
    path = Path()
    for _ in range(2):
        await path.raw(ask("portal.internal"))
    assert fast(path, ask("portal.internal", ident=4242)) == await path.raw(ask("portal.internal", ident=4242))


async def test_what_is_another_query() -> None:
    """Another client, spelling, flag or option is not known, and TCP answers are not remembered."""
    path = Path()
    for _ in range(2):
        await path.raw(ask("portal.internal"))
        await path.raw(ask("one.internal"), transport="tcp")
    assert fast(path, ask("portal.internal"))
    assert not fast(path, ask("portal.internal"), "127.0.2.1")
    for message in (ask("Portal.internal"), ask("portal.internal", edns=True), ask("portal.internal", rd=False), ask("one.internal")):
        assert not fast(path, message)


@given(st.lists(st.floats(0, 40), max_size=12))
@settings(deadline=None)
async def test_ttls_count_down(steps: list[float]) -> None:
    """At any time the TTL shown is the TTL left in whole seconds, and an answer whose time is over is not given."""
    path = Path(POLICY.replace("default: allow", "default: allow\n  caching: {prefetch: false}", 1))
    for _ in range(2):
        await path.raw(ask("www.example.org"))
    for step in steps:
        path.now += step
        answer = fast(path, ask("www.example.org"))
        age = int(path.now - NOW)
        assert (answer is None) == (path.now - NOW >= 300)
        if answer:
            assert DNSRecord.parse(answer).rr[0].ttl == 300 - age
            known = path.fastpath.table()[CLIENT, ask("www.example.org")[2:]]
            assert known.template.answers == (("A", "192.0.2.1", 300 - age),)


async def test_rendered_once_a_second() -> None:
    """Within a second the same bytes go out; the next second renders anew, once."""
    path = Path()
    for _ in range(2):
        await path.raw(ask("www.example.org"))
    known = path.fastpath.table()[CLIENT, ask("www.example.org")[2:]]
    tails = set()
    for _ in range(25):
        path.now += 0.1
        fast(path, ask("www.example.org"))
        tails.add(id(known.tail))
        tails.add(known.tail)
    assert len([tail for tail in tails if isinstance(tail, bytes)]) == 3


async def test_clock_set_back() -> None:
    """Before an answer's birth it is not known."""
    path = Path()
    for _ in range(2):
        await path.raw(ask("www.example.org"))
    path.now -= 3600
    known = path.fastpath.table()[CLIENT, ask("www.example.org")[2:]]
    assert not path.fastpath.renew(known, path.clock())


@given(st.lists(st.tuples(st.sampled_from(["allow", "deny", "ask", "tick"]), st.booleans()), max_size=25))
@settings(deadline=None, max_examples=60)
async def test_nothing_old_after_a_swap(steps: list[tuple[str, bool]]) -> None:
    """Whatever is asked between policy changes, the answer after a swap is one the policy in force gives."""
    path, action = Path(), "allow"
    for what, virtual in steps:
        if what in {"allow", "deny"}:
            action = what
            path.apply(DENY.format(action=what))
        elif what == "tick":
            path.now += 0.7
        else:
            answer = await serve(path, ask("portal.internal" if virtual else "www.example.org"))
            assert answer is not None
            assert answer[3] & 15 == (3 if action == "deny" else 0)


async def test_expiring_rule() -> None:
    """A rule's expiry ends what was decided by it, without a swap."""
    path = Path()
    path.apply("""
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: brief}
spec: {tier: platform, rules: [{name: brief, match: {qname: [portal.internal]}, action: deny, expires: "2027-01-15T08:00:10Z"}]}
""")
    path.now = 1_800_000_000.0  # 2027-01-15T08:00:00Z
    assert isinstance(path.store, PolicyStore)
    rcodes = []
    for _ in range(14):
        answer = await serve(path, ask("portal.internal"))
        assert answer is not None
        rcodes.append(answer[3] & 15)
        path.now += 1
    assert rcodes == [3] * 10 + [0] * 4


async def test_a_flood_of_one_tenant_leaves_the_others_in() -> None:
    """Whoever holds most makes room: what a quiet tenant asked stays known through another's flood."""
    path = Path(capacity=64)
    quiet = ask("portal.internal")
    for _ in range(2):
        await path.raw(quiet, "127.0.2.1")
    for number in range(500):
        for _ in range(2):
            await path.raw(ask("portal.internal", payload=512 + number, edns=True))
        assert len(path.fastpath) <= 64
    assert fast(path, quiet, "127.0.2.1")


async def test_where_nobody_stands_out_the_oldest_make_room() -> None:
    """Many tenants with little each: the room is bounded, the newest are known."""
    names = [f"t{number}" for number in range(40)]
    head = "apiVersion: nameward.io/v1\nkind: Tenant\nmetadata: {name: "
    shared = "apiVersion: nameward.io/v1\nkind: VirtualName\nmetadata: {name: v}\nspec: {name: v.internal, records: [{type: A, data: 10.0.0.1}]}"
    path = Path("---\n".join([f"{head}{name}}}\nspec: {{default: allow, clients: [{{subnets: [10.0.0.{number}]}}]}}\n"
                              for number, name in enumerate(names)] + [shared]), capacity=32)  # fmt: skip
    for number in range(40):
        for _ in range(2):
            await path.raw(ask("v.internal"), f"10.0.0.{number}")
        assert len(path.fastpath) <= 32
    assert not fast(path, ask("v.internal"), "10.0.0.0")
    assert fast(path, ask("v.internal"), "10.0.0.39")


async def test_bounded() -> None:
    """At capacity the oldest make room."""
    path = Path(capacity=16)
    messages = [ask("portal.internal", payload=512 + number, edns=True) for number in range(50)]
    for message in messages:
        for _ in range(2):
            await path.raw(message)
    assert len(path.fastpath.table()) <= 16
    assert fast(path, messages[-1])
    assert not fast(path, messages[0])
