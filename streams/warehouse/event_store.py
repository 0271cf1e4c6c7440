"""Batches of query events -> ``nameward.query_events``, each event exactly once, whatever is replayed.

How far each (source, epoch, partition) got is asked of the table itself: after ``forget`` - at start, when partitions
change hands, after any insert whose outcome is unknown - and then kept in memory. Blocking; must not know Kafka.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from schemas.batches import BatchHeader
from streams.warehouse import Warehouse
from streams.warehouse.rows import counter_rows, event_rows

Batch = tuple[BatchHeader, pa.RecordBatch]
INSERT_SETTINGS = {"parallel_view_processing": 1, "optimize_on_insert": 0}
"""Roll-ups are filled side by side, and what views have grouped is not put together once more before it is written."""

_Place = tuple[str, int, int]

# What retention has taken away was stored, too.
_HIGH_WATER = """SELECT source, epoch, partition, max(reached) FROM (
SELECT toString(source) AS source, epoch, partition, max(sequence) AS reached FROM nameward.query_events
GROUP BY source, epoch, partition
UNION ALL
SELECT toString(source) AS source, epoch, partition, max(highest) AS reached FROM nameward.retired
GROUP BY source, epoch, partition
) GROUP BY source, epoch, partition"""


class EventStore:
    """The sink's hands on the events table.

    Attributes:
        stored: rows inserted by this object.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._high_water: dict[_Place, int] | None = None
        self.stored = 0

    def forget(self) -> None:
        """Ask the table again before the next insert."""
        self._high_water = None

    def store(self, batches: Sequence[Batch]) -> None:
        """Insert what the table does not have yet, as one part, then note the counters of the headers.

        Raises:
            WarehouseError: nothing is known of the outcome; call again with the same batches.
        """
        if self._high_water is None:
            self._high_water = self._ask()
        reached = dict(self._high_water)
        fresh = [rows for rows in (_beyond(batch, reached) for batch in batches) if rows is not None]
        try:
            if fresh:
                rows = event_rows(fresh)
                self._warehouse.insert_arrow("nameward.query_events", rows, INSERT_SETTINGS)
                self._high_water = reached
                self.stored += rows.num_rows
        except BaseException:
            self.forget()
            raise

    def note(self, headers: Sequence[BatchHeader], now: datetime) -> None:
        """Write down the counters of headers; of each (source, epoch) the last one counts.

        Raises:
            WarehouseError: call again; the table keeps the largest of what it is told.
        """
        last: dict[tuple[str, int], tuple[int, int, int, bool]] = {}
        for header in headers:
            offered, dropped, acknowledged, closed = last.get((header.source, header.epoch), (0, 0, 0, False))
            last[header.source, header.epoch] = (
                max(offered, header.offered),
                max(dropped, header.dropped),
                max(acknowledged, header.acknowledged),
                closed or header.closed,
            )
        if last:
            rows = [(source, epoch, *counters) for (source, epoch), counters in last.items()]
            self._warehouse.insert_arrow("nameward.source_counters", counter_rows(rows, now))

    def _ask(self) -> dict[_Place, int]:
        rows = self._warehouse.query(_HIGH_WATER)
        return {(str(source), int(epoch), int(partition)): int(sequence) for source, epoch, partition, sequence in rows}


def _beyond(batch: Batch, reached: dict[_Place, int]) -> pa.RecordBatch | None:
    """Rows of a batch above its high-water, which is moved up; None when there are none."""
    header, columns = batch
    if header.count == 0:
        return None
    place = (header.source, header.epoch, header.partition)
    known = reached.get(place, -1) + 1 - header.first_sequence
    if known >= header.count:
        return None
    reached[place] = header.first_sequence + header.count - 1
    return columns.slice(known) if known > 0 else columns
