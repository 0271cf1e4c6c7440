"""What the events of one worker say about its queries, for metrics: counted when batches are cut, not on the path.

Cardinality is bounded: tenants beyond a number are counted together, names and clients never appear. This module must
not know Prometheus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from resolver.rows import Rows

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram in seconds."""
MOST_TENANTS = 200
OTHER = "(other)"
_SLICE = 128
_BOUNDS_US = np.array([bound * 1e6 for bound in BOUNDS])


class Kind(NamedTuple):
    """What queries are told apart by."""

    tenant: str
    transport: str
    answer_source: str
    verdict: str
    rcode: str


_kind = attrgetter(*Kind._fields)


class Tally:
    """Counts by kind, and latencies.

    Attributes:
        queries: by kind. latencies: by BOUNDS, the last slot for slower ones. seconds: sum of latencies.
    """

    def __init__(self) -> None:
        self.queries: Counter[Kind] = Counter()
        self.latencies = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self._tenants: set[str] = set()

    def adding(self, rows: Rows) -> Generator[None, None, None]:
        """Count events, in slices; all of them at the last one, none if it does not come to that."""
        kinds: list[tuple[str, ...]] = []
        for start in range(0, len(rows.templates), _SLICE):
            kinds.extend(map(_kind, rows.templates[start : start + _SLICE]))
            yield
        code = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
        of_template = np.fromiter(map(code.__getitem__, kinds), np.int64, len(kinds))
        yield
        for fields, count in zip(code, np.bincount(of_template[rows.slots], minlength=len(code)).tolist(), strict=True):
            kind = Kind(*fields)
            if kind.tenant not in self._tenants:
                if len(self._tenants) >= MOST_TENANTS:
                    kind = kind._replace(tenant=OTHER)
                else:
                    self._tenants.add(kind.tenant)
            self.queries[kind] += count
        slots = np.bincount(np.searchsorted(_BOUNDS_US, rows.latencies), minlength=len(BOUNDS) + 1)
        self.latencies = [before + more for before, more in zip(self.latencies, slots.tolist(), strict=True)]
        self.seconds += float(rows.latencies.sum(dtype=np.int64)) / 1e6
