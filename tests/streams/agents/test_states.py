"""Tenants' states in a table: loaded, changed, written, forgotten, restored from durable memory."""

from __future__ import annotations

import msgspec

from schemas.objects import Feedback
from schemas.signals import AlertOrder, Overlay
from schemas.topics import ORDERS, OVERLAYS
from streams.agents.memory import Learnt
from streams.agents.states import States, tenants_of
from streams.alerts import moment
from streams.analysis import TenantSettings
from streams.seasonal import Seasonal
from tests.streams.events import batch as columns
from tests.streams.events import event
from tests.streams.store import batch
from tests.streams.warehouse.test_signal_rows import golden
from tests.streams.weeks import MONDAY, office

NOW = 1_795_341_600.0  # 2026-11-22T10:00:00Z, when the events of the tests happen


def queries(states: States, now: float) -> int:
    """Queries counted in ten-second windows that close by now."""
    windows = [window for found in states.tick(now) for window in found.telemetry]
    return sum(window.queries for window in windows if window.window_seconds == 10 and not window.workload)


def test_a_state_goes_on_from_its_table() -> None:
    """As after a restart: what was written is there, what is replayed counts once."""
    table: dict[bytes, bytes] = {}
    first = States(table)
    first.update(0, batch(0, 100)[1], NOW)
    assert first.write(0) > 0
    assert first.write(0) == 0
    second = States(table)
    second.update(0, batch(50, 100)[1], NOW)
    assert queries(second, NOW + 60) == 150


def test_what_was_not_written_is_replayed() -> None:
    """Nothing is lost and nothing counts twice when the batches come again."""
    table: dict[bytes, bytes] = {}
    first = States(table)
    first.update(0, batch(0, 100)[1], NOW)
    first.write(0)
    first.update(0, batch(100, 100)[1], NOW)
    second = States(table)
    second.update(0, batch(0, 100)[1], NOW)
    second.update(0, batch(100, 100)[1], NOW)
    assert queries(second, NOW + 60) == 200


def test_batches_held_are_taken_in_together() -> None:
    """Batches of several tenants and partitions wait until they are digested, count once each, and are forgotten with their partition."""
    states = States({})
    assert states.hold(0, batch(0, 100)[1]) == 100
    assert states.hold(0, batch(100, 50)[1]) == 150
    assert states.hold(1, batch(0, 30, tenant="globex", partition=1)[1]) == 180
    assert len(states) == 0
    list(states.digest(NOW))
    list(states.digest(NOW))
    assert len(states) == 2
    assert queries(states, NOW + 60) == 180
    states.hold(0, batch(150, 10)[1])
    states.forget([0])
    list(states.digest(NOW))
    assert len(states) == 1


def test_what_waits_is_known_by_its_event_time() -> None:
    """From the first to the last row of a partition, until it is digested or forgotten: a sparse backlog is taken in by portions."""
    states = States({})
    states.hold(0, columns([event(NOW, "a.example", 0), event(NOW + 20, "a.example", 1)]))
    states.hold(0, columns([event(NOW + 300, "a.example", 0, tenant="globex")]))
    states.hold(1, columns([event(NOW + 7, "a.example", 0)]))
    assert (states.spread(0), states.spread(1), states.spread(2)) == (300.0, 0.0, 0.0)
    states.forget([0])
    assert states.spread(0) == 0.0
    states.hold(0, columns([event(NOW, "a.example", 0)]))
    list(states.digest(NOW))
    states.hold(0, columns([event(NOW + 900, "a.example", 0)]))
    assert states.spread(0) == 0.0


def test_states_are_kept_by_partition() -> None:
    """Writing one leaves the others alone; forgetting one too."""
    table: dict[bytes, bytes] = {}
    states = States(table)
    states.update(0, batch(0, 10)[1], NOW)
    states.update(1, batch(0, 10, tenant="globex", partition=1)[1], NOW)
    states.write(1)
    assert tenants_of(table) == {"globex"}
    states.forget([0])
    assert len(states) == 1
    states.forget()
    assert len(states) == 0


