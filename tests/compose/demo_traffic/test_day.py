"""A demo day: the same for the same seed, in order, about nobody, with every incident labelled."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from compose.demo_traffic import TENANTS, Day, day
from compose.demo_traffic.office import busiest
from compose.demo_traffic.stage import Stage
from resolver.columns import columns
from schemas.detection_spec import Detection
from schemas.domains import registered_domain
from streams.detectors import DETECTORS

END = 1_795_392_000.0
START = END - 86_400


@lru_cache(maxsize=1)
def whole() -> Day:
    """A day at a low rate."""
    return day(1, START, END, 0.5)


def test_the_same_seed_makes_the_same_day() -> None:
    """Event by event; another seed makes another."""
    one, two, other = (day(seed, START, START + 3600, 0.5) for seed in (1, 1, 2))
    for tenant in TENANTS:
        made = [columns(found.events[tenant], source="d", epoch=1, partition=0, first_sequence=0) for found in (one, two, other)]
        assert made[0].equals(made[1])
        assert not made[0].equals(made[2])


def test_events_lie_in_the_day_in_order_of_time() -> None:
    """And there are about as many as the rate says, the incidents' beside them."""
    for events in whole().events.values():
        assert (np.diff(events.times) >= 0).all()
        assert int(START * 1e9) <= events.times[0] < events.times[-1] < int(END * 1e9)
    assert 60_000 < len(whole()) < 70_000


def test_names_and_addresses_are_nobodys() -> None:
    """Public names lie below .example, but for generated ones, which must look registrable; clients in the tenants' networks."""
    for tenant, events in whole().events.items():
        assert {template.client.split(".")[1] for template in events.templates} == {str(TENANTS[tenant])}
        named = [template.qname for template in events.templates if "demo:generated-names" not in template.tags]
        assert {qname.rpartition(".")[2] for qname in named} == {"example", "internal"}
        assert all(registered_domain(template.qname) == template.registered_domain for template in events.templates)


def test_every_incident_is_labelled_and_has_a_detector() -> None:
    """Tags say which events belong to it; a detector that is expected is one that tenants can configure."""
    tags = {(template.tenant, tag) for events in whole().events.values() for template in events.templates for tag in template.tags}
    assert tags == {(incident.tenant, f"demo:{incident.name}") for incident in whole().incidents}
    assert len(tags) == 13
    expected = {detector for incident in whole().incidents for detector in incident.detectors}
    assert expected <= set(Detection.__struct_fields__)
    assert {kind.name for kind in DETECTORS} <= expected


@pytest.mark.parametrize("hour", [0, 5, 9, 14, 20])
def test_what_needs_many_queries_lies_in_office_hours(hour: int) -> None:
    """Whenever the day begins: a slow server that is asked ten times a minute is nothing a detector can tell."""
    start = START + 3600 * hour
    stage = Stage("harbor", (), "harbor.internal", start, start + 86_400, np.random.default_rng(1))
    for lasting in (600.0, 1200.0):
        moment = busiest(stage, lasting)
        assert 9 * 3600 <= moment % 86_400 <= 16 * 3600
        assert start + 3600 < moment < start + 86_400 - 3600


@pytest.mark.parametrize("past", [0, 600, 1800, 2500, 3500])
def test_a_spike_lies_in_an_hour_that_was_seen(past: int) -> None:
    """Whenever the day begins, most of its hour is over, so that there is something to compare with; and in a day of an hour it lies inside."""
    for hours in (24, 1):
        made = day(1, START + past, START + past + 3600 * hours, 0.5)
        (spike,) = [incident for incident in made.incidents if incident.name == "volume-spike"]
        assert START + past < spike.start < START + past + 3600 * hours
        assert hours == 1 or spike.start % 3600 == 2700


def test_policy_and_upstream_change_as_staged() -> None:
    """The second version denies streaming; the slow server fails every fifth question."""
    orchard, harbor = whole().events["orchard"], whole().events["harbor"]
    shares = {}
    for version in ("demo-1", "demo-2"):
        mine = np.array([(template.policy_version == version and not template.tags) or "demo:policy-change" in template.tags for template in orchard.templates])
        denied = np.array([template.verdict == "deny" and template.policy_version == version for template in orchard.templates])
        shares[version] = denied[orchard.slots].sum() / mine[orchard.slots].sum()
    assert shares["demo-2"] - shares["demo-1"] > 0.1
    slow = np.array(["demo:slow-upstream" in template.tags for template in harbor.templates])[harbor.slots]
    failed = np.array([template.rcode == "SERVFAIL" for template in harbor.templates])[harbor.slots]
    assert 0.1 < failed[slow].mean() < 0.3
    usual = harbor.upstreams[(harbor.upstreams > 0) & ~slow]
    assert np.median(harbor.upstreams[slow]) > 20 * np.median(usual)
