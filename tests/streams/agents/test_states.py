"""Tenants' states in a table: loaded, changed, written, forgotten, restored from durable memory."""

from __future__ import annotations

import msgspec

from schemas.objects import Feedback
from schemas.signals import AlertOrder, Overlay
from schemas.topics import ORDERS, OVERLAYS
from streams.agents.states import Learnt, States, tenants_of
from streams.alerts import moment
from streams.analysis import TenantSettings
from tests.streams.store import batch
from tests.streams.warehouse.test_signal_rows import golden

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
    assert states.hold(1, batch(0, 30, tenant="globex", partition=1)[1]) == 30
    assert len(states) == 0
    states.digest(NOW)
    states.digest(NOW)
    assert len(states) == 2
    assert queries(states, NOW + 60) == 180
    states.hold(0, batch(150, 10)[1])
    states.forget([0])
    states.digest(NOW)
    assert len(states) == 1


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
    states.open(0, learnt.tenants, overlay.changed.timestamp())
    told = [said for found in states.tick(overlay.changed.timestamp()) for said in found.overlays]
    assert [said.tenant for said in told] == [overlay.tenant]
    states.write(0)
    again = States(table)
    again.learnt = learnt
    again.open(0, learnt.tenants, overlay.changed.timestamp())
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
