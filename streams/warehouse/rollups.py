"""Whether roll-ups say what the raw events say, and building again the days of those that do not.

An insert of events fills its roll-ups with it, but not as one: a store killed between the two has the events without
their sums. Roll-ups are partitioned by the day of the insert as events are, so a day is compared by its counts and
replaced whole, in one step. Works on any Warehouse. Blocking.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from streams.warehouse import RefusedError, Warehouse, WarehouseError
from streams.warehouse.statements import quoted

_CHUNK = 250_000
"""Events of one rebuilding statement, an hour's at least: what an engine with little memory holds the sketches of."""
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table that sums events up.

    Attributes:
        name: in nameward; its view is ``name_feed``.
        counts: condition of the events it counts.
        days: how long it is kept (its TTL in the DDL).
    """

    name: str
    counts: str = "1"
    days: int = 36_500


ROLLUPS = (
    Rollup("traffic_minutes", days=90),
    Rollup("traffic_hours", days=1095),
    Rollup("names_asked"),
    Rollup("talkers_hours"),
    Rollup("denials_hours", "verdict = 'deny'", 1095),
    Rollup("upstreams_hours", "upstream != ''", 1095),
    Rollup("first_seen", "notEmpty(registered_domain)", 400),
)


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A day of a tenant that a roll-up counts otherwise than the events do."""

    rollup: str
    day: str
    tenant: str
    events: int
    counted: int


def check(warehouse: Warehouse, today: date, since: date | None = None) -> list[Difference]:
    """Days that differ, of the roll-ups that still keep them; what retention took from the events is left alone.

    One statement: the events are read once for all roll-ups, and all of them as they are when it begins.

    Args:
        warehouse: its events and roll-ups.
        today: UTC.
        since: only this day of inserts and later ones.
    """
    first = {rollup.name: _first(rollup, today, since) for rollup in ROLLUPS}
    counted = "".join(
        f" UNION ALL SELECT {quoted(name)}, day, toString(tenant), 0, sum(queries) FROM nameward.{name}"  # noqa: S608 - constants and quoted values
        f" WHERE day >= {quoted(day)} GROUP BY day, tenant"
        for name, day in first.items()
    )
    expected = ", ".join(
        f"({quoted(rollup.name)}, toDate({quoted(first[rollup.name])}), e{n})" for n, rollup in enumerate(ROLLUPS)
    )
    counts = ", ".join(f"countIf({rollup.counts}) AS e{n}" for n, rollup in enumerate(ROLLUPS))
    rows = warehouse.query(
        "SELECT name, toString(day), tenant, toInt64(sum(e)) AS events, toInt64(sum(c)) AS counted FROM ("  # noqa: S608 - constants and quoted values
        f"SELECT (arrayJoin([{expected}]) AS x).1 AS name, day, tenant, x.3 AS e, toUInt64(0) AS c FROM ("
        f"SELECT day, toString(tenant) AS tenant, {counts} FROM nameward.query_events"
        f" WHERE day >= {quoted(min(first.values()))} GROUP BY day, tenant) WHERE day >= x.2{counted}"
        ") WHERE (day, tenant) NOT IN (SELECT day, toString(of_tenant) FROM nameward.retired)"
        " GROUP BY name, day, tenant HAVING events != counted"
    )
    found = [Difference(str(n), str(day), str(tenant), int(e), int(c)) for n, day, tenant, e, c in rows]
    return sorted(found, key=lambda item: ([rollup.name for rollup in ROLLUPS].index(item.rollup), item))


def _first(rollup: Rollup, today: date, since: date | None) -> str:
    """The first day of inserts to compare."""
    return max(since or date.min, today - timedelta(days=rollup.days - 1), date(1970, 1, 1)).isoformat()


