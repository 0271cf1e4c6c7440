"""Our own events as JSON lines: what `nameward tail --json` prints comes back as it was."""

from __future__ import annotations

from io import BytesIO

import msgspec
import pytest

from compose.imports import read
from compose.imports.event_lines import NOT_AN_EVENT
from schemas.batches import events_of
from schemas.events import AnswerRecord, AuditVerdict, QueryEvent
from tests.compose.imports.wire import events, reasons
from tests.streams.events import event

ONE = event(
    1_700_000_000.25, "www.example.com", 9, workload="web", labels={"app": "web"}, answers=(AnswerRecord("A", "192.0.2.1", 30),), verdict="deny", rule="p/r",
    tier="tenant", audits=(AuditVerdict("x/y", "deny", "overlay"),), tags=("log",), ede=15, ede_text="p/r", policy_version="v1", answer_source="policy",
)  # fmt: skip


def test_an_event_comes_back_but_for_its_number() -> None:
    """Decision, labels and audits stay; source, epoch, sequence and tenant are the import's."""
    reading = read(BytesIO(msgspec.json.encode(ONE) + b"\n"), tenant="harbor", name="old", epoch=5)
    (found,) = [one for columns in reading for one in events_of(columns)]
    assert found == msgspec.structs.replace(ONE, tenant="harbor", source="old", epoch=5, sequence=0)
    assert (reading.report.format, reading.report.events) == ("json", 1)


@pytest.mark.parametrize("change", [{"flags": 70000}, {"latency_us": -1}, {"time": "2026-01-01T00:00:00"}, {"answers": [{"type": "A"}]}, {"ede": 1 << 40}, {"qname": 5}])
def test_a_line_that_is_no_event_says_why(change: dict[str, object]) -> None:
    """Its neighbours are read, and the example names line and field."""
    good = msgspec.json.encode(ONE)
    bad = msgspec.json.encode(msgspec.to_builtins(ONE) | change)
    found, report = events(b"\n".join([good, bad, good]))
    assert (len(found), reasons(report)) == (2, {NOT_AN_EVENT: 1})
    (example,) = report.bad[NOT_AN_EVENT].examples
    assert example.startswith("line 2: ")
    assert next(iter(change)) in example or "TTL" in example


def test_every_field_of_an_event_is_carried_over() -> None:
    """A field added to the contract is not forgotten here."""
    kept = set(QueryEvent.__struct_fields__) - {"source", "epoch", "partition", "sequence", "tenant"}
    assert {name for name in kept if getattr(ONE, name) in ("", 0, (), {})} == set()
