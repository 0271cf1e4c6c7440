"""A tenant's analysis as agents use it: replays are harmless, state survives its bytes, idle windows close, feedback follows alerts."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import QueryEvent
from schemas.objects import Feedback, TenantSpec, UpstreamGroup
from schemas.signals import encode_signal
from streams.analysis import Findings, TenantSettings, TenantState, split_by_tenant
from streams.detectors import DETECTORS
from tests.streams.events import START, batch, event, numbered

ENFORCE = TenantSettings(Feedback(mode="enforce", max_duration_s=12))


def traffic(seed: int, seconds: int = 40) -> list[list[QueryEvent]]:
    """Batches of one second: quiet names, a tunnel from the tenth second on, failing names, two resolvers."""
    rng, batches, sequence = random.Random(seed), list[list[QueryEvent]](), {"r1": 0, "r2": 0}
    for second in range(seconds):
        source = rng.choice(["r1", "r2"])
        names = [rng.choice(["www.example.com", "example.org", "mail.example.net"]) for _ in range(rng.randrange(6))]
        if second >= 10:
            names += [f"{rng.randbytes(20).hex()}.evil.test" for _ in range(4)]
        names += [f"{rng.randbytes(3).hex()}.victim.test" for _ in range(rng.choice([0, 3]))]
        events = [
            event(START + second + i / 20, name, 0, source=source, client=f"10.0.0.{rng.randrange(9)}", workload=rng.choice(["", "web"]),
                  rcode="NXDOMAIN" if "victim" in name else "NOERROR")
            for i, name in enumerate(names)
        ]  # fmt: skip
        batches.append(numbered(events, sequence[source]))
        sequence[source] += len(events)
    return [part for part in batches if part]


def plain(found: Findings) -> list[bytes]:
    """Findings as the bytes that would be sent."""
    return [encode_signal(item) for item in (*found.telemetry, *found.alerts, *found.signals, *found.overlays)]


def told(found: Findings) -> list[bytes]:
    """The same without context signals: a restarted state says once more how its detectors stand."""
    return [encode_signal(item) for item in (*found.telemetry, *found.alerts, *found.overlays)]


def at(part: list[QueryEvent]) -> float:
    """Processing time of a batch: just after its last event."""
    return part[-1].time.timestamp() + 0.1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4))
def test_replays_change_nothing(seed: int, replays: list[tuple[int, int]]) -> None:
    """Any stretch of earlier batches given again at any point leaves outputs and state as they were."""
    batches = traffic(seed)
    once, again = TenantState("acme"), TenantState("acme")
    for index, part in enumerate(batches):
        expected, found = plain(once.update(batch(part), at(part))), plain(again.update(batch(part), at(part)))
        assert found == expected
        for when, start in replays:
            if when == index:
                for old in batches[min(start, index) : index + 1]:
                    assert plain(again.update(batch(old), at(part))) == []
    assert again.to_bytes() == once.to_bytes()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sets(st.integers(0, 40), max_size=5))
def test_a_state_loaded_from_its_parts_goes_on_alike(seed: int, restarts: set[int]) -> None:
    """Kill and reload after any batch: same outputs, same bytes; only the detectors' standing is told once more."""
    steady, restarted, table = TenantState("acme"), TenantState("acme"), dict[str, bytes]()
    for index, part in enumerate(traffic(seed)):
        expected, found = steady.update(batch(part), at(part)), restarted.update(batch(part), at(part))
        assert told(found) == told(expected)
        write(restarted, table)
        if index in restarts:
            restarted = TenantState.load("acme", table.get)
    assert restarted.to_bytes() == steady.to_bytes()


def write(state: TenantState, table: dict[str, bytes], most: int = 10**6) -> None:
    """Write the dirty parts as an agent does, or only the first `most` of them as a kill would leave them."""
    for key, value in list(state.dirty().items())[:most]:
        if value is None:
            del table[key]
        else:
            table[key] = value


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 35), st.integers(0, 6))
def test_a_write_cut_short_is_repaired_by_the_replay(seed: int, killed_at: int, written: int) -> None:
    """Killed between two parts of one write: the state before it is intact, and the replayed batch leads to the same end."""
    batches, steady, table = traffic(seed), TenantState("acme"), dict[str, bytes]()
    victim = TenantState("acme")
    for index, part in enumerate(batches):
        steady.update(batch(part), at(part))
        victim.update(batch(part), at(part))
        write(victim, table, written if index == killed_at else 10**6)
        if index == killed_at:
            victim = TenantState.load("acme", table.get)
            victim.update(batch(part), at(part))
            write(victim, table)
    assert victim.to_bytes() == steady.to_bytes()