def backfill(warehouse: Warehouse, today: date, since: date | None = None) -> list[Difference]:
    """Build again what differs; what still differs afterwards, because it is being written to.

    Args:
        warehouse: its events and roll-ups.
        today: UTC.
        since: only this day of inserts and later ones.

    Raises:
        WarehouseError: a day could not be built; those before it are.
    """
    _sweep(warehouse)
    wrong = check(warehouse, today, since)
    for _ in range(_ATTEMPTS):
        if not wrong:
            break
        for rollup in ROLLUPS:
            of_rollup = [difference for difference in wrong if difference.rollup == rollup.name]
            for day in sorted({difference.day for difference in of_rollup}):
                _replace(warehouse, rollup, day, [difference for difference in of_rollup if difference.day == day])
        first = min(date.fromisoformat(difference.day) for difference in wrong)
        wrong = check(warehouse, today, first)
    return wrong


def _replace(warehouse: Warehouse, rollup: Rollup, day: str, wrong: Sequence[Difference]) -> None:
    """Put the day together beside the roll-up, tenants that differ from events, others as they are; swap it in."""
    select = _select(warehouse, rollup)
    tenants = ", ".join(quoted(difference.tenant) for difference in wrong)
    with _beside(warehouse, rollup) as beside:
        warehouse.execute(
            f"INSERT INTO {beside} SELECT * FROM nameward.{rollup.name}"  # noqa: S608 - constants and quoted values
            f" WHERE day = {quoted(day)} AND tenant NOT IN ({tenants})"
        )
        for hours in _chunks(warehouse, day, tenants):
            rows = f"day = {quoted(day)} AND tenant IN ({tenants}) AND toStartOfHour(time) IN ({hours})"
            warehouse.execute(
                f"INSERT INTO {beside} {select} SETTINGS max_execution_time = 600,"
                f" additional_table_filters = {{'nameward.query_events': {quoted(rows)}}}"
            )
        warehouse.execute(f"ALTER TABLE nameward.{rollup.name} REPLACE PARTITION {quoted(day)} FROM {beside}")


def _chunks(warehouse: Warehouse, day: str, tenants: str) -> Iterator[str]:
    """Hours of a day's events, as SQL lists of some 250,000 events each; imported events may be of many days."""
    counts = warehouse.query(
        "SELECT toUInt32(toStartOfHour(time)) AS hour, count() FROM nameward.query_events"  # noqa: S608 - constants and quoted values
        f" WHERE day = {quoted(day)} AND tenant IN ({tenants}) GROUP BY hour ORDER BY hour"
    )
    chunk: list[str] = []
    events = 0
    for hour, count in counts:
        if chunk and events + int(count) > _CHUNK:
            yield ", ".join(chunk)
            chunk, events = [], 0
        chunk.append(f"toDateTime({int(hour)}, 'UTC')")
        events += int(count)
    if chunk:
        yield ", ".join(chunk)


def _select(warehouse: Warehouse, rollup: Rollup) -> str:
    """What the roll-up's view selects, always from the events themselves."""
    sql = "SELECT as_select FROM system.tables WHERE database = 'nameward' AND name = {name:String}"
    found = [warehouse.query(sql, {"name": f"{name}_feed"}) for name in dict.fromkeys((rollup.name, "traffic_minutes"))]
    if not all(found):
        raise RefusedError(f"the view nameward.{rollup.name}_feed is missing: nameward warehouse migrate makes it")
    select, minutes = str(found[0][0][0]), str(found[-1][0][0])
    return select.replace("nameward.traffic_minutes", f"({minutes})")


@contextlib.contextmanager
def _beside(warehouse: Warehouse, rollup: Rollup) -> Iterator[str]:
    """An empty table like the roll-up, for a while."""
    name = f"nameward.repair_{rollup.name}_{secrets.token_hex(4)}"
    warehouse.execute(f"CREATE TABLE {name} AS nameward.{rollup.name}")
    try:
        yield name
    finally:
        with contextlib.suppress(WarehouseError):  # _sweep finds it later
            warehouse.execute(f"DROP TABLE IF EXISTS {name}")


def _sweep(warehouse: Warehouse) -> None:
    """Tables that a repair which was killed left behind."""
    rows = warehouse.query(
        "SELECT name FROM system.tables WHERE database = 'nameward' AND name LIKE 'repair\\_%'"
        " AND metadata_modification_time < now() - INTERVAL 1 DAY"
    )
    for (name,) in rows:
        warehouse.execute(f"DROP TABLE IF EXISTS nameward.`{name}`")
