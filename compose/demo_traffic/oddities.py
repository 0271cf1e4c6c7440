"""Names that behave oddly without failing: never seen before, from public to private, ever new addresses. Pure."""

from __future__ import annotations

import numpy as np

from compose.demo_traffic.stage import Incident, Stage, tag
from compose.demo_traffic.words import letters


def newly_observed(stage: Stage, share: float) -> None:
    """Ten minutes in which one machine asks for 300 domains that nobody here asked before."""
    start, client = stage.at(share), stage.of("laptops")[0]
    times = start + np.sort(stage.rng.random(300)) * 600
    templates = [
        stage.template(
            client,
            f"www.{letters(stage.rng, 7)}.example",
            answers=(("A", "198.51.100.20", 300),),
            tags=tag("newly-observed"),
        )
        for _ in times
    ]
    stage.ask(times, templates)
    stage.incidents.append(
        Incident("newly-observed", stage.tenant, start, start + 600, client.address, "300 domains", ("newly_observed",))
    )


def rebinding(stage: Stage, share: float) -> None:
    """A public name that answers with a public address, and ten seconds later with one of the tenant's own."""
    start, client, name = stage.at(share), stage.of("laptops")[2], "widget.sunnyforum-ads.example"
    answers = [(("A", "198.51.100.30", 1),), (("A", "10.72.0.10", 1),)]
    templates = [stage.template(client, name, answers=told, tags=tag("rebinding")) for told in answers]
    times = start + 10.0 * np.arange(6)
    stage.add(times, templates, np.array([0, 1, 0, 1, 1, 1]), np.full(6, 20_000.0))
    stage.incidents.append(Incident("rebinding", stage.tenant, start, start + 60, client.address, name, ("rebinding",)))


def fast_flux(stage: Stage, share: float) -> None:
    """Two hours of a name whose five addresses change every two minutes and lie everywhere."""
    start, client, name, rng = stage.at(share), stage.of("laptops")[4], "shop.velvetdeals-now.example", stage.rng
    times = start + 120.0 * np.arange(60)
    templates = []
    for _ in times:
        first, rest = rng.integers(20, 200, 5).tolist(), rng.integers(1, 250, (5, 3)).tolist()
        answers = tuple(("A", ".".join(map(str, [one, *more])), 60) for one, more in zip(first, rest, strict=True))
        templates.append(stage.template(client, name, answers=answers, tags=tag("fast-flux")))
    stage.ask(times, templates)
    stage.incidents.append(
        Incident("fast-flux", stage.tenant, start, start + 7200, client.address, name, ("fast_flux",))
    )
