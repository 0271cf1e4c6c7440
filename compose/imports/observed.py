"""One query as an import saw it, on its way to a row: when, how long the answer took, and the rest as a Template.

Between the readers and the columns. What only a policy could know stays at its neutral value: an imported query was
allowed by nobody's rule. Must not know formats.
"""

from __future__ import annotations

from typing import NamedTuple

from resolver.mnemonics import class_name, rcode_name, type_name
from resolver.rows import Template
from schemas.domains import registered_domain

ANSWER_SOURCE = "import"


class Observed(NamedTuple):
    """Arrival in Unix nanoseconds, microseconds until the answer, and of these until upstream's, all else."""

    time_ns: int
    latency_us: int
    upstream_us: int
    template: Template


def template(
    client: str,
    transport: str,
    question: tuple[str, int, int],
    *,
    flags: int,
    sizes: tuple[int, int],
    answer: tuple[int, tuple[tuple[str, str, int], ...]] | None = None,
    ede: tuple[int, str] = (-1, ""),
) -> Template:
    """The event of an imported query but for its numbers.

    Args:
        client: address, in presentation format.
        transport: udp or tcp.
        question: qname as events write it, type and class as numbers.
        flags: header flags word of the response, of the query if there is none.
        sizes: bytes of query and response.
        answer: rcode and records; None without a response.
        ede: Extended DNS Error and its text.
    """
    qname, qtype, qclass = question
    rcode, records = answer or (-1, ())
    return Template(
        tenant="",
        workload="",
        labels=(),
        client=client,
        transport=transport,
        qname=qname,
        registered_domain=registered_domain(qname),
        qtype=type_name(qtype),
        qclass=class_name(qclass),
        rcode=rcode_name(rcode) if answer else "",
        flags=flags,
        answers=records,
        answer_source=ANSWER_SOURCE,
        upstream="",
        verdict="allow",
        rule="",
        tier="default",
        policy_version="",
        query_size=sizes[0],
        response_size=sizes[1],
        ede=ede[0],
        ede_text=ede[1],
    )
