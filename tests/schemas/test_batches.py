"""Batches: what goes in comes out, and what is no batch says so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.batches import BatchError, BatchHeader, columns_of, decode_batch, encode_batch, events_of
from schemas.events import SCHEMA, AnswerRecord, QueryEvent

TEXT = st.text(max_size=12)
EVENTS = st.builds(
    QueryEvent,
    time=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),
    source=st.just("r1"),
    epoch=st.integers(0, 2**63),
    partition=st.integers(0, 65535),
    sequence=st.integers(0, 2**63),
    tenant=TEXT,
    workload=TEXT,
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    client=TEXT,
    transport=TEXT,
    qname=TEXT,
    registered_domain=TEXT,
    qtype=TEXT,
    qclass=TEXT,
    rcode=TEXT,
    flags=st.integers(0, 65535),
    answers=st.lists(st.builds(AnswerRecord, TEXT, TEXT, st.integers(0, 2**31)), max_size=3).map(tuple),
    answer_source=TEXT,
    upstream=TEXT,
    latency_us=st.integers(0, 2**32 - 1),
    upstream_latency_us=st.integers(0, 2**32 - 1),
    query_size=st.integers(0, 65535),
    response_size=st.integers(0, 65535),
    verdict=TEXT,
    rule=TEXT,
    tier=TEXT,
    audits=st.just(()),
    tags=st.lists(TEXT, max_size=2).map(tuple),
    ede=st.integers(-1, 65535),
    ede_text=TEXT,
    policy_version=TEXT,
)


def _header(count: int) -> BatchHeader:
    return BatchHeader(source="r1", epoch=1, first_sequence=0, count=count, partition=0)


@given(st.lists(EVENTS, max_size=5), st.sampled_from(["lz4", "zstd", None]))
def test_events_survive_the_wire(events: list[QueryEvent], compression: str | None) -> None:
    """Any list of events, empty ones too, comes back row by row, whatever the compression."""
    header, columns = decode_batch(encode_batch(_header(len(events)), columns_of(events), compression=compression))
    assert header.count == len(events)
    assert list(events_of(columns)) == events


@given(st.binary(max_size=200))
def test_bytes_that_are_no_batch_are_named_so(value: bytes) -> None:
    """Garbage raises BatchError and nothing else."""
    with pytest.raises(BatchError):
        decode_batch(value)


def test_a_cut_batch_is_refused() -> None:
    """A truncated message never yields fewer rows silently."""
    whole = encode_batch(_header(0), columns_of([]))
    for end in range(0, len(whole) - 16, 97):
        with pytest.raises(BatchError):
            decode_batch(whole[:end])


def test_a_header_that_miscounts_is_refused() -> None:
    """Producer and consumer both insist that header and rows agree."""
    with pytest.raises(BatchError, match="header counts 2 events, the batch holds 0"):
        encode_batch(_header(2), columns_of([]))


def test_every_column_has_a_meaning_and_a_distinct_name() -> None:
    """The field table is the schema: no column twice."""
    assert len(set(SCHEMA.names)) == len(SCHEMA)
