"""The event of one query but for its numbers: a Template that later queries of the same client may share.

Made when the answer is rendered; the publisher adds time and latency. This module must not know how events travel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

from resolver.limits import Meter
from resolver.mnemonics import class_name, rcode_name
from resolver.policy.decision import Decision
from resolver.query import Query, Record, Response
from resolver.rows import Template
from resolver.tenants import PLAIN, Arrival, Asker
from schemas.domains import registered_domain

CLOSED = Decision("deny")
"""What befalls a client that no tenant claims, and a query that cannot be read."""


@dataclass(slots=True)
class Visit:
    """One query on its way: who asked what, when, and what was decided so far.

    Args:
        message: the query as it came.
        address: client's, in presentation format.
        transport: udp or tcp.
        received_ns: Unix nanoseconds.
        epoch, version: of the policy that decides.
        asker: None for an unknown client.
        arrival: what is known of the client beside its address.
        search: names of the tenant's search list being tried (see answers/search.py); None without.
        meter: of the client's tenant, None without limits.
        again: Unix seconds from which the same query must come here again even if its answer is still right.
    """

    query: Query
    message: bytes
    address: str
    transport: str
    received_ns: int
    epoch: int = 0
    version: str = ""
    asker: Asker | None = None
    decision: Decision = CLOSED
    arrival: Arrival = PLAIN
    meter: Meter | None = None
    search: Any = None
    again: float = inf

    @property
    def claimant(self) -> Asker:
        """The asker of a query that came past the door: nobody else's is asked upstream."""
        assert self.asker is not None  # noqa: S101 - see above
        return self.asker

    @property
    def decided_on(self) -> str:
        """The name that the decision is on: the one asked, or the one of the search list that is being tried."""
        query: Query = self.query if self.search is None else self.search.lookup.query
        return query.qname


def template_of(visit: Visit, response: Response, wire: bytes | None, *, shown: str, age: int) -> Template:
    """The event of a query and its answer.

    Args:
        visit: the query and what was decided.
        response: the answer before rendering.
        wire: the answer as sent, None when none was.
        shown: the client as the tenant's privacy setting shows it.
        age: seconds by which the answer's TTLs were counted down.
    """
    query, asker, decision = visit.query, visit.asker, visit.decision
    return Template(
        tenant=asker.tenant.name if asker else "",
        workload=asker.workload if asker else "",
        labels=tuple(sorted(asker.labels.items())) if asker else (),
        client=shown,
        transport=visit.transport,
        qname=query.qname,
        registered_domain=registered_domain(query.qname),
        qtype=query.qtype_name,
        qclass=class_name(query.qclass),
        rcode=rcode_name(response.rcode) if wire else "",
        flags=int.from_bytes(wire[2:4], "big") if wire else query.flags,
        answers=aged_answers(response.records, age) if wire and wire[7] | wire[6] else (),
        answer_source=response.source,
        upstream=response.upstream,
        verdict=decision.verdict,
        rule=decision.rule,
        tier=decision.tier,
        policy_version=visit.version,
        query_size=query.size,
        response_size=len(wire) if wire else 0,
        audits=tuple((audit.rule, audit.verdict, audit.tier) for audit in decision.audits),
        tags=decision.tags,
        ede=response.ede if query.edns else -1,
        ede_text=response.ede_text if query.edns else "",
    )


def aged_answers(records: tuple[Record, ...], age: int) -> tuple[tuple[str, str, int], ...]:
    """Records of the answer section as events show them: (type, data, TTL as sent)."""
    return tuple((record.type, record.data, max(0, record.ttl - age)) for record in records)


def aged(template: Template, records: tuple[Record, ...], age: int) -> Template:
    """The same event a while later: only the TTLs differ. A template of its own, for the buffer tells them apart."""
    return replace(template, answers=aged_answers(records, age) if template.answers else (), generation=0, slot=0)
