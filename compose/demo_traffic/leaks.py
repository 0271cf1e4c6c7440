"""Data that leaves in names: a fast tunnel with TXT answers, and a thief with patience. Pure."""

from __future__ import annotations

import numpy as np

from compose.demo_traffic.stage import Incident, Stage, tag
from compose.demo_traffic.words import letters

_HOUR = 3600.0


def tunnel(stage: Stage, share: float) -> None:
    """Eight minutes of a tunnel: 4 queries a second with 45 characters each, TXT answers with as much."""
    start, client, domain = stage.at(share), stage.of("batch")[0], "relay-sync.example"
    times = start + np.sort(stage.rng.random(1920)) * 480
    templates = [
        stage.template(
            client,
            f"{letters(stage.rng, 45)}.t.{domain}",
            "TXT",
            answers=(("TXT", f'"{letters(stage.rng, 120)}"', 0),),
            tags=tag("tunnel"),
        )
        for _ in times
    ]
    stage.ask(times, templates)
    stage.incidents.append(
        Incident("tunnel", stage.tenant, start, start + 480, client.address, domain, ("heavy_hitters",))
    )


def slow_exfiltration(stage: Stage, share: float) -> None:
    """Four hours at about one byte a second: a name with 30 characters every half a minute."""
    start, client, domain = stage.at(share), stage.of("web")[0], "metricbeacon.example"
    count = int(min(4 * _HOUR, stage.end - start) / 30)
    times = start + 30 * (np.arange(count) + stage.rng.uniform(-0.3, 0.3, count))
    templates = [
        stage.template(
            client,
            f"{letters(stage.rng, 30)}.{domain}",
            answers=(("A", "198.51.100.9", 5),),
            tags=tag("slow-exfiltration"),
        )
        for _ in times
    ]
    stage.ask(times, templates)
    stage.incidents.append(
        Incident(
            "slow-exfiltration", stage.tenant, start, start + 30 * count, client.address, domain, ("heavy_hitters",)
        )
    )
