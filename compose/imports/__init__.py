"""Traffic that others recorded -> query events: captures, Zeek's and dnstap's logs, and our own events as JSON lines.

Pure: a stream in, columns of events.SCHEMA out, at most a bounded number of events held. `read` is the door for those
who want columns; the command `nameward import` goes through `observe`, `in_order` and `rows_of`. Must not know Kafka,
clocks or policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from compose.imports.formats import FORMATS, FormatError, observe
from compose.imports.observed import Observed
from compose.imports.order import in_order
from compose.imports.report import Finding, Report
from resolver.columns import columns
from resolver.rows import Rows

__all__ = [
    "FORMATS",
    "Finding",
    "FormatError",
    "Observed",
    "Reading",
    "Report",
    "in_order",
    "observe",
    "read",
    "rows_of",
]

BATCH = 5000


@dataclass(slots=True)
class Reading:
    """Batches of an input, to be iterated once; the report is complete when they are at their end."""

    batches: Iterator[pa.RecordBatch]
    report: Report = field(default_factory=Report)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches


def rows_of(events: Iterable[Observed], most: int = BATCH) -> Iterator[Rows]:
    """Events as rows for resolver.columns, so many at a time."""
    events = iter(events)
    while part := list(islice(events, most)):
        yield Rows(
            [event.template for event in part],
            np.arange(len(part)),
            np.array([event.time_ns for event in part], np.int64),
            np.array([event.latency_us for event in part], np.uint32),
            np.array([event.upstream_us for event in part], np.uint32),
        )


def read(
    source: Path | BinaryIO,
    *,
    tenant: str = "import",
    name: str = "import",
    epoch: int = 0,
    given: str = "auto",
    port: int = 53,
    most: int = BATCH,
) -> Reading:
    """Read an input.

    Args:
        source: file, or a stream in binary.
        tenant: whose events they are.
        name: their source; sequences begin at 0.
        epoch: as in events.FIELDS.
        given: format, see FORMATS; auto looks at the content.
        port: of DNS servers, for captures.
        most: rows of a batch.

    Raises:
        FormatError: with the first batch, if the input is of no known format.
        OSError: if the file cannot be read.
    """
    report = Report()

    def batches(stream: BinaryIO) -> Iterator[pa.RecordBatch]:
        first = 0
        for rows in rows_of(in_order(observe(stream, report, given=given, port=port), report), most):
            for template in rows.templates:
                template.tenant = tenant
            yield columns(rows, source=name, epoch=epoch, partition=0, first_sequence=first)
            first += len(rows)

    return Reading(_opened(source, batches), report)


def _opened(
    source: Path | BinaryIO, batches: Callable[[BinaryIO], Iterator[pa.RecordBatch]]
) -> Iterator[pa.RecordBatch]:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield from batches(stream)
    else:
        yield from batches(source)
