"""Columns built from templates equal the events they stand for, whatever the batch."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resolver.columns import columns
from resolver.rows import Rows, Template, cut, join, split
from schemas.batches import events_of
from schemas.events import SCHEMA, AnswerRecord, AuditVerdict, QueryEvent
from tests.resolver.templates import moment, template


def rows_of(slots: list[int], templates: list[Template]) -> Rows:
    """Rows whose numbers tell their place."""
    count = np.arange(len(slots))
    times = np.array([moment(number) for number in range(len(slots))], np.int64)
    return Rows(
        templates, np.array(slots, np.int64), times, count.astype(np.uint32), (count * 2).astype(np.uint32), 1000
    )


def expected(rows: Rows, index: int, first: int) -> QueryEvent:
    """Event i, put together by hand."""
    t = rows.templates[int(rows.slots[index])]
    return QueryEvent(
        time=datetime.fromtimestamp(int(rows.times[index]) / 1e9, UTC), source="r1", epoch=7, partition=3, sequence=first + index,
        tenant=t.tenant, workload=t.workload, labels=dict(t.labels), client=t.client, transport=t.transport, qname=t.qname,
        registered_domain=t.registered_domain, qtype=t.qtype, qclass=t.qclass, rcode=t.rcode, flags=t.flags,
        answers=tuple(AnswerRecord(*answer) for answer in t.answers), answer_source=t.answer_source, upstream=t.upstream,
        latency_us=int(rows.latencies[index]), upstream_latency_us=int(rows.upstreams[index]), query_size=t.query_size,
        response_size=t.response_size, verdict=t.verdict, rule=t.rule, tier=t.tier,
        audits=tuple(AuditVerdict(*audit) for audit in t.audits), tags=t.tags, ede=t.ede, ede_text=t.ede_text,
        policy_version=t.policy_version)  # fmt: skip


text = st.text(max_size=8)
strange = st.builds(
    template, number=st.integers(0, 20), qname=text, tenant=text, client=text, ede=st.integers(-1, 30), ede_text=text,
    labels=st.lists(st.tuples(text, text), max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
    tags=st.lists(text, max_size=3).map(tuple), flags=st.integers(0, 65535),
    answers=st.lists(st.tuples(text, text, st.integers(0, 2**32 - 1)), max_size=3).map(tuple),
)  # fmt: skip


@given(st.lists(strange, min_size=1, max_size=6), st.data())
def test_columns_are_the_events(templates: list[Template], data: st.DataObject) -> None:
    """Row by row the batch says what templates and numbers say, and Arrow finds it sound."""
    slots = data.draw(st.lists(st.integers(0, len(templates) - 1), min_size=1, max_size=20))
    rows = rows_of(slots, templates)
    batch = columns(rows, source="r1", epoch=7, partition=3, first_sequence=41)
    batch.validate(full=True)
    assert batch.schema == SCHEMA
    assert list(events_of(batch)) == [expected(rows, index, 41) for index in range(len(rows))]


def test_no_rows_are_a_sound_batch() -> None:
    """The batch of a heartbeat."""
    batch = columns(rows_of([], []), source="", epoch=0, partition=0, first_sequence=0)
    batch.validate(full=True)
    assert (batch.num_rows, batch.schema) == (0, SCHEMA)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60))
def test_split_sends_each_event_to_its_partition_in_order(slots: list[int]) -> None:
    """Every event is in the part of its tenant's partition, parts keep the order, nothing is lost or doubled."""
    templates = [template(number) for number in range(9)]
    rows = rows_of(slots, templates)
    parts = split(rows, lambda tenant: int(tenant[-1]))
    assert sum(map(len, parts.values())) == len(rows)
    for partition, part in parts.items():
        wanted = [index for index, slot in enumerate(slots) if slot % 3 == partition]
        assert part.latencies.tolist() == wanted
        assert [part.templates[slot] for slot in part.slots] == [templates[slots[index]] for index in wanted]


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.integers(1, 20))
def test_cut_and_join_are_inverse(slots: list[int], most: int) -> None:
    """Pieces have at most so many events; joined they are the rows again."""
    rows = rows_of(slots, [template(number) for number in range(9)])
    pieces = cut(rows, most)
    assert all(len(piece) <= most for piece in pieces)
    again = join(pieces)
    assert again.times.tolist() == rows.times.tolist()
    assert [again.templates[slot] for slot in again.slots] == [rows.templates[slot] for slot in rows.slots]


def test_building_columns_does_not_import_pandas() -> None:
    """pyarrow's conveniences import pandas when they can: 35 MB a worker has no use for."""
    code = (
        "import sys, numpy as np; from tests.resolver.test_columns import rows_of, template, columns;"
        "from resolver.lanes import encode; from schemas.batches import BatchHeader;"
        "sys.modules.pop('pandas', None);"
        "header = BatchHeader(source='r1', epoch=1, first_sequence=0, count=2, partition=0);"
        "list(encode(header, rows_of([0, 1], [template(1), template(2)])));"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", done.stderr