def test_what_resolvers_dropped_is_told_with_the_rows_that_follow() -> None:
    """From the headers of batches, also of those without rows; a replayed header adds nothing."""
    states, header = States({}), batch(0, 10)[0]
    for sequence, dropped in ((0, 4), (10, 4), (20, 9)):
        states.hear(0, msgspec.structs.replace(header, count=0, dropped=dropped))
        states.update(0, batch(sequence, 10)[1], NOW)
    states.hear(0, msgspec.structs.replace(header, dropped=4))
    states.update(0, batch(30, 10)[1], NOW)
    windows = [window for found in states.tick(NOW + 60) for window in found.telemetry if not window.workload]
    assert [window.dropped for window in windows if window.window_seconds == 10] == [{header.source: 5}]


def test_a_state_that_cannot_be_read_starts_anew() -> None:
    """One tenant's damage stops nobody."""
    table: dict[bytes, bytes] = {}
    states = States(table)
    states.update(0, batch(0, 10)[1], NOW)
    states.write(0)
    table[b"acme\0main"] = b"damaged"
    again = States(table)
    again.update(0, batch(0, 10)[1], NOW)
    assert queries(again, NOW + 60) == 10


def test_an_empty_state_is_restored_from_durable_memory() -> None:
    """The overlay is told again; a state from the table is not overwritten."""
    overlay = msgspec.json.decode(golden(OVERLAYS.name), type=Overlay)
    learnt = Learnt(overlays={overlay.tenant: overlay})
    table: dict[bytes, bytes] = {}
    states = States(table)
    states.learnt = learnt
    states.open(0, learnt.tenants)
    told = [said for found in states.tick(overlay.changed.timestamp()) for said in found.overlays]
    assert [said.tenant for said in told] == [overlay.tenant]
    states.write(0)
    again = States(table)
    again.learnt = learnt
    again.open(0, learnt.tenants)
    assert not [said for found in again.tick(overlay.changed.timestamp()) for said in found.overlays]


def test_settings_reach_states_that_live_and_states_to_come() -> None:
    """In whatever order tenant and settings appear."""
    settings = TenantSettings(feedback=Feedback(mode="enforce"))
    states = States({})
    assert states.configure("acme", settings, NOW) == []
    states.update(0, batch(0, 1)[1], NOW)
    assert len(states.configure("acme", settings, NOW)) == 1


def test_orders_reach_states_that_are_there_and_those_that_come() -> None:
    """Expired ones are dropped, a tombstone takes one back."""
    states = States({})
    value = msgspec.structs.replace(msgspec.json.decode(golden(ORDERS.name), type=AlertOrder), expires=moment(NOW + 60))
    states.order("acme", "o1", value, NOW)
    states.order("acme", "o2", msgspec.structs.replace(value, id="o2", expires=moment(NOW)), NOW)
    assert list(states.orders["acme"]) == ["o1"]
    states.update(0, batch(0, 10)[1], NOW)
    assert len(states.order("acme", "o1", None, NOW)) == 1
    assert states.orders["acme"] == {}


def rounds(states: States, tenants: int, times: int = 3) -> int:
    """Each tenant asks ten times, in turn, written as it gets crowded and after each turn; the most states there were in memory."""
    most = 0
    for turn in range(times):
        for number in range(tenants):
            states.hold(0, batch(turn * 10, 10, tenant=f"tenant-{number}")[1])
        for _ in states.digest(NOW + turn):
            most = max(most, len(states.residents.states()))
            states.write(0)
        states.write(0)
    return most


def test_more_tenants_than_memory_holds_lose_nothing() -> None:
    """States that were used longest ago leave and come back; the counts are those of states that stayed."""
    states, table = States({}, most=3), dict[bytes, bytes]()
    few = States(table, most=3)
    assert (rounds(states, 3), rounds(few, 20)) == (3, 4)
    assert (len(few), len(few.residents.states())) == (20, 3)
    assert sum(queries(few, NOW + 20 + second) for second in range(12)) == 20 * 30
    assert queries(few, NOW + 100) == 0


