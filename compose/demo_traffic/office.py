"""An ordinary day: people and programs, with the rhythm of office hours, many names of few, and what policy denies.

Names are drawn by Zipf's law, moments by a rhythm over the hours, answers come from the cache as often as they do in
practice. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compose.demo_traffic.stage import Client, Numbers, Stage, tag
from compose.demo_traffic.words import HOSTS, edges, letters, sites
from resolver.rows import Template

SITES = 420
CACHED = 0.62
_QTYPES, _TYPE_SHARES = ("A", "AAAA", "HTTPS"), (0.72, 0.22, 0.06)
_DENIED = 0.02
"""Share of the names that are advertising; the policy of the demo denies it."""
STREAMING = 0.25
"""Share of the names that are streaming; denied from the second version of orchard's policy on."""


class Names:
    """What a tenant's machines ask for, most popular first.

    Attributes:
        kinds: of each name: web, edge, ads, streaming, inside or missing.
        shares: of the queries.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        web = [f"{host}.{site}".lstrip(".") for site in sites(rng, SITES) for host in HOSTS[: 1 + int(rng.integers(4))]]
        named = [("web", name) for name in web] + [("edge", name) for name in edges(rng, 12, 10)]
        named += [("missing", f"{letters(rng, 5)}.{site}") for site in sites(rng, 12)]
        order = rng.permutation(len(named))
        self.texts = [named[index][1] for index in order.tolist()]
        self.kinds = [named[index][0] for index in order.tolist()]
        for index, (kind, share) in enumerate((("ads", _DENIED), ("streaming", STREAMING))):
            for place in range(index + 1, len(named), round(1 / share)):
                self.kinds[place] = kind if self.kinds[place] == "web" else self.kinds[place]
        self.shares = 1 / (np.arange(len(named)) + 6.0)
        self.shares /= self.shares.sum()


def services(stage: Stage) -> list[str]:
    """Names of a tenant's own services."""
    return [
        f"{name}.{stage.zone}" for name in ("orders", "users", "search", "billing", "queue", "cache", "db-1", "db-2")
    ]


def moments(stage: Stage, count: int) -> Numbers:
    """Unix seconds of so many queries: quiet at night, busy from nine to five (UTC), with a dip at noon."""
    minutes = np.arange(stage.start, stage.end, 60.0)
    whole = np.concatenate([[0.0], np.cumsum(_rhythm(minutes))])
    drawn = np.sort(stage.rng.random(count)) * whole[-1]
    found: Numbers = np.interp(drawn, whole, np.append(minutes, stage.end))
    return found


def busiest(stage: Stage, lasting: float) -> float:
    """The moment from which so many seconds are the busiest of the day, with some of the day before and behind them."""
    starts = np.arange(stage.at(0.2), max(stage.at(0.95) - lasting, stage.at(0.2) + 1), 300.0)
    return float(starts[np.argmax(_rhythm(starts + lasting / 2))])


def _rhythm(moments: Numbers) -> Numbers:
    hour = moments / 3600 % 24
    rhythm: Numbers = 0.55 + np.exp(-((hour - 10.5) ** 2) / 6) + 0.9 * np.exp(-((hour - 15.0) ** 2) / 6)
    return rhythm


def ordinary(stage: Stage, names: Names, count: int, *, changes: float = np.inf) -> None:
    """Put an ordinary day on the stage.

    Args:
        stage: of the tenant.
        names: of the tenant.
        count: queries.
        changes: Unix seconds from which the second version of the policy is in force.
    """
    rng, times = stage.rng, moments(stage, count)
    weights = rng.gamma(2.0, 1.0, len(stage.clients))
    who = rng.choice(len(stage.clients), count, p=weights / weights.sum())
    inside = rng.random(count) < np.array([_inward(client) for client in stage.clients])[who]
    own = services(stage)
    what = np.where(
        inside,
        len(names.texts) + rng.integers(len(own), size=count),
        rng.choice(len(names.texts), count, p=names.shares),
    )
    kind = rng.choice(len(_QTYPES), count, p=_TYPE_SHARES)
    cached, second = (rng.random(count) < CACHED).astype(np.int64), (times >= changes).astype(np.int64)
    key = (((who * (len(names.texts) + len(own)) + what) * 3 + kind) * 2 + cached) * 2 + second
    distinct, slots = np.unique(key, return_inverse=True)
    texts, kinds = names.texts + own, names.kinds + ["inside"] * len(own)
    templates = []
    for code in distinct.tolist():
        rest, newer = divmod(code, 2)
        rest, from_cache = divmod(rest, 2)
        rest, qtype = divmod(rest, 3)
        client, name = divmod(rest, len(texts))
        made = asked(stage, stage.clients[client], texts[name], _QTYPES[qtype], kinds[name], newer=bool(newer))
        if from_cache and made.answer_source == "upstream":
            made.answer_source, made.upstream = "cache", ""
        templates.append(made)
    stage.add(times, templates, slots, upstream_times(stage, templates, slots))


def upstream_times(stage: Stage, templates: Sequence[Template], slots: Numbers) -> Numbers:
    """Microseconds that upstream took for each query: most answers are near, some come from far."""
    remote = np.array([template.answer_source == "upstream" for template in templates])[slots]
    far = stage.rng.random(len(slots)) < 0.15
    return np.where(remote, stage.rng.lognormal(np.log(np.where(far, 60_000, 9_000)), 0.45), 0.0)


def asked(stage: Stage, client: Client, name: str, qtype: str, kind: str, *, newer: bool = False) -> Template:
    """The event of an ordinary query, as kind and policy make it."""
    version = "demo-2" if newer else "demo-1"
    if kind == "ads" or (kind == "streaming" and newer):
        rule = "demo-traffic/no-ads" if kind == "ads" else "demo-traffic/no-streaming"
        return stage.template(
            client, name, qtype, rcode="NXDOMAIN", answer_source="policy", upstream="", verdict="deny", rule=rule,
            tier="tenant", ede=15, ede_text=rule, policy_version=version,
            tags=tag("policy-change") if kind == "streaming" else (),
        )  # fmt: skip
    if kind == "missing":
        return stage.template(client, name, qtype, rcode="NXDOMAIN", policy_version=version)
    if kind == "inside":
        inside = ((qtype, address_of(name, "10.200"), 30),) if qtype == "A" else ()
        return stage.template(
            client, name, qtype, answers=inside, answer_source="virtual", upstream="", policy_version=version
        )
    answers: tuple[tuple[str, str, int], ...] = ((qtype, address_of(name, "198.51"), 300),) if qtype == "A" else ()
    if kind == "edge" and answers:
        answers = (("CNAME", f"edge-{len(name) % 7}.{name.split('.', 2)[2]}.", 60), (*answers[0][:2], 20))
    return stage.template(client, name, qtype, answers=answers, policy_version=version)


def address_of(name: str, prefix: str) -> str:
    """An address that follows from the name."""
    number = sum(byte * (31 + place) for place, byte in enumerate(name.encode()))
    return f"{prefix}.{number // 250 % 250}.{number % 250 + 1}"


def _inward(client: Client) -> float:
    return {"laptops": 0.1, "web": 0.6, "batch": 0.7}.get(client.workload, 0.3)
