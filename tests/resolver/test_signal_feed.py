"""Records of dns.context on their way into the store: what cannot be read costs nothing else."""

from __future__ import annotations

import logging

import pytest

from resolver.policy.store import PolicyStore
from resolver.signal_feed import SignalFeed
from schemas.signals import encode_signal
from tests.resolver.policy.written import NOW, signal
from tests.resolver.test_policy_place import record

GOOD = encode_signal(signal("health", "a.test", "down"))


def test_a_malformed_signal_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Bytes, JSON and values that are no signal: one line with the reason, and the signals around them are held."""
    store = PolicyStore()
    feed = SignalFeed(store, bootstrap="", clock=lambda: NOW)
    wrong = [b"{", b"", None, b'{"tenant": "acme"}', encode_signal(signal("health", "b.test", "ill"))]
    with caplog.at_level(logging.WARNING):
        for offset, value in enumerate([GOOD, *wrong, encode_signal(signal("health", "c.test", "up"))]):
            assert feed._place.take(record(offset, "acme", value))
            feed._place.deliver()
    assert (store.signals.held, store.signals.refused) == (2, len(wrong))
    (line,) = caplog.messages
    assert line.startswith("refused a signal of 'acme' on dns.context (more are only counted): Input data was truncated")


def test_room_that_runs_out_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The flood itself does not flood the log."""
    store = PolicyStore()
    feed = SignalFeed(store, bootstrap="", clock=lambda: NOW)
    store.signals._per_tenant = 4
    with caplog.at_level(logging.WARNING):
        for number in range(9):
            feed._put("acme", encode_signal(signal("x", f"{number}.test", "y", life=60 + number)))
    assert caplog.messages == ["too many signals: those that expire first make room (more are only counted)"]
    assert (store.signals.held, store.signals.dropped) == (4, 5)