def test_time_passes_for_who_is_set_aside() -> None:
    """Windows close, an overlay entry expires, an alert ends: whoever is due is read from the table, also after a restart."""
    table: dict[bytes, bytes] = {}
    states = States(table, most=1)
    states.configure("tenant-0", TenantSettings(feedback=Feedback(max_duration_s=60)), NOW)
    tunnel = [event(NOW + i / 100, f"{i:040x}.evil.test", i, tenant="tenant-0") for i in range(60)]
    found = states.update(0, columns(tunnel), NOW + 1)
    assert [len(overlay.entries) for said in found for overlay in said.overlays] == [1]
    states.update(0, batch(0, 10, tenant="tenant-1")[1], NOW + 1)
    states.write(0)
    assert [state.tenant for state in states.residents.states()] == ["tenant-1"]
    for knows in (states, again_from(table)):
        said = [one for second in range(2, 400, 2) for one in knows.tick(NOW + second)]
        assert [len(overlay.entries) for one in said for overlay in one.overlays if overlay.tenant == "tenant-0"][-1] == 0
        assert "closed" in {alert.state for one in said for alert in one.alerts if alert.tenant == "tenant-0"}
        knows.write(0)


def again_from(table: dict[bytes, bytes]) -> States:
    """A worker that starts with a copy of the table."""
    states = States(dict(table), most=1)
    states.open(0, tenants_of(table))
    return states


def test_who_is_set_aside_follows_settings_and_is_not_taken_for_restarted() -> None:
    """An entry that is open follows a new mode at the next tick; standings are not told again by each return."""
    states = States({}, most=1)
    said = states.update(0, batch(0, 10, tenant="tenant-0")[1], NOW)
    assert {signal.kind for one in said for signal in one.signals} >= {"detector"}
    states.update(0, batch(0, 10, tenant="tenant-1")[1], NOW)
    states.write(0)
    assert not [signal for one in states.update(0, batch(10, 10, tenant="tenant-0")[1], NOW + 1) for signal in one.signals if signal.kind == "detector"]
    states.update(0, columns([event(NOW + 2 + i / 100, f"{i:040x}.evil.test", 100 + i, tenant="tenant-0", epoch=9) for i in range(60)]), NOW + 3)
    states.update(0, batch(20, 10, tenant="tenant-1")[1], NOW + 3)
    states.write(0)
    assert states.configure("tenant-0", TenantSettings(feedback=Feedback(mode="off")), NOW + 4) == []
    assert [len(overlay.entries) for one in states.tick(NOW + 5) for overlay in one.overlays] == [0]


def test_batches_of_a_partition_that_changes_hands_are_left_alone() -> None:
    """Also while findings of what came before are being sent."""
    states = States({}, most=1)
    for number in range(3):
        states.hold(0, batch(0, 10, tenant=f"tenant-{number}")[1])
    digesting = states.digest(NOW)
    next(digesting)
    states.forget([0])
    list(digesting)
    assert len(states) == 0


def test_the_prior_of_all_tenants_is_made_told_and_known_again() -> None:
    """Under no tenant's name; a worker that starts knows it before it knows any week."""
    states = States({})
    for seed in range(3):
        week = Seasonal()
        for index, asked in enumerate(office(1, seed).tolist()):
            week.learn(MONDAY + index, asked, None)
        states.population.take(f"tenant-{seed}", week.shape(), week.deviation)
    told = states.baselines(NOW)
    assert set(told) == {""}
    again = States({})
    again.remember(Learnt(baselines=told))
    assert again.population.prior == states.population.prior is not None
    assert again.learnt.tenants == set()
    again.update(0, batch(0, 10)[1], NOW)
    assert [state.prior for state in again.residents.states()] == [again.population.prior]
