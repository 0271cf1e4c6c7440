"""Context signals: what is held, what boards show, when a swap is due, and what makes room."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.signal_book import SignalBook
from resolver.policy.signals import NO_SIGNALS, SignalBoard, endpoint_subject, kinds_in_use, subject_of
from schemas.signals import ContextSignal
from tests.resolver.policy.written import NOW, objects, rules, signal

ALL = {"": frozenset({"health", "latency"})}


def book(*signals: ContextSignal, kinds: dict[str, frozenset[str]] | None = None, **bounds: int) -> SignalBook:
    """A book that holds these signals, its first boards made."""
    made = SignalBook(**bounds)
    made.use(ALL if kinds is None else kinds)
    for one in signals:
        made.put(one, NOW)
    made.boards(NOW)
    return made


def shown(made: SignalBook, tenant: str = "acme", subject: str = "a.test", kind: str = "health", now: float = NOW) -> str:
    """Value a tenant's view shows; empty for none."""
    boards = made.boards(now)
    held = (boards.get(tenant) or boards.get("", NO_SIGNALS)).value(kind, subject)
    return held.value if held else ""


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Portal.Example.", "portal.example"),
        ("10.0.0.1:443", "10.0.0.1:443"),
        ("[2001:DB8:0::1]:443", "[2001:db8::1]:443"),
        ("2001:db8:0:0::1", "2001:db8::1"),
        (" 10.0.0.1 ", "10.0.0.1"),
        ("host.example:443", "host.example:443"),
        ("acme/frontend", "acme/frontend"),
        (".", "."),
    ],
)
def test_subjects_have_one_spelling(text: str, subject: str) -> None:
    """However a health checker writes a name or an address, it means the same subject."""
    assert subject_of(text) == subject


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_endpoint_is_found_however_it_is_spelt(address: object, port: int) -> None:
    """The subject of an endpoint is canonical."""
    subject = endpoint_subject(str(address), port)
    assert subject_of(subject.upper()) == subject


def test_boards_show_what_is_used() -> None:
    """The tenant's own signals, else those for all; nothing of kinds that its objects do not look at."""
    made = book(
        signal("health", "a.test", "down"),
        signal("health", "a.test", "degraded", tenant=""),
        signal("health", "b.test", "degraded", tenant=""),
        signal("other", "a.test", "x"),
        signal("health", "a.test", "down", tenant="globex"),
        kinds={"acme": frozenset({"health"})},
    )
    assert [shown(made, subject=name) for name in ("a.test", "b.test", "c.test")] == ["down", "degraded", ""]
    assert shown(made, kind="other") == ""
    assert "globex" not in made.boards(NOW)
    board = made.boards(NOW)["acme"]
    found = board.find("health", ["c.test", "b.test", "a.test"])
    assert found is not None
    assert (bool(board), bool(SignalBoard()), found.value) == (True, False, "degraded")


def test_a_swap_is_due_when_something_used_changed() -> None:
    """A new value is due; the same again for longer, a kind nobody uses, an unknown signal taken away are not."""
    made = book(signal("health", "a.test", "down", life=10))
    for harmless in (signal("health", "a.test", "down", life=60), signal("x", "a.test", "y"), signal("health", "b.test", "up", life=-1)):
        made.put(harmless, NOW)
        assert not made.due
    assert made.next_expiry() == NOW + 10  # what the board shows, which the next swap renews
    assert (shown(made, now=NOW + 10), made.next_expiry()) == ("down", NOW + 60)
    made.put(signal("health", "a.test", "up"), NOW)
    assert made.due
    assert (shown(made), made.due) == ("up", False)


def test_an_expired_signal_takes_the_one_before_it_away() -> None:
    """The last word counts, also when it is none."""
    made = book(signal("health", "a.test", "down"))
    made.put(signal("health", "a.test", "down", life=0), NOW)
    assert (made.due, shown(made), made.held) == (True, "", 0)


@pytest.mark.parametrize("tenant", ["acme", ""])
def test_signals_expire(tenant: str) -> None:
    """A board made after the expiry does not show the signal; others stay the same object."""
    made = book(signal("health", "a.test", "down", tenant=tenant, life=10), signal("health", "b.test", "up", tenant="globex"))
    untouched = made.boards(NOW).get("globex")
    assert (shown(made, now=NOW + 9.9), shown(made, now=NOW + 10)) == ("down", "")
    assert tenant == "" or made.boards(NOW + 10)["globex"] is untouched
    assert made.next_expiry() == NOW + 600


def test_signals_wait_for_those_who_use_them() -> None:
    """A signal that came before the first object that looks at it is shown once there is one."""
    made = book(signal("health", "a.test", "down"), kinds={})
    assert (shown(made), made.next_expiry()) == ("", inf)
    made.use({"acme": frozenset({"health"})})
    assert (made.due, shown(made)) == (True, "down")
    made.use({})
    assert shown(made) == ""


