"""The buffer of events: what goes in comes out, bounds hold, and every drop is counted."""

from __future__ import annotations

from ctypes import c_uint64

from hypothesis import given
from hypothesis import strategies as st

from resolver.buffer import EventBuffer
from tests.resolver.templates import moment, template


def made(max_events: int = 1000, max_bytes: int = 2**30) -> tuple[EventBuffer, c_uint64, c_uint64]:
    """A buffer and its cells."""
    offered, dropped = c_uint64(), c_uint64()
    return EventBuffer(offered, dropped, max_events=max_events, max_bytes=max_bytes), offered, dropped


def test_what_is_offered_is_taken_in_order() -> None:
    """Numbers and templates of each event come out as they went in, also across takes."""
    buffer, offered, _ = made()
    templates = [template(number) for number in range(5)]
    for start in (0, 100):
        for number in range(start, start + 100):
            buffer.offer(templates[number * 7 % 5], moment(number), number, number * 2)
        rows = buffer.take()
        assert len(buffer) == 0
        assert [rows.templates[slot] for slot in rows.slots] == [
            templates[n * 7 % 5] for n in range(start, start + 100)
        ]
        assert rows.times.tolist() == [moment(number) for number in range(start, start + 100)]
        assert rows.latencies.tolist() == list(range(start, start + 100))
        assert rows.upstreams.tolist() == [number * 2 for number in range(start, start + 100)]
        assert len(rows.templates) == 5
    assert offered.value == 200
    assert buffer.held() == 200


def test_beyond_max_events_each_event_is_dropped_and_counted() -> None:
    """The bound counts what was taken but not acknowledged; released room is used again."""
    buffer, offered, dropped = made(max_events=100)
    one = template()
    for number in range(250):
        buffer.offer(one, moment(number), 1)
    assert (offered.value, dropped.value, len(buffer), buffer.held()) == (250, 150, 100, 100)
    rows = buffer.take()
    for number in range(50):
        buffer.offer(one, moment(number), 1)
    assert (offered.value, dropped.value, len(buffer)) == (300, 200, 0)
    buffer.release(30, rows.weight * 30 // 100)
    for number in range(50):
        buffer.offer(one, moment(number), 1)
    assert (offered.value, dropped.value, len(buffer), buffer.held()) == (350, 220, 30, 100)


def test_memory_is_bounded_by_estimate() -> None:
    """Every event with a template of its own: bytes end the taking long before the number of events does."""
    buffer, offered, dropped = made(max_events=10**6, max_bytes=2**20)
    for number in range(5000):
        buffer.offer(template(number), moment(number), 1)
    assert 0.9 * 2**20 < buffer.held_bytes() < 2**20 + 64 * 1500
    assert len(buffer) + dropped.value == offered.value == 5000
    rows = buffer.take()
    buffer.account(1000 - rows.weight)
    assert buffer.held_bytes() == 1000
    buffer.offer(template(), moment(0), 1)
    assert len(buffer) == 1


@given(st.lists(st.tuples(st.sampled_from(["offer", "take", "release"]), st.integers(1, 40)), max_size=60))
def test_counts_are_exact_whatever_happens(steps: list[tuple[str, int]]) -> None:
    """Offered equals held plus dropped plus released after any sequence of steps, and held never passes the bound."""
    buffer, offered, dropped = made(max_events=50)
    templates = [template(number) for number in range(3)]
    taken = released = total = 0
    for step, count in steps:
        if step == "offer":
            for number in range(count):
                buffer.offer(templates[number % 3], moment(number), 1)
            total += count
        elif step == "take":
            taken += len(buffer.take())
        else:
            gone = min(count, taken)
            taken, released = taken - gone, released + gone
            buffer.release(gone, 0)
        assert offered.value == total
        assert buffer.held() == len(buffer) + taken == total - dropped.value - released
        assert buffer.held() <= 50
