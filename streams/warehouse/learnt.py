"""What the warehouse remembers for a stack whose broker forgot: policy objects, overlays, open alerts, baselines.

Reads and writes values of the contract; one query each. Blocking.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
import pyarrow as pa

from schemas.objects import PolicyObject, decode_object
from schemas.signals import Alert, Overlay
from streams.warehouse import Warehouse

_OBJECTS = """SELECT key, body FROM nameward.policy_objects FINAL WHERE NOT deleted ORDER BY key"""
_OVERLAYS = """SELECT body FROM nameward.overlays FINAL ORDER BY version DESC LIMIT 1 BY tenant"""
_ALERTS = """SELECT body FROM nameward.alerts_now WHERE changed > now() - INTERVAL 30 DAY ORDER BY tenant, id"""
_ASKED = """
SELECT tenant, registered_domain, toUnixTimestamp(min(first_time)) AS since FROM nameward.first_seen
GROUP BY tenant, registered_domain ORDER BY max(last_time) DESC LIMIT 20000 BY tenant LIMIT 500000
"""
_BASELINES = """SELECT tenant, name, value FROM nameward.baselines FINAL"""


def objects(warehouse: Warehouse) -> dict[str, PolicyObject]:
    """Operators' objects as they stood last, by key; what can no longer be read is left out."""
    found = {}
    for key, body in warehouse.query(_OBJECTS):
        try:
            found[str(key)] = decode_object(body)
        except msgspec.MsgspecError:
            continue
    return found


def overlays(warehouse: Warehouse) -> dict[str, Overlay]:
    """Each tenant's last overlay; entries may have expired meanwhile."""
    decoded = (msgspec.json.decode(body, type=Overlay) for (body,) in warehouse.query(_OVERLAYS))
    return {overlay.tenant: overlay for overlay in decoded}


def alerts(warehouse: Warehouse) -> dict[str, list[Alert]]:
    """Last word of each alert of the last 30 days, by tenant; open ones go on, closed ones keep counting revisions."""
    found: dict[str, list[Alert]] = {}
    for (body,) in warehouse.query(_ALERTS):
        alert = msgspec.json.decode(body, type=Alert)
        found.setdefault(alert.tenant, []).append(alert)
    return found


def open_alerts(warehouse: Warehouse) -> dict[str, list[Alert]]:
    """Alerts whose last word is not ``closed``, by tenant."""
    last = {
        tenant: [alert for alert in known if alert.state != "closed"] for tenant, known in alerts(warehouse).items()
    }
    return {tenant: known for tenant, known in last.items() if known}


def baselines(warehouse: Warehouse) -> dict[str, dict[str, float]]:
    """What was learnt of each tenant: name -> number."""
    found: dict[str, dict[str, float]] = {}
    for tenant, name, value in warehouse.query(_BASELINES):
        found.setdefault(str(tenant), {})[str(name)] = float(value)
    return found


def asked(warehouse: Warehouse) -> dict[str, tuple[list[str], float]]:
    """Registered domains each tenant has asked, those asked last first and so many at most; since when."""
    found: dict[str, tuple[list[str], float]] = {}
    for tenant, domain, since in warehouse.query(_ASKED):
        domains, first = found.get(str(tenant), ([], float(since)))
        domains.append(str(domain))
        found[str(tenant)] = domains, min(first, float(since))
    return found


def save_baselines(warehouse: Warehouse, learnt: Mapping[str, Mapping[str, float]], now: datetime) -> None:
    """Write down what was learnt; the newest value of a name counts."""
    rows = [(tenant, name, value) for tenant, values in learnt.items() for name, value in values.items()]
    if not rows:
        return
    tenants, names, values = zip(*rows, strict=True)
    warehouse.insert_arrow(
        "nameward.baselines",
        pa.record_batch(
            {
                "tenant": pa.array(tenants, pa.string()),
                "name": pa.array(names, pa.string()),
                "value": pa.array(values, pa.float64()),
                "updated": pa.array([now] * len(rows), pa.timestamp("ms", tz="UTC")),
            }
        ),
    )
