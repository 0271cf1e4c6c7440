"""Alerts as the store knows them: a list, one by the beginning of its id, its history and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from compose.failure import Failure
from compose.ports import Address
from compose.store import rows
from schemas.signals import Alert

_LIST = """
SELECT body FROM nameward.alerts_now
WHERE ({tenant:String} = '' OR tenant = {tenant:String}) AND ({detector:String} = '' OR detector = {detector:String})
  AND if(state = 'closed', {closed:UInt8}, {open:UInt8}) = 1 AND changed >= fromUnixTimestamp64Milli({since:Int64})
  AND indexOf(['info', 'low', 'medium', 'high', 'critical'], severity)
      >= indexOf(['info', 'low', 'medium', 'high', 'critical'], {severity:String})
ORDER BY changed DESC LIMIT {limit:UInt32}
"""
_IDS = "SELECT DISTINCT id FROM nameward.alerts WHERE startsWith(id, {prefix:String}) ORDER BY id LIMIT 6"
_REVISIONS = "SELECT body FROM nameward.alerts FINAL WHERE id = {id:String} ORDER BY changed, revision"
_CHILDREN = "SELECT body FROM nameward.alerts_now WHERE parent = {id:String} ORDER BY first_seen LIMIT 100"
_ENTRIES = """
SELECT pattern, action, mode, reason, toString(created) AS created, toString(expires) AS expires,
       ifNull(toString(ended), '') AS ended, ending
FROM nameward.overlay_history WHERE id = {id:String} ORDER BY created DESC LIMIT 5
"""
_decode = msgspec.json.Decoder(Alert).decode


def read_alerts(
    store: Address,
    *,
    tenant: str = "",
    detector: str = "",
    severity: str = "info",
    states: Iterable[str] = ("open",),
    since: datetime | None = None,
    limit: int = 1000,
) -> list[Alert]:
    """The last word about each alert, the newest first.

    Args:
        store: HTTP interface.
        tenant: only its alerts, empty for all.
        detector: only its alerts, empty for all.
        severity: and above.
        states: ``open`` (also those that were updated), ``closed``.
        since: only what changed since then.
        limit: at most so many.

    Raises:
        Failure: if the store does not answer.
    """
    wanted = set(states)
    parameters = {
        "tenant": tenant,
        "detector": detector,
        "severity": severity,
        "closed": str(int("closed" in wanted)),
        "open": str(int("open" in wanted)),
        "since": str(int(since.timestamp() * 1000) if since else 0),
        "limit": str(limit),
    }
    return [_decode(row["body"]) for row in rows(store, _LIST, parameters)]


def find_id(store: Address, prefix: str) -> str:
    """The id that begins so.

    Raises:
        Failure: none does, or several do.
    """
    found = [row["id"] for row in rows(store, _IDS, {"prefix": prefix})]
    if not found:
        raise Failure(
            f"there is no alert whose id begins with {prefix!r}: `nameward alerts list --state all` shows all"
        )
    if len(found) > 1 and prefix not in found:
        more = ", ..." if len(found) > 5 else ""
        raise Failure(f"several alerts have an id that begins with {prefix!r}: {', '.join(found[:5])}{more}")
    return prefix if prefix in found else str(found[0])


def history(store: Address, alert_id: str) -> list[Alert]:
    """Every word about an alert, the oldest first; never empty for an id of find_id."""
    return [_decode(row["body"]) for row in rows(store, _REVISIONS, {"id": alert_id})]


def children(store: Address, alert_id: str) -> list[Alert]:
    """Alerts that are part of it."""
    return [_decode(row["body"]) for row in rows(store, _CHILDREN, {"id": alert_id})]


def entries(store: Address, alert_id: str) -> list[dict[str, Any]]:
    """What it put into the overlay, the newest first."""
    return rows(store, _ENTRIES, {"id": alert_id})
