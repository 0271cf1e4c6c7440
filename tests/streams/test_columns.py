"""Rows as numbers: whatever the dictionaries look like, the values are what counts."""

from __future__ import annotations

import pyarrow as pa
import pytest

from schemas.events import AnswerRecord
from streams.columns import EventBatch, TenantRows, split_by_tenant
from streams.distinct import last_of_each, tally
from tests.streams.events import START, batch, event, names


def test_a_dictionary_with_repeated_values_counts_each_value_once() -> None:
    """A producer may append a value twice; one code must stand for one value."""
    columns = names(START, ["a.test", "b.test", "a.test"])
    index = columns.schema.get_field_index("qname")
    repeated = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["a.test", "b.test", "a.test"]))
    found = EventBatch(columns.set_column(index, columns.schema.field(index), repeated))
    assert [found.texts("qname")[code] for code in found.codes("qname")] == ["a.test", "b.test", "a.test"]
    assert len(found.texts("qname")) == 2


@pytest.mark.parametrize("size", [4, 1000])
def test_tallies_and_last_places_agree_for_small_and_large_dictionaries(size: int) -> None:
    """Counting by table or by sorting gives the same."""
    codes = pa.array([3, 1, 3, 0], pa.int32()).to_numpy()
    assert [part.tolist() for part in tally(codes, size)] == [[0, 1, 3], [1, 1, 2]]
    assert [part.tolist() for part in last_of_each(codes, size)] == [[0, 1, 3], [3, 1, 2]]


def test_payloads_know_their_row_and_weigh_their_bytes() -> None:
    """Addresses are none; generic data (RFC 3597) weighs half its hexadecimal digits."""
    records = [
        (AnswerRecord("A", "192.0.2.1", 1), AnswerRecord("TXT", "x" * 30, 1)),
        (),
        (AnswerRecord("TYPE65399", r"\# 10 " + "ab" * 10, 1),),
    ]
    found = EventBatch(
        batch([event(START, "a.test", i, answers=answers) for i, answers in enumerate(records)])
    ).payloads
    assert (found.rows.tolist(), found.weights.tolist()) == ([0, 2], [30, 10])


def test_times_ahead_of_the_clock_are_clamped_and_masks_keep_order() -> None:
    """Rows stay in order, with their own times."""
    rows = TenantRows.of(
        batch(
            [
                event(START + at, "a.test", at, rcode=rcode)
                for at, rcode in enumerate(["NOERROR", "NXDOMAIN", "NXDOMAIN"])
            ]
        )
    )
    failed = rows.not_later_than(START + 1.5).only(rows.equal("rcode", "NXDOMAIN"))
    assert (failed.times.tolist(), failed.numbers("sequence").tolist()) == ([START + 1, START + 1.5], [1, 2])
    assert not rows.equal("rcode", "REFUSED").any()


def test_an_empty_batch_has_no_tenants() -> None:
    """A heartbeat carries only counters."""
    assert split_by_tenant(batch([])) == []
