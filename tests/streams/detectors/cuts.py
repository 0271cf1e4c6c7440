"""Events to a detector in one batch or in any: what it finds, and what it remembers, must be the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from schemas.detection_spec import Detection
from schemas.events import QueryEvent
from streams.columns import TenantRows
from streams.detectors.finding import Detector, Finding, Scene
from streams.parts import Parts, pack
from tests.streams.events import batch

LARGEST = 20_000


def fed(
    detector: Detector,
    events: Sequence[QueryEvent] | pa.RecordBatch,
    internal: tuple[str, ...] = (),
    detection: Detection | None = None,
) -> list[Finding]:
    """Findings of these events, in batches of a size that agents hand over."""
    found, clock = list[Finding](), 0.0
    columns = events if isinstance(events, pa.RecordBatch) else batch(events)
    for start in range(0, columns.num_rows, LARGEST):
        rows = TenantRows.of(columns.slice(start, LARGEST))
        clock = max(clock, float(rows.times.max()))
        found += detector.update(rows, Scene("acme", clock, internal, detection or Detection()))
    return found


def reloaded(detector: Detector, table: dict[str, bytes]) -> Detector:
    """The detector as it comes back after a restart; `table` holds its parts."""
    parts, _ = Parts.load(table.get)
    rest = detector.save(parts)
    for key, value in parts.flush().items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    again = type(detector)()
    again.load(rest, Parts.load(table.get)[1])
    return again


def remembered(detector: Detector) -> bytes:
    """All it knows, as bytes."""
    detector.touch()
    parts, table = Parts(), dict[str, Any]()
    rest = detector.save(parts)
    table.update(parts.flush())
    return pack([rest, {key: value for key, value in sorted(table.items()) if key != "main"}, table.get("main", b"")])


def pieces(events: pa.RecordBatch, cuts: Iterable[int]) -> Iterator[pa.RecordBatch]:
    """Events cut before these positions."""
    places = sorted({0, events.num_rows, *(cut for cut in cuts if cut < events.num_rows)})
    return (events.slice(start, end - start) for start, end in pairwise(places))


def findings_of_cuts(
    kind: type[Detector], events: pa.RecordBatch, cuts: Iterable[int], internal: tuple[str, ...] = ()
) -> tuple[tuple[list[Finding], bytes], tuple[list[Finding], bytes]]:
    """(findings, memory) of the events as one batch, and cut in pieces with a restart after each."""
    whole, cut, table = kind(), kind(), dict[str, bytes]()
    expected = fed(whole, events, internal)
    found = list[Finding]()
    for piece in pieces(events, cuts):
        found += fed(cut, piece, internal)
        cut = reloaded(cut, table)
    return (expected, remembered(whole)), (found, remembered(cut))
