"""Real captures: both tunnels are found soon after they cross the threshold, quiet traffic raises nothing."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from schemas.events import QueryEvent
from schemas.signals import Alert
from streams.analysis import TenantState
from tests.streams.events import batch, capture, numbered, slices

TUNNELS = ["tunnels/dns2tcp-key.pcap", "tunnels/dnscat2-cname.pcap"]
QUIET = ["benign/recursive_2023-08-05_150331.pcap", "benign/recursive_2023-08-06_101852.pcap", "benign/office-hour.zeek-dns.log.gz"]


def watched(parts: Iterable[list[QueryEvent]]) -> list[Alert]:
    """Alerts of a tenant that saw these batches, each when its last event happened."""
    state, alerts = TenantState("acme"), []
    for part in parts:
        alerts += state.update(batch(part), part[-1].time.timestamp()).alerts
    return alerts


@pytest.mark.parametrize("name", TUNNELS)
def test_a_real_tunnel_is_found_within_ten_seconds_of_crossing(name: str) -> None:
    """The first alert names the tunnel's domain, at most 10 s of traffic after 400 distinct bytes had left."""
    events = capture(name)[:600]
    seen, crossed = set[str](), None
    for item in events:
        seen.add(item.qname.removesuffix(item.registered_domain).rstrip("."))
        if crossed is None and sum(map(len, seen)) >= 400:
            crossed = item.time
    first = watched(slices(events))[0]
    assert (first.detector, first.subject, first.state) == ("heavy_hitters", "ggy666.tk", "open")
    assert crossed is not None
    assert (first.changed - crossed).total_seconds() <= 10.0


@pytest.mark.parametrize("name", QUIET)
def test_quiet_traffic_raises_no_alert(name: str) -> None:
    """Default settings, from the first query on: nothing is found in what real clients resolved."""
    assert [(alert.detector, alert.title, alert.severity) for alert in watched(slices(capture(name), most=5000))] == []


def test_two_quiet_clients_at_once_raise_no_alert() -> None:
    """The second capture laid over the first, as if both clients belonged to one tenant."""
    one, two = (capture(name) for name in QUIET[:2])
    shift = one[0].time - two[0].time
    both = sorted([*one, *(msgspec.structs.replace(item, time=item.time + shift, client="10.9.9.9") for item in two)], key=lambda item: item.time)
    assert watched(slices(numbered(both, 0), most=5000)) == []
