"""Where a tenant's day is put together: rows are added by whoever has some, and come out in order of time.

One line a group of queries: when, which of some templates, how long. Pure; all randomness is the generator's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from resolver.rows import Rows, Template, join
from schemas.domains import registered_domain

Numbers = npt.NDArray[Any]
UPSTREAM = "udp://192.0.2.53:53"
"""Of TEST-NET-1 (RFC 5737): nobody's."""


@dataclass(frozen=True, slots=True)
class Client:
    """One machine of a tenant."""

    address: str
    workload: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """What was staged, so that what was found can be set against it.

    Attributes:
        name: as in the tag ``demo:NAME`` of its events.
        start, end: Unix seconds.
        client: the address, or how many.
        subject: a name or domain, or what it is about.
        detectors: those that should tell of it, any of them.
    """

    name: str
    tenant: str
    start: float
    end: float
    client: str
    subject: str
    detectors: tuple[str, ...]


@dataclass(slots=True)
class Stage:
    """The day of one tenant.

    Attributes:
        clients: its machines. zone: its internal zone.
        start, end: Unix seconds.
        version: of the policy in force, in events.
    """

    tenant: str
    clients: tuple[Client, ...]
    zone: str
    start: float
    end: float
    rng: np.random.Generator
    version: str = "demo-1"
    parts: list[Rows] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def at(self, share: float) -> float:
        """The moment at which so much of the day is over."""
        return self.start + share * (self.end - self.start)

    def of(self, workload: str) -> list[Client]:
        """Machines of a workload."""
        return [client for client in self.clients if client.workload == workload]

    def add(self, times: Numbers, templates: Sequence[Template], slots: Numbers, upstream_us: Numbers) -> None:
        """Add queries: Unix seconds, templates, which of them each is, microseconds that upstream took (0 is local)."""
        inside = (times >= self.start) & (times < self.end)
        times, slots, upstream_us = times[inside], slots[inside], upstream_us[inside]
        if len(times):
            own = self.rng.gamma(4.0, 25.0, len(times)) + 40
            ticks = (times * 1e6).astype(np.int64) * 1000
            self.parts.append(
                Rows(
                    templates,
                    slots.astype(np.int64),
                    ticks,
                    _microseconds(own + upstream_us),
                    _microseconds(upstream_us),
                )
            )

    def ask(self, times: Numbers, templates: Sequence[Template], mean_us: float = 14_000.0) -> None:
        """Add queries of one template each, all answered by upstream."""
        self.add(times, templates, np.arange(len(templates)), self.rng.lognormal(np.log(mean_us), 0.5, len(templates)))

    def rows(self) -> Rows:
        """Everything, in order of time."""
        whole = join(self.parts)
        order = np.argsort(whole.times, kind="stable")
        return Rows(
            whole.templates, whole.slots[order], whole.times[order], whole.latencies[order], whole.upstreams[order]
        )

    def template(self, client: Client, qname: str, qtype: str = "A", **fields: Any) -> Template:  # noqa: ANN401 - fields of Template
        """A query that upstream answered and policy allowed, unless the fields say otherwise."""
        values: dict[str, Any] = {
            "rcode": "NOERROR",
            "answers": (),
            "answer_source": "upstream",
            "upstream": UPSTREAM,
            "verdict": "allow",
            "rule": "",
            "tier": "default",
            "policy_version": self.version,
            **fields,
        }
        size = len(qname) + 29
        return Template(
            tenant=self.tenant,
            workload=client.workload,
            labels=client.labels,
            client=client.address,
            transport="udp",
            qname=qname,
            registered_domain=registered_domain(qname),
            qtype=qtype,
            qclass="IN",
            flags=0x8180 | {"NOERROR": 0, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}[values["rcode"]],
            query_size=size,
            response_size=size + sum(12 + min(len(data), 220) for _, data, _ in values["answers"]),
            **values,
        )


def _microseconds(values: Numbers) -> Numbers:
    return np.minimum(values, 2**32 - 1).astype(np.uint32)


def tag(name: str) -> tuple[str, ...]:
    """Tags of an incident's events."""
    return (f"demo:{name}",)
