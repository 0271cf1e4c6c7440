"""Taking away what is older than its tenant's retention (`privacy.retentionDays`): a day of a tenant at a time.

A TTL clause cannot look a tenant's days up, so the sink does this each hour, and ``nameward warehouse retain`` when
asked. Roll-ups that name no client stay (their own TTL ends them). Works on any Warehouse. Blocking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from schemas.objects import Tenant, decode_object
from schemas.tenant_spec import Privacy
from streams.warehouse import Warehouse
from streams.warehouse.statements import quoted

DEFAULT_DAYS = Privacy().retention_days
"""Of clients nobody claims, and of tenants that are no more."""

_DAYS = {
    "query_events": "day",
    "names_asked": "day",
    "talkers_hours": "day",
    "telemetry": "toDate(window_start)",
    "alerts": "toDate(changed)",
    "context_signals": "toDate(created)",
}
"""table that names clients -> day of a row"""

_NOTE = """INSERT INTO nameward.retired
SELECT day, tenant, source, epoch, partition, min(sequence), max(sequence), count(), now('UTC')
FROM nameward.query_events WHERE {rows} GROUP BY day, tenant, source, epoch, partition"""
_FORGET = """ALTER TABLE nameward.first_seen UPDATE
first_client = initializeAggregation('argMinState', '', toDateTime64(0, 6, 'UTC')) WHERE {rows}
SETTINGS mutations_sync = 1"""


@dataclass(frozen=True, slots=True)
class Expired:
    """Rows of one table, tenant and day whose time has come."""

    table: str
    day: str
    tenant: str
    rows: int


def retention(warehouse: Warehouse) -> dict[str, int]:
    """Days of each tenant, as policy says now; what cannot be read keeps the default."""
    found = {}
    sql = "SELECT name, body FROM nameward.policy_objects FINAL WHERE kind = 'Tenant' AND NOT deleted"
    for name, body in warehouse.query(sql):
        try:
            tenant = decode_object(body)
        except msgspec.MsgspecError:
            continue
        if isinstance(tenant, Tenant):
            found[str(name)] = tenant.spec.privacy.retention_days
    return found


def expired(warehouse: Warehouse, days: Mapping[str, int], today: date) -> list[Expired]:
    """What to take away, the oldest first.

    Args:
        warehouse: asked only.
        days: of each tenant.
        today: UTC.
    """
    return sorted(
        (item for table in _DAYS for item in _expired(warehouse, table, days, today)), key=lambda item: item.day
    )


def _expired(warehouse: Warehouse, table: str, days: Mapping[str, int], today: date) -> Iterator[Expired]:
    latest = today - timedelta(days=min((DEFAULT_DAYS, *days.values())))
    rows = warehouse.query(
        f"SELECT toString({_DAYS[table]} AS d), tenant, count() FROM nameward.{table}"  # noqa: S608 - constants and quoted values
        " WHERE d < {latest:Date} GROUP BY d, tenant",
        {"latest": latest.isoformat()},
    )
    for day, tenant, count in rows:
        if date.fromisoformat(str(day)) < today - timedelta(days=days.get(str(tenant), DEFAULT_DAYS)):
            yield Expired(table, str(day), str(tenant), int(count))


def retain(warehouse: Warehouse, found: Sequence[Expired]) -> None:
    """Take it away. Events are written down in ``retired`` first; done again after a failure it comes to the same.

    Raises:
        WarehouseError: call again; days before the one it happened at are done.
    """
    for table, day in dict.fromkeys((item.table, item.day) for item in found):
        tenants = ", ".join(quoted(item.tenant) for item in found if (item.table, item.day) == (table, day))
        rows = f"{_DAYS[table]} = {quoted(day)} AND tenant IN ({tenants})"
        if table == "query_events":
            warehouse.execute(_NOTE.replace("{rows}", rows))
            warehouse.execute(_FORGET.replace("{rows}", f"{rows} AND finalizeAggregation(first_client) != ''"))
        if _alone(warehouse, table, day, tenants):
            warehouse.execute(f"ALTER TABLE nameward.{table} DROP PARTITION {quoted(day)}")
        else:
            warehouse.execute(f"ALTER TABLE nameward.{table} DELETE WHERE {rows} SETTINGS mutations_sync = 1")


def _alone(warehouse: Warehouse, table: str, day: str, tenants: str) -> bool:
    """Whether the day is a partition in which nobody else has rows: dropping it costs nothing."""
    if _DAYS[table] != "day":
        return False
    others = f"SELECT count() FROM nameward.{table} WHERE day = {quoted(day)} AND tenant NOT IN ({tenants})"  # noqa: S608 - constants and quoted values
    return int(warehouse.query(others)[0][0]) == 0
