"""Bindings: who learnt which address until when, told once and again in time, in bounded memory."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from resolver.bindings import Bindings, Keep
from resolver.query import Record
from resolver.tenants import Asker, identify
from schemas.signals import Binding
from tests.resolver.path import NOW, POLICY, Path
from tests.resolver.policy.written import compiled, tenant

KEEP = Keep(at_least=60, grace=300)
OPEN = """
---
apiVersion: nameward.io/v1
kind: EgressRule
metadata: {name: web}
spec:
  action: allow
  tenants: [acme]
  names: [.example.org, portal.internal]
  ports: [{port: 443}]
---
apiVersion: nameward.io/v1
kind: EgressRule
metadata: {name: not-this}
spec: {action: deny, tenants: [acme], priority: 10, names: [alias.example.org]}
"""


def asker(address: str = "10.0.1.10", privacy: str = "clear") -> Asker:
    """A client of acme."""
    text = tenant().replace("  feedback:", f"  privacy: {{client: {privacy}}}\n  feedback:")
    found = identify(compiled(text), address)
    assert found is not None
    return found


def records(*addresses: str, ttl: int = 300) -> list[Record]:
    """An answer with these addresses."""
    return [Record("a.example", "AAAA" if ":" in address else "A", address, ttl) for address in addresses]


def told(bindings: Bindings, now: float = NOW) -> dict[str, Binding | None]:
    """What is told by now."""
    return dict(bindings.take(now))


def test_workload_learns_address() -> None:
    """Each address is told with its workload, the name asked, and TTL plus grace as its end."""
    bindings = Bindings("r1")
    bindings.learn(asker(), "a.example", records("192.0.2.1", "2001:db8::1"), KEEP, now=NOW)
    assert told(bindings) == {
        f"acme/frontend/a.example/{address}/r1": Binding(
            tenant="acme", workload="frontend", name="a.example", address=address, source="r1",
            until=datetime.fromtimestamp(NOW + 600, UTC),
        )
        for address in ("192.0.2.1", "2001:db8::1")
    }  # fmt: skip


def test_floor() -> None:
    """A short TTL keeps an address open for the floor."""
    bindings = Bindings("r1")
    bindings.learn(asker(), "a.example", records("192.0.2.1", ttl=1), KEEP, now=NOW)
    (binding,) = told(bindings).values()
    assert binding is not None
    assert binding.until.timestamp() == NOW + 360


def test_clients_without_workload_are_apart() -> None:
    """Where no workload is known the binding is the client's own."""
    bindings = Bindings("r1")
    bindings.learn(asker("10.0.1.7"), "a.example", records("192.0.2.1"), KEEP, now=NOW)
    ((key, binding),) = told(bindings).items()
    assert key == "acme/10.0.1.7/a.example/192.0.2.1/r1"
    assert binding is not None
    assert (binding.workload, binding.client) == ("", "10.0.1.7")


def test_hidden_clients_are_not_told() -> None:
    """A client that the tenant's privacy hides is told only as its workload."""
    bindings = Bindings("r1")
    bindings.learn(asker("10.0.1.7", "pseudonym"), "a.example", records("192.0.2.1"), KEEP, now=NOW)
    assert told(bindings) == {}
    bindings.learn(asker("10.0.1.10", "drop"), "a.example", records("192.0.2.1"), KEEP, now=NOW)
    assert list(told(bindings)) == ["acme/frontend/a.example/192.0.2.1/r1"]


def test_same_answer_is_told_once() -> None:
    """A repeated answer is told anew only when half the grace is used up."""
    bindings = Bindings("r1")
    for later, count in ((0, 1), (100, 0), (149, 0), (151, 1)):
        bindings.learn(asker(), "a.example", records("192.0.2.1"), KEEP, now=NOW + later)
        assert len(told(bindings, NOW + later)) == count, later


