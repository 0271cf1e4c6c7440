"""A day in the life of three tenants that do not exist, with incidents that are labelled: seed and span in, events out.

The same seed and span give the same day. One file a kind of scenario, put on a tenant's stage here. Pure: no clock, no
Kafka; names and addresses are reserved for documentation or private, but for generated names, which must look as if
somebody could have registered them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compose.demo_traffic import failing, leaks, malware, oddities, operations
from compose.demo_traffic.office import Names, ordinary
from compose.demo_traffic.stage import Client, Incident, Stage
from resolver.rows import Rows

__all__ = ["SHORTEST_S", "TENANTS", "Day", "Incident", "day"]

TENANTS = {"harbor": 71, "orchard": 72, "summit": 73}
"""Tenant -> second number of its network, 10.N.0.0/16, as config/demo_traffic.yaml has it."""
SHORTEST_S = 3600.0
"""Seconds of a day at least; in less there is no room for the incidents."""
_SHARES = {"harbor": 0.35, "orchard": 0.4, "summit": 0.25}
_WORKLOADS = (("laptops", 1, 24), ("web", 2, 6), ("batch", 3, 4))


@dataclass(frozen=True, slots=True)
class Day:
    """Events of each tenant, in order of time, and what was staged."""

    events: dict[str, Rows]
    incidents: list[Incident]

    def __len__(self) -> int:
        return sum(map(len, self.events.values()))


def day(seed: int, start: float, end: float, rate: float) -> Day:
    """Make a day.

    Args:
        seed: of everything random.
        start: Unix seconds, at least SHORTEST_S before the end.
        end: Unix seconds; no event is later.
        rate: ordinary queries a second of all tenants together, on average.
    """
    stages = {name: _stage(name, seed, start, end) for name in TENANTS}
    for name, stage in stages.items():
        # What a tenant asks for stays the same from run to run.
        names = Names(np.random.default_rng([seed, TENANTS[name]]))
        _play(stage, names, round(rate * _SHARES[name] * (end - start)))
    incidents = sorted((one for stage in stages.values() for one in stage.incidents), key=lambda one: one.start)
    return Day({name: stage.rows() for name, stage in stages.items()}, incidents)


def _stage(tenant: str, seed: int, start: float, end: float) -> Stage:
    number = TENANTS[tenant]
    clients = tuple(
        Client(f"10.{number}.{net}.{host + 10}", workload, (("app", workload), ("env", "demo")))
        for workload, net, count in _WORKLOADS
        for host in range(count)
    )
    rng = np.random.default_rng([seed, number, int(start)])
    return Stage(tenant, clients, f"{tenant}.internal", start, end, rng)


def _play(stage: Stage, names: Names, count: int) -> None:
    """Ordinary traffic and the tenant's incidents; where in the day each lies is a share of it, or its busiest time."""
    if stage.tenant == "orchard":
        ordinary(stage, names, count, changes=operations.policy_change(stage))
        leaks.slow_exfiltration(stage, 0.2)
        malware.generated(stage, 0.5)
        oddities.rebinding(stage, 0.62)
        oddities.fast_flux(stage, 0.7)
        return
    ordinary(stage, names, count)
    if stage.tenant == "harbor":
        leaks.tunnel(stage, 0.42)
        malware.beacon(stage)
        oddities.newly_observed(stage, 0.75)
        operations.slow_upstream(stage)
        return
    failing.random_subdomains(stage, 0.35)
    failing.search_storm(stage, 0.5)
    failing.probing(stage, 0.65)
    operations.volume_spike(stage, 0.85, names)
