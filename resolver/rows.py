"""Events as the buffer keeps them: one template per distinct answer, four numbers per query; cut, split and joined.

Stands between the buffer and columns.py, which makes Arrow of it. It must not know Arrow, Kafka, files or clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

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
        slots: int64, index into templates.
        times: int64, arrival in Unix nanoseconds.
        latencies, upstreams: uint32, microseconds.
        weight: bytes these rows are estimated to hold in memory.
    """

    templates: Sequence[Template]
    slots: Numbers
    times: Numbers
    latencies: Numbers
    upstreams: Numbers
    weight: int = 0

    def __len__(self) -> int:
        return len(self.slots)


def split(rows: Rows, partition: Callable[[str], int]) -> dict[int, Rows]:
    """Cut rows by partition, keeping the order inside each.

    Args:
        rows: what the buffer handed over, at least one event.
        partition: tenant name -> partition.
    """
    tenants = list(map(attrgetter("tenant"), rows.templates))
    of_tenant = {tenant: partition(tenant) for tenant in dict.fromkeys(tenants)}
    of_template = np.fromiter(map(of_tenant.__getitem__, tenants), np.uint16, len(tenants))
    first = int(of_template[0])
    if not (of_template != first).any():
        return {first: rows}
    of_event = of_template[rows.slots]
    numbers = np.flatnonzero(np.bincount(of_event)).tolist()
    return {number: _pick(rows, np.flatnonzero(of_event == number)) for number in numbers}


def cut(rows: Rows, most: int) -> list[Rows]:
    """Pieces of at most so many events, in order."""
    if len(rows) <= most:
        return [rows]
    return [_pick(rows, np.arange(start, min(start + most, len(rows)))) for start in range(0, len(rows), most)]


def _pick(rows: Rows, events: Numbers) -> Rows:
    slots = rows.slots[events]
    used = np.zeros(len(rows.templates), bool)  # np.unique() would sort, and import numpy.ma: ten milliseconds, once
    used[slots] = True
    return Rows(
        [rows.templates[slot] for slot in np.flatnonzero(used).tolist()],
        (np.cumsum(used) - 1)[slots],
        rows.times[events],
        rows.latencies[events],
        rows.upstreams[events],
        rows.weight * len(events) // len(rows),
    )


def join(parts: Sequence[Rows]) -> Rows:
    """Several cuts of one partition as one, in order."""
    if len(parts) == 1:
        return parts[0]
    templates: list[Template] = []
    slots: list[Numbers] = []
    for part in parts:
        slots.append(part.slots + len(templates))
        templates.extend(part.templates)
    return Rows(
        templates,
        np.concatenate(slots),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.latencies for part in parts]),
        np.concatenate([part.upstreams for part in parts]),
        sum(part.weight for part in parts),
    )
