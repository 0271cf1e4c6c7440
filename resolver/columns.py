"""Templates of events -> Arrow columns: the pure half of publishing.

Stands after the answer has left: the buffer keeps one template per distinct answer and four numbers per query, this
module turns them into the columns of events.SCHEMA, vectorised. It must not know Kafka, files or clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.events import SCHEMA

Numbers = npt.NDArray[Any]


@dataclass(slots=True, eq=False)
class Template:
    """Everything of an event that is the same for all queries with the same client, question and answer.

    Field names and meanings are those of events.FIELDS; the sets are tuples so that a template can be shared.

    Args:
        labels: (key, value) pairs of the workload.
        answers: (type mnemonic, data, TTL) of the answer section as sent.
        audits: (rule, verdict, tier) of the rules in audit mode that matched.
        generation, slot: bookkeeping of the buffer that holds the template; nobody else writes them.
    """

    tenant: str
    workload: str
    labels: tuple[tuple[str, str], ...]
    client: str
    transport: str
    qname: str
    registered_domain: str
    qtype: str
    qclass: str
    rcode: str
    flags: int
    answers: tuple[tuple[str, str, int], ...]
    answer_source: str
    upstream: str
    verdict: str
    rule: str
    tier: str
    policy_version: str
    query_size: int
    response_size: int
    audits: tuple[tuple[str, str, str], ...] = ()
    tags: tuple[str, ...] = ()
    ede: int = -1
    ede_text: str = ""
    generation: int = field(default=0, repr=False)
    slot: int = field(default=0, repr=False)

    def weight(self) -> int:
        """Bytes this template is estimated to hold in memory beyond what all templates share."""
        return 900 + 2 * len(self.qname) + 250 * len(self.answers) + 60 * len(self.audits) + len(self.ede_text)


@dataclass(slots=True)
class Rows:
    """Events as the buffer hands them over: ``templates[slots[i]]`` and the numbers at ``i`` make event i.

    Args:
        templates: distinct templates.
        slots: uint32, index into templates.
        times: int64, arrival in Unix nanoseconds.
        latencies, upstreams: uint32, microseconds.
    """

    templates: Sequence[Template]
    slots: Numbers
    times: Numbers
    latencies: Numbers
    upstreams: Numbers

    def __len__(self) -> int:
        return len(self.slots)