def test_a_full_tenant_forgets_what_expires_first() -> None:
    """One tenant's flood costs nobody else a signal; what is dropped is counted, what has expired is not."""
    made = book(signal("health", "safe.test", "down", tenant="globex", life=5), per_tenant=16)
    for number in range(20):
        made.put(signal("health", f"{number}.test", "down", life=100 + number), NOW)
    assert made.due
    assert (made.dropped, shown(made, subject="0.test"), shown(made, subject="19.test")) == (4, "", "down")
    assert shown(made, "globex", "safe.test") == "down"
    for number in range(20):
        made.put(signal("health", f"n{number}.test", "down", life=900), NOW + 500)
    assert made.dropped == 4 + 4  # the expired made room first


def test_when_all_is_full_the_tenant_with_most_makes_room() -> None:
    """The bound of all together holds, and a small tenant keeps what it has."""
    made = book(signal("health", "safe.test", "down", tenant="globex", life=5), in_total=16)
    for number in range(40):
        made.put(signal("health", f"{number}.test", "down", life=100 + number), NOW)
        made.put(signal("health", "safe.test", "down", tenant=f"t{number}", life=50), NOW)
        assert made.held <= 16
    assert shown(made, "globex", "safe.test") == "down" or made.held == 16


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (signal("", "a.test", "x"), "kind, subject: expected both to be given"),
        (signal("health", " ", "up"), "kind, subject: expected both to be given"),
        (signal("health", "a", "ill"), "value: expected one of up, degraded, down for kind health, got 'ill'"),
        (signal("latency", "a", "fast"), "value: expected milliseconds such as 12.5 for kind latency, got 'fast'"),
        (signal("latency", "a", "nan"), "value: expected milliseconds such as 12.5 for kind latency, got 'nan'"),
        (signal("latency", "a", "-1"), "value: expected milliseconds such as 12.5 for kind latency, got '-1'"),
        (signal("x", "a" * 1025, "y"), "subject: expected at most 1024 characters, got 1025"),
        (signal("x", "a", "y", zone=False), "expires: expected a time with a zone, such as 2027-01-15T08:10:00Z"),
    ],
)
def test_signals_that_make_no_sense(wrong: ContextSignal, message: str) -> None:
    """They are refused with the reason, and what was held stays."""
    made = book(signal("health", "a", "down"))
    with pytest.raises(ValueError, match=f"^{message}$"):
        made.put(wrong, NOW)
    assert (shown(made, subject="a"), made.due) == ("down", False)


def test_kinds_in_use() -> None:
    """Rules say their kinds, targets look at health, discovery at latency too; by tenant, or for all."""
    text = (
        rules("name: a, action: deny, match: {signal: [{kind: client_risk}], newlyObserved: true}", tenants="[acme, globex]")
        + rules("name: a, action: deny, match: {signal: [{kind: everywhere}]}", name="q", tenants="[]")
        + rules("name: a, action: deny", name="none", tenants="[initech]")
        + VIRTUAL.format(name="t", spec="targets: [{name: b.test}], tenants: [globex]")
        + VIRTUAL.format(name="r", spec="records: [{type: A, data: 10.0.0.1}], tenants: [initech]")
        + DISCOVERY
    )
    assert kinds_in_use(objects(text).values()) == {
        "": {"everywhere"},
        "acme": {"client_risk", "newly_observed"},
        "globex": {"client_risk", "newly_observed", "health", "latency"},
    }


VIRTUAL = "apiVersion: nameward.io/v1\nkind: VirtualName\nmetadata: {{name: {name}}}\nspec: {{name: {name}.test, {spec}}}\n---\n"
DISCOVERY = "apiVersion: nameward.io/v1\nkind: DiscoveryRule\nmetadata: {name: d}\nspec: {name: d.test, tenants: [globex], selector: {app: d}}\n---\n"


@given(
    st.lists(
        st.tuples(st.sampled_from(["acme", "globex", ""]), st.sampled_from("abc"), st.sampled_from(["up", "down"]), st.integers(-5, 50), st.integers(0, 20))
    )
)
def test_boards_are_the_last_words_that_hold(words: list[tuple[str, str, str, int, int]]) -> None:
    """Whatever comes in whatever order with swaps between: boards show the last word of each, unless it has expired."""
    made, now, last = book(), NOW, {}
    for tenant, subject, value, life, pause in words:
        now += pause
        moment = signal("health", subject, value, tenant=tenant, life=now - NOW + life)
        made.put(moment, now)
        last[tenant, subject] = moment
        if pause % 2:
            made.boards(now)
    for tenant in ("acme", "globex"):
        for subject in "abc":
            alive = (last.get((who, subject)) for who in (tenant, ""))
            expected = next((one.value for one in alive if one and one.expires > datetime.fromtimestamp(now, UTC)), "")
            assert shown(made, tenant, subject, now=now) == expected
