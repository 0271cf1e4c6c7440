"""What operations bring about: a change of policy, an upstream server that slows down, a spike of queries. Pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compose.demo_traffic.office import Names, asked, busiest, upstream_times
from compose.demo_traffic.stage import UPSTREAM, Incident, Stage, tag
from resolver.rows import Rows

SLOW_S, SPIKE_S = 1200.0, 600.0


def policy_change(stage: Stage) -> float:
    """The moment at which the second version, which denies streaming, is in force; ordinary() does the rest.

    Where most ask: what one in ten queries shows takes some hundred of them to tell.
    """
    start = busiest(stage, 600.0)
    stage.incidents.append(
        Incident("policy-change", stage.tenant, start, start + 900, "everybody", "demo-1 -> demo-2", ("policy_shift",))
    )
    return start


def slow_upstream(stage: Stage) -> None:
    """Twenty minutes in which upstream takes thirty times as long and fails every fifth question, whoever asks it.

    When most ask, as servers do; at night it answers less than the twenty questions a minute that are judged.
    """
    start = busiest(stage, SLOW_S)
    stage.parts = [_slowed(stage, rows, start) for rows in stage.parts]
    stage.incidents.append(
        Incident("slow-upstream", stage.tenant, start, start + SLOW_S, "everybody", UPSTREAM, ("service_trouble",))
    )


def _slowed(stage: Stage, rows: Rows, start: float) -> Rows:
    """The same rows, those of the slow time with more latency, failures and the tag."""
    remote = np.array([template.answer_source == "upstream" for template in rows.templates])[rows.slots]
    hit = (rows.times >= start * 1e9) & (rows.times < (start + SLOW_S) * 1e9) & remote
    failed = hit & (stage.rng.random(len(rows)) < 0.2)
    more = (rows.upstreams * np.where(hit, 29.0, 0.0)).astype(np.uint32)
    templates, slots = list(rows.templates), rows.slots.copy()
    for kind, mask in ((0, hit & ~failed), (1, failed)):
        for slot in np.unique(slots[mask]).tolist():
            old = rows.templates[slot]
            changes = {"rcode": "SERVFAIL", "answers": (), "flags": 0x8182} if kind else {}
            slots[mask & (rows.slots == slot)] = len(templates)
            templates.append(replace(old, tags=(*old.tags, *tag("slow-upstream")), **changes))
    return Rows(templates, slots, rows.times, rows.latencies + more, rows.upstreams + more)


def volume_spike(stage: Stage, share: float, names: Names) -> None:
    """Ten minutes in which the batch jobs ask the same few names, 15 times a second.

    A quarter to the hour, where there is one: of a tenant's first day only hours are judged of which half was seen.
    """
    quarter_to = (stage.at(share) + 900.0) // 3600 * 3600 - 900.0
    start = quarter_to if quarter_to - 2700.0 >= stage.start else stage.at(share)
    clients, count = stage.of("batch"), int(SPIKE_S * 15)
    times = start + np.sort(stage.rng.random(count)) * SPIKE_S
    chosen = [(text, kind) for text, kind in zip(names.texts, names.kinds, strict=True) if kind == "web"][:20]
    templates = [asked(stage, client, text, "A", kind) for client in clients for text, kind in chosen]
    for template in templates:
        template.tags = tag("volume-spike")
    slots = stage.rng.integers(len(templates), size=count)
    stage.add(times, templates, slots, upstream_times(stage, templates, slots))
    told = f"{len(clients)} clients"
    stage.incidents.append(
        Incident("volume-spike", stage.tenant, start, start + SPIKE_S, told, "workload batch", ("volume",))
    )