def test_to_bytes_and_from_bytes_are_inverse() -> None:
    """Also after another batch."""
    *head, last = traffic(5)
    state = TenantState("acme")
    for part in head:
        state.update(batch(part), at(part))
    again = TenantState.from_bytes("acme", state.to_bytes())
    assert again.to_bytes() == state.to_bytes()
    assert told(again.update(batch(last), at(last))) == told(state.update(batch(last), at(last)))
    assert again.to_bytes() == state.to_bytes()


def test_idle_windows_close_by_the_clock_but_not_before_a_backlog_can_arrive() -> None:
    """Five silent seconds close what is over; a state just loaded waits as long before it trusts the clock."""
    state = TenantState("acme")
    state.update(batch([event(START, "example.com", 0)]), START)
    assert state.tick(START + 4).telemetry == []
    assert [item.window_seconds for item in state.tick(START + 16).telemetry] == [10]
    assert [item.window_seconds for item in state.tick(START + 70).telemetry] == [60]
    loaded = TenantState("acme")
    loaded.update(batch([event(START, "example.com", 0)]), START)
    loaded = TenantState.from_bytes("acme", loaded.to_bytes())
    assert loaded.tick(START + 600).telemetry == []
    assert len(loaded.tick(START + 606).telemetry) == 2


def test_a_clock_far_ahead_counts_as_a_few_seconds_ahead() -> None:
    """One resolver with a wrong clock does not close everybody's windows."""
    state = TenantState("acme")
    state.update(batch([event(START + 9000, "example.com", 0)]), START)
    found = state.update(batch([event(START + 1, "example.org", 1)]), START + 1)
    assert found.telemetry == []
    told = [item for item in state.tick(START + 100).telemetry if item.window_seconds == 60]
    assert [(item.queries, item.counts.get("late", 0)) for item in told] == [(2, 0)]


def tunnel(start: float, first: int, **fields: Any) -> pa.RecordBatch:
    """Forty names of forty bytes under one domain within a second."""
    rng = random.Random(first)
    return batch([event(start + i / 40, f"{rng.randbytes(20).hex()}.evil.test", first + i, **fields) for i in range(40)])


def test_an_enforced_entry_expires_although_denied_attempts_go_on() -> None:
    """Alert and entry at once; attempts denied meanwhile do not renew it; after it ran out, only fresh evidence blocks again."""
    state = TenantState("acme", ENFORCE)
    found = state.update(tunnel(START, 0), START + 1)
    ((overlay,), (alert,)) = found.overlays, found.alerts
    (entry,) = overlay.entries
    assert (entry.pattern, entry.mode, entry.expires.timestamp()) == (".evil.test", "enforce", START + 13)
    assert (alert.state, alert.evidence["overlay"]) == ("open", f"enforce deny .evil.test until {entry.expires:%Y-%m-%dT%H:%M:%SZ}")
    for second in range(2, 13):
        denied = tunnel(START + second, 40 * second, verdict="deny", rcode="NXDOMAIN", answer_source="policy", upstream="", tier="overlay")
        assert state.update(denied, START + second).overlays == []
    assert [item.entries for item in state.tick(START + 13).overlays] == [()]
    few = batch([event(START + 14, f"{'ab' * 10}{i}.evil.test", 2000 + i) for i in range(5)])
    assert state.update(few, START + 14).overlays == []
    assert [len(item.entries) for item in state.update(tunnel(START + 15, 3000), START + 16).overlays] == [1]


def test_an_audit_entry_is_renewed_while_the_cause_lasts() -> None:
    """In the second half of its life, with a revision more; quiet lets it go."""
    state, expiries = TenantState("acme", TenantSettings(Feedback(max_duration_s=20))), []
    for second in range(30):
        found = state.update(tunnel(START + second, 40 * second), START + second + 1).overlays
        expiries += [(o.revision, o.entries[0].mode, o.entries[0].expires.timestamp() - START) for o in found]
    assert [revision for revision, _, _ in expiries] == list(range(1, len(expiries) + 1))
    assert {mode for _, mode, _ in expiries} == {"audit"}
    assert expiries[-1][2] > 40
    assert [overlay.entries for overlay in state.tick(START + 60).overlays] == [()]


def test_configure_applies_at_once() -> None:
    """Off, an exemption, or another mode changes the overlay in force, once."""
    state = TenantState("acme")
    state.update(tunnel(START, 0), START + 1)
    (overlay,) = state.configure(TenantSettings(Feedback(mode="enforce")), START + 2).overlays
    assert [entry.mode for entry in overlay.entries] == ["enforce"]
    assert state.configure(TenantSettings(Feedback(mode="enforce")), START + 2).overlays == []
    (overlay,) = state.configure(TenantSettings(Feedback(exempt=["*.evil.test"])), START + 3).overlays
    assert overlay.entries == ()


