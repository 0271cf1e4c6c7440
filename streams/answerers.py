"""Who answered a tenant's queries lately, and how: upstream servers and answer sources, in panes of 10 s of event time.

Subjects are ``address:port`` of an upstream server and ``source:cache``, ``source:discovery`` ... of what answers
without asking on. Failed is what ended in SERVFAIL or in no answer at all. Endpoints of discovery are not among the
subjects: a client is given their addresses and talks to them itself, so a query shows neither their health nor their
latency, only whether discovery had an answer. Bounded; kept in memory only: what a restart loses is seen again within
a minute. Must not know alerts, signals or baselines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

import numpy as np

from streams.columns import Mask, TenantRows
from streams.distinct import close_together
from streams.quantiles import Buckets, LogHistogram

PANE = 10
PANES = 14
"""A minute, and what is still open when it is judged."""
MAX_SERVERS = 64
"""Servers watched in a pane."""
FEWEST_DOMAINS = 3
SOURCE = "source:"
LOCAL = ("cache", "stale", "policy", "virtual", "discovery")
"""Answer sources that are judged; what came from upstream counts for its server."""


@dataclass(slots=True)
class Doings:
    """What some seconds showed of a subject. domains: some whose names failed; latency: of answers that came."""

    asked: int = 0
    failed: int = 0
    domains: set[str] = field(default_factory=set)
    latency: LogHistogram = field(default_factory=LogHistogram)

    def merge(self, other: Doings) -> None:
        """Become what both showed."""
        self.asked += other.asked
        self.failed += other.failed
        self.domains |= other.domains
        self.latency.merge(other.latency)

    def median_ms(self) -> float:
        """Median latency in milliseconds; 0 without any."""
        return self.latency.quantiles(0.5)[0] / 1000

    @property
    def share(self) -> float:
        """Share of failures; 0 when few domains failed: one broken domain is not the server's fault."""
        return self.failed / self.asked if len(self.domains) >= FEWEST_DOMAINS else 0.0


class Answerers:
    """The newest panes of one tenant."""

    def __init__(self) -> None:
        self._panes: dict[int, dict[str, Doings]] = {}

    def add(self, rows: TenantRows) -> None:
        """Count events in their panes."""
        panes = (rows.times // PANE).astype(np.int64)
        starts = close_together(panes)
        for start in starts:
            self._count(self._panes.setdefault(start, {}), rows if len(starts) == 1 else rows.only(panes == start))
        for old in sorted(self._panes)[:-PANES]:
            del self._panes[old]

    def _count(self, subjects: dict[str, Doings], rows: TenantRows) -> None:
        failed = rows.equal("rcode", "SERVFAIL") | rows.equal("rcode", "")
        for column, latency in (("upstream", "upstream_latency_us"), ("answer_source", "latency_us")):
            texts, codes = rows.batch.texts(column), rows.codes(column)
            named = {code: subject_of(column, texts[code]) for code in rows.tally(column)[0].tolist()}
            if not any(named.values()):
                continue
            took = rows.derived(latency, "bucket", LogHistogram.bucket)
            for code, subject in named.items():
                if subject and (subject in subjects or column != "upstream" or len(subjects) < MAX_SERVERS):
                    here = codes == code
                    _take(subjects.setdefault(subject, Doings()), rows, (here, failed), took)

    def between(self, start: float, end: float, *, servers_only: bool = False) -> dict[str, Doings]:
        """Each subject from one full ten seconds to another (Unix seconds), by name."""
        found: dict[str, Doings] = {}
        for pane in range(int(start // PANE), int(end // PANE)):
            for subject, doings in self._panes.get(pane, {}).items():
                if not (servers_only and subject.startswith(SOURCE)):
                    found.setdefault(subject, Doings()).merge(doings)
        return dict(sorted(found.items()))


def _take(doings: Doings, rows: TenantRows, masks: tuple[Mask, Mask], took: Buckets) -> None:
    """Count the rows of one subject; masks: its rows, and those of all that failed."""
    here, failed = masks
    lost = here & failed
    doings.asked += int(np.count_nonzero(here))
    doings.latency.add(took[here & ~failed])
    if number := int(np.count_nonzero(lost)):
        doings.failed += number
        if len(doings.domains) < FEWEST_DOMAINS:
            doings.domains.update(_domains(rows.only(lost)))


def _domains(rows: TenantRows) -> list[str]:
    """Some domains of these rows."""
    values = rows.batch.values("registered_domain")
    codes = rows.tally("registered_domain")[0].tolist()[:FEWEST_DOMAINS]
    return [values[code].as_py() for code in codes]


@lru_cache(maxsize=4096)
def subject_of(column: str, text: str) -> str:
    """Subject of an upstream's URL such as ``tls://[2001:db8::1]:853#dns.example``, or of an answer source."""
    if column == "upstream":
        return urlsplit(text).netloc
    return SOURCE + text if text in LOCAL else ""
