"""Our own events as JSON, a line each, as ``nameward tail --json`` prints them -> the same events once more.

What was decided then stays as it was; number, source and tenant are the import's. Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from compose.imports.observed import Observed
from compose.imports.report import Report
from resolver.rows import Template
from schemas.events import QueryEvent

NOT_AN_EVENT = "not one of our events"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_decode = msgspec.json.Decoder(QueryEvent).decode
_MOST = {
    "flags": 1 << 16,
    "latency_us": 1 << 32,
    "upstream_latency_us": 1 << 32,
    "query_size": 1 << 32,
    "response_size": 1 << 32,
}


def observe_event_lines(lines: Iterable[tuple[bytes, str]], report: Report) -> Iterator[Observed]:
    """Events of these lines, as they stand."""
    for line, where in lines:
        report.records += 1
        try:
            made = _observed(_decode(line))
        except ValueError as error:
            report.spoiled(NOT_AN_EVENT, f"{where}: {error}")
        else:
            report.unanswered += not made.template.rcode
            yield made


def _observed(event: QueryEvent) -> Observed:
    for name, end in _MOST.items():
        if not 0 <= getattr(event, name) < end:
            raise ValueError(f"{name} out of range")
    if event.time.tzinfo is None:
        raise ValueError("time without a zone")
    if not -(1 << 31) <= event.ede < 1 << 31 or any(not 0 <= one.ttl < 1 << 32 for one in event.answers):
        raise ValueError("ede or TTL out of range")
    made = Template(
        tenant="",
        workload=event.workload,
        labels=tuple(sorted(event.labels.items())),
        client=event.client,
        transport=event.transport,
        qname=event.qname,
        registered_domain=event.registered_domain,
        qtype=event.qtype,
        qclass=event.qclass,
        rcode=event.rcode,
        flags=event.flags,
        answers=tuple((one.type, one.data, one.ttl) for one in event.answers),
        answer_source=event.answer_source,
        upstream=event.upstream,
        verdict=event.verdict,
        rule=event.rule,
        tier=event.tier,
        policy_version=event.policy_version,
        query_size=event.query_size,
        response_size=event.response_size,
        audits=tuple((one.rule, one.verdict, one.tier) for one in event.audits),
        tags=event.tags,
        ede=event.ede,
        ede_text=event.ede_text,
    )
    return Observed((event.time - _EPOCH) // _MICROSECOND * 1000, event.latency_us, event.upstream_latency_us, made)