def test_a_fresh_state_resumes_from_what_the_warehouse_keeps() -> None:
    """Open alert, overlay revision and baselines go on; nothing is opened twice."""
    old = TenantState("acme", ENFORCE)
    found = old.update(tunnel(START, 0), START + 1)
    new = TenantState("acme", ENFORCE)
    again = new.restore(alerts=found.alerts, overlay=found.overlays[0], baselines=old.baselines(), now=START + 2)
    assert [item.revision for item in again.overlays] == [1]
    assert new.baselines() == old.baselines()
    later = new.update(tunnel(START + 20, 100, epoch=2), START + 21)
    assert [(item.id, item.state, item.revision) for item in later.alerts] == [(found.alerts[0].id, "updated", 2)]
    closed = new.tick(START + 400).alerts
    assert [(item.state, item.revision) for item in closed] == [("closed", 3)]
    assert new.dirty()


def test_a_batch_of_many_tenants_is_split_without_loss() -> None:
    """Each tenant gets its rows in order, and judges only them."""
    events = [event(START + i / 100, f"n{i}.example.com", i, tenant=("acme", "globex", "")[i % 3]) for i in range(30)]
    parts = dict(split_by_tenant(batch(events)))
    assert {name: rows.numbers("sequence").tolist() for name, rows in parts.items()} == {
        "acme": list(range(0, 30, 3)), "globex": list(range(1, 30, 3)), "": list(range(2, 30, 3)),
    }  # fmt: skip
    states = {name: TenantState(name) for name in parts}
    for name, rows in parts.items():
        states[name].update(rows, START + 1)
    panes = [item for state in states.values() for item in state.tick(START + 30).telemetry if item.window_seconds == 10]
    assert [(item.tenant, item.queries, item.names) for item in panes] == [("", 10, 10), ("acme", 10, 10), ("globex", 10, 10)]


def test_standing_is_told_so_that_learning_is_not_taken_for_silence() -> None:
    """Each detector says learning at first, once, with an expiry; again after a minute or on a change."""
    state = TenantState("acme")
    said = state.update(batch([event(START, "example.com", 0)]), START).signals
    assert [(item.subject, item.value) for item in said] == [(detector.name, "learning") for detector in DETECTORS]
    assert state.update(batch([event(START + 1, "example.com", 1)]), START + 1).signals == []
    again = [item.subject for item in state.tick(START + 61).signals]
    assert again == [detector.name for detector in DETECTORS]


def test_settings_come_from_the_tenant_object() -> None:
    """Feedback, and the suffixes its own servers resolve."""
    spec = TenantSpec(default="allow", upstreams=[UpstreamGroup(servers=["udp://10.0.0.1"], suffixes=[".corp.test"]), UpstreamGroup(servers=["x"])])
    assert TenantSettings.of(spec) == TenantSettings(Feedback(), (".corp.test",))


def test_a_missing_part_is_an_error_not_an_empty_state() -> None:
    """Losing counts silently would look like quiet traffic."""
    state, table = TenantState("acme"), dict[str, bytes]()
    for part in traffic(5):
        state.update(batch(part), at(part))
    write(state, table)
    assert len(table) > 1
    table = {"main": table["main"]}
    with pytest.raises(ValueError, match="lacks its part"):
        TenantState.load("acme", table.get)


def test_messages_carry_utc_times() -> None:
    """Every time in an alert is aware and in UTC."""
    (alert,) = TenantState("acme").update(tunnel(START, 0), START + 1).alerts
    assert {value.tzinfo for value in msgspec.structs.asdict(alert).values() if isinstance(value, datetime)} == {UTC}


def test_names_asked_for_the_first_time_are_counted_in_telemetry() -> None:
    """Once each, in the window and for the workload of their first query."""
    state = TenantState("acme")
    events = [event(START + i, f"www.n{i % 3}.example", i, workload="web" if i % 3 else "") for i in range(9)]
    state.update(batch(events), START + 9)
    told = [item for item in state.tick(START + 30).telemetry if item.window_seconds == 10]
    assert {item.workload: item.newly_observed for item in told} == {"": 3, "web": 2}
    assert [item.newly_observed for item in state.update(batch([event(START + 31, "a.n1.example", 9)]), START + 31).telemetry] == []


def test_a_state_restored_from_what_was_asked_tells_what_is_new() -> None:
    """The warehouse's first-seen names spare a fresh state its learning."""
    state = TenantState("acme")
    state.restore(asked=(["known.example"], START - 10**6), now=START)
    found = state.update(batch([event(START, "www.known.example", 0), event(START, "www.fresh.example", 1)]), START)
    assert [item.subject for item in found.signals if item.kind == "newly_observed"] == ["fresh.example"]
