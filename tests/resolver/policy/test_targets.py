"""The choice among targets: for the client, up, in its zone, by weight; sticky, stable and fair."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.signals import Held, SignalBoard
from resolver.policy.targets import Target, choose, compile_targets, weighed
from resolver.tenant_view import VirtualEntry
from resolver.tenants import Asker
from schemas.objects import ClientSelector, VirtualTarget
from tests.resolver.policy.written import NOW


@dataclass(frozen=True)
class View:
    """As much of a tenant as the choice looks at."""

    signals: SignalBoard = field(default_factory=SignalBoard)


def targets(*written: VirtualTarget) -> tuple[Target, ...]:
    """Compiled targets, which must be right."""
    problems: list[tuple[str, str]] = []
    found = compile_targets(written, lambda path, why: problems.append((path, why)))
    assert not problems
    return found


def entry(*written: VirtualTarget, sticky: bool = True) -> VirtualEntry:
    """A virtual name with these targets."""
    return VirtualEntry("portal.internal", {}, "portal", targets(*written), sticky=sticky)


def client(number: int, labels: dict[str, str] | None = None, signals: SignalBoard | None = None) -> Asker:
    """The client 10.x.y.z with this number."""
    return Asker(View(signals or SignalBoard()), "", labels or {}, "10.0.0.1", 4, 10 << 24 | number)  # type: ignore[arg-type]


def down(*names: str, expires: float = NOW + 60, value: str = "down") -> SignalBoard:
    """A board on which these are down."""
    return SignalBoard({("health", name): Held(value, "prober", "refused", expires) for name in names})


def chosen(of: VirtualEntry, asker: Asker, draw: float = 0.0) -> str:
    """Name of the choice, empty for none."""
    target = choose(of, asker, NOW, lambda: draw).target
    return target.name if target else ""


OLD, NEW, SPARE = VirtualTarget(name="old.example", weight=90), VirtualTarget(name="new.example", weight=10), VirtualTarget(name="spare.example", weight=0)


def test_ten_percent_are_ten_percent() -> None:
    """Of 20,000 clients a tenth gets the target with a tenth of the weight, within five standard deviations."""
    migration = entry(OLD, NEW, SPARE)
    count = sum(chosen(migration, client(number)) == "new.example" for number in range(20_000))
    assert abs(count - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5


weights = st.lists(st.integers(1, 100), min_size=2, max_size=6)


@given(weights, st.data())
@settings(deadline=None, max_examples=60)
def test_who_moves(before: list[int], data: st.DataObject) -> None:
    """Clients keep their target unless its own weight fell, or they go to one whose weight rose; order does not matter."""
    after = data.draw(st.lists(st.integers(1, 100), min_size=len(before), max_size=len(before)))
    names = [f"t{place}.example" for place in range(len(before))]
    old = entry(*(VirtualTarget(name=name, weight=weight) for name, weight in zip(names, before, strict=True)))
    new = entry(*reversed([VirtualTarget(name=name, weight=weight) for name, weight in zip(names, after, strict=True)]))
    grown = {name for name, was, now in zip(names, before, after, strict=True) if now > was}
    shrunk = {name for name, was, now in zip(names, before, after, strict=True) if now < was}
    for number in range(100):
        was, now = chosen(old, client(number)), chosen(new, client(number))
        assert was == now or was in shrunk or now in grown


@given(weights, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_a_target_gone(before: list[int], which: int) -> None:
    """Only the clients of a target that is taken away, or called down, get another."""
    written = [VirtualTarget(name=f"t{place}.example", weight=weight) for place, weight in enumerate(before)]
    gone = written[which % len(written)].name
    old, new = entry(*written), entry(*(target for target in written if target.name != gone))
    for number in range(100):
        was, now = chosen(old, client(number)), chosen(new, client(number))
        assert was in {now, gone}
        assert chosen(old, client(number, signals=down(gone))) == now


def test_moving_weight_moves_that_share() -> None:
    """From 10 % to 20 % some tenth of the clients moves, all of them to the target that grew."""
    small, large = entry(OLD, NEW), entry(VirtualTarget(name="old.example", weight=80), VirtualTarget(name="new.example", weight=20))
    moved = [(chosen(small, client(number)), chosen(large, client(number))) for number in range(10_000)]
    assert {pair for pair in moved if pair[0] != pair[1]} == {("old.example", "new.example")}
    assert abs(sum(was != now for was, now in moved) - 1000) < 150


@pytest.mark.parametrize(("draw", "name"), [(0.0, "old.example"), (0.89, "old.example"), (0.901, "new.example"), (0.9999999, "new.example")])
def test_not_sticky(draw: float, name: str) -> None:
    """A choice that is not sticky goes by the number drawn and holds for one answer."""
    loose = entry(OLD, NEW, SPARE, sticky=False)
    assert chosen(loose, client(1), draw) == name
    assert choose(loose, client(1), NOW, lambda: draw).valid_until == -inf


GOLD = ClientSelector(match_labels={"tier": "gold"})
NETWORK = ClientSelector(subnets=["10.0.0.0/30"])
ZONED = [VirtualTarget(name="eu.example", zone="eu-1"), VirtualTarget(name="us.example", zone="us-1"), VirtualTarget(name="any.example", weight=0)]
SOME = [VirtualTarget(name="gold.example", clients=GOLD), VirtualTarget(name="near.example", clients=NETWORK)]


@pytest.mark.parametrize(
    ("written", "labels", "board", "names"),
    [
        (ZONED, {"zone": "eu-1"}, SignalBoard(), {"eu.example"}),
        (ZONED, {"zone": "us-1"}, SignalBoard(), {"us.example"}),
        (ZONED, {"zone": "ap-1"}, SignalBoard(), {"eu.example", "us.example"}),
        (ZONED, {}, SignalBoard(), {"eu.example", "us.example"}),
        (ZONED, {"zone": "eu-1"}, down("eu.example"), {"us.example"}),
        (ZONED, {"zone": "eu-1"}, down("eu.example", "us.example"), {"any.example"}),
        (ZONED, {"zone": "eu-1"}, down("eu.example", "us.example", "any.example"), {"eu.example"}),
        (ZONED, {"zone": "eu-1"}, down("eu.example", value="degraded"), {"eu.example"}),
        (ZONED, {"zone": "eu-1"}, down("eu.example", expires=NOW), {"eu.example"}),
        (SOME, {"tier": "gold"}, SignalBoard(), {"gold.example", "near.example"}),
        (SOME, {}, SignalBoard(), {"near.example", ""}),
        (SOME[:1], {}, SignalBoard(), {""}),
        ([SPARE], {}, down("spare.example"), {"spare.example"}),
    ],
)  # fmt: skip
def test_steps(written: list[VirtualTarget], labels: dict[str, str], board: SignalBoard, names: set[str]) -> None:
    """For the client; not down as long as another is left; weight 0 only when nothing else is; its own zone first."""
    clients = [replace(client(number, labels, board), number=(10 << 24) + number * 2) for number in range(64)]
    assert {chosen(entry(*written), asker) for asker in clients} == names


def test_how_long_a_choice_holds() -> None:
    """A choice that a signal had a part in holds until the first such signal expires, any other for ever."""
    both = entry(OLD, NEW)
    assert choose(both, client(1), NOW, lambda: 0.0).valid_until == inf
    assert choose(both, client(1, signals=down("old.example")), NOW, lambda: 0.0).valid_until == NOW + 60
    assert choose(entry(OLD), client(1, signals=down("old.example")), NOW, lambda: 0.0).valid_until == inf


def test_reasons() -> None:
    """Every target is told with its share and why it is chosen or not."""
    written = [*ZONED, VirtualTarget(name="gold.example", clients=GOLD), VirtualTarget(name="sick.example", zone="eu-1")]
    told = weighed(entry(*written), client(1, {"zone": "eu-1"}, down("sick.example")), NOW)
    assert [(item["target"], item["share"], item["chosen"], item["why"]) for item in told] == [
        ("eu.example", 1.0, True, "it is in the client's zone 'eu-1'; nothing else is left"),
        ("us.example", 0.0, False, "another target is in the client's zone 'eu-1'"),
        ("any.example", 0.0, False, "weight 0 is for when nothing else is left"),
        ("gold.example", 0.0, False, "the client has no label tier, expected 'gold'"),
        ("sick.example", 0.0, False, "prober calls it down (refused) and another is left"),
    ]
    told = weighed(entry(OLD, NEW, sticky=False), client(1), NOW)
    assert [(item["share"], item["chosen"], item["why"]) for item in told] == [
        (0.9, False, "by weight, drawn anew for every query"), (0.1, False, "by weight, drawn anew for every query"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ([VirtualTarget(name="a..b")], ("spec.targets[0].name", "expected a domain name, got 'a..b': a label is empty (two dots in a row)")),
        (
            [VirtualTarget(name="a.example"), VirtualTarget(name="A.example.", weight=2)],
            ("spec.targets[1].name", "a.example stands above already, for the same clients and zone"),
        ),
        (
            [VirtualTarget(name="a", clients=ClientSelector(subnets=["10.0.0.1/8"]))],
            (
                "spec.targets[0].clients.subnets[0]",
                "expected an address or a CIDR block such as 10.1.0.0/16, got '10.0.0.1/8': 10.0.0.1/8 has host bits set",
            ),
        ),
    ],
)
def test_mistakes(written: list[VirtualTarget], problem: tuple[str, str]) -> None:
    """What is wrong in a target is told with its key path."""
    problems: list[tuple[str, str]] = []
    compile_targets(written, lambda path, why: problems.append((path, why)))
    assert problems == [problem]