def test_end_is_told() -> None:
    """An address that ended is told by a tombstone, and forgotten."""
    bindings = Bindings("r1")
    bindings.learn(asker(), "a.example", records("192.0.2.1"), KEEP, now=NOW)
    told(bindings)
    assert told(bindings, NOW + 599) == {}
    assert told(bindings, NOW + 600) == {"acme/frontend/a.example/192.0.2.1/r1": None}
    assert len(bindings) == 0


def test_untold_is_told_again() -> None:
    """What the broker did not take is told again while it holds."""
    bindings = Bindings("r1")
    bindings.learn(asker(), "a.example", records("192.0.2.1"), KEEP, now=NOW)
    lot = bindings.take(NOW)
    bindings.tell_again(lot)
    assert bindings.take(NOW + 1) == lot


def test_bounds() -> None:
    """Names, addresses a name, and waiting changes are bounded; what makes room is the oldest."""
    bindings = Bindings("r1", names=3, addresses=2, waiting=100)
    for place in range(5):
        bindings.learn(asker(), f"n{place}.example", records("192.0.2.1"), KEEP, now=NOW)
    assert (len(bindings), bindings.forgotten) == (3, 2)
    told(bindings)
    bindings.learn(asker(), "n4.example", records("192.0.2.2", "192.0.2.3"), KEEP, now=NOW + 200)
    changes = told(bindings, NOW + 200)
    assert changes.pop("acme/frontend/n4.example/192.0.2.1/r1") is None
    assert len(changes) == 2
    full = Bindings("r1", waiting=1)
    full.learn(asker(), "a.example", records("192.0.2.1", "192.0.2.2"), KEEP, now=NOW)
    assert (len(told(full)), full.untold) == (1, 1)
    full.learn(asker(), "a.example", records("192.0.2.1", "192.0.2.2"), KEEP, now=NOW)
    assert list(told(full)) == ["acme/frontend/a.example/192.0.2.2/r1"]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 900)), min_size=1, max_size=30),
    st.integers(1, 120),
    st.integers(0, 400),
)
def test_told_end_covers_every_answer(answers: list[tuple[int, int]], at_least: int, grace: int) -> None:
    """Whenever an answer was given, the last told end is not before its TTL or the floor; nor while `again` says so."""
    bindings, now, keep = Bindings("r1"), NOW, Keep(at_least, grace)
    last = NOW
    for pause, ttl in answers:
        now += pause
        again = bindings.learn(asker(), "a.example", records("192.0.2.1", ttl=ttl), keep, now=now)
        for binding in told(bindings, now).values():
            last = binding.until.timestamp() if binding else 0.0
        lasting = max(ttl, at_least)
        assert last >= now + lasting - 1e-3
        assert again >= now + 1
        if again > now + 1:  # repeated until then, with a TTL that does not count down
            assert last >= again + lasting - 1e-3


async def test_egress_rules_say_what_is_learnt() -> None:
    """Names of allowing rules are learnt by who asked, whatever answered; others, and denied ones, are not."""
    path = Path(POLICY + OPEN)
    for name, client in (
        ("www.example.org", "127.0.1.10"), ("alias.example.org", "127.0.1.10"), ("portal.internal", "127.0.1.10"),
        ("www.example.net", "127.0.1.10"), ("www.example.org", "127.0.2.1"),
    ):  # fmt: skip
        await path.get(name, client=client)
    assert sorted(told(path.bindings)) == [
        "acme/frontend/portal.internal/10.1.0.1/r1",
        "acme/frontend/portal.internal/10.1.0.2/r1",
        "acme/frontend/www.example.org/192.0.2.1/r1",
    ]


async def test_fast_path_comes_back_in_time() -> None:
    """An answer that the fast path repeats passes the handler again before its binding ends."""
    path = Path(POLICY + OPEN)
    for _ in range(2):
        await path.get("portal.internal", client="127.0.1.10")
    (known,) = path.fastpath.table().values()
    assert known.until_ns / 1e9 == NOW + 300  # end told (60 s of TTL, 300 s of grace) less what each answer lasts
