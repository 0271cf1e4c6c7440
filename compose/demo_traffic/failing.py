"""Names that do not exist: a flood of random subdomains, a search list gone wrong, a client that probes. Pure."""

from __future__ import annotations

import numpy as np

from compose.demo_traffic.stage import Incident, Stage, tag
from compose.demo_traffic.words import letters


def random_subdomains(stage: Stage, share: float) -> None:
    """Two minutes of an attack on one domain through many machines: 40 queries a second."""
    start, victim = stage.at(share), "harvestmart.example"
    times = start + np.sort(stage.rng.random(4800)) * 120
    clients = [stage.clients[index] for index in stage.rng.integers(len(stage.clients), size=len(times)).tolist()]
    templates = [
        stage.template(client, f"{letters(stage.rng, 12)}.{victim}", rcode="NXDOMAIN", tags=tag("random-subdomains"))
        for client in clients
    ]
    stage.ask(times, templates)
    told = f"{len(stage.clients)} clients"
    stage.incidents.append(
        Incident("random-subdomains", stage.tenant, start, start + 120, told, victim, ("nxdomain_storm",))
    )


def search_storm(stage: Stage, share: float) -> None:
    """Five minutes in which one machine puts an internal suffix behind every name."""
    start, client, suffix = stage.at(share), stage.of("web")[1], f"corp.{stage.zone}"
    times = start + np.sort(stage.rng.random(1500)) * 300
    pool = [f"{host}.{letters(stage.rng, 6)}.com.{suffix}" for host in ("www", "api") for _ in range(40)]
    picks = stage.rng.integers(len(pool), size=len(times)).tolist()
    templates = [stage.template(client, pool[pick], rcode="NXDOMAIN", tags=tag("search-storm")) for pick in picks]
    stage.ask(times, templates, 2500.0)
    stage.incidents.append(
        Incident("search-storm", stage.tenant, start, start + 300, client.address, suffix, ("nxdomain_storm",))
    )


def probing(stage: Stage, share: float) -> None:
    """Six minutes in which a machine walks names of another tenant; none of them exists for it."""
    start, client, zone = stage.at(share), stage.of("batch")[1], "harbor.internal"
    names = [
        f"{word}-{number}.{zone}" for word in ("db", "vault", "admin", "backup", "git", "ldap") for number in range(20)
    ]
    times = start + np.sort(stage.rng.random(len(names))) * 360
    templates = [
        stage.template(client, name, rcode="NXDOMAIN", answer_source="policy", upstream="", tags=tag("probing"))
        for name in names
    ]
    stage.add(times, templates, np.arange(len(names)), np.zeros(len(names)))
    stage.incidents.append(
        Incident(
            "probing", stage.tenant, start, start + 360, client.address, zone, ("policy_probing", "nxdomain_storm")
        )
    )
