"""Why a client is told these endpoints for a discovered name: every rule, service and endpoint considered.

The same functions as the path uses, told slowly, for operators: it names services that the client may not discover.
Pure; must not know messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from resolver.policy.catalog import Catalog, Services
from resolver.policy.discovery import DiscoveryEntry, Reading, readings
from resolver.policy.selection import Ranked, Selection, chosen, rank, select
from resolver.policy.selectors import Selector, UnknownReferenceError, Wanted
from resolver.policy.services import ServiceEntry
from resolver.tenant_view import Signal
from resolver.tenants import Asker


def explain_discovery(asker: Asker, qname: str, services: Services) -> dict[str, Any]:
    """The story of a name as JSON can hold it; empty when no discovery rule of the tenant is for it.

    Args:
        asker: who asks.
        qname: lower case, without final dot.
        services: of all tenants.
    """
    catalog: Catalog = asker.tenant.discovery
    reading = next((one for one in readings(qname) if any(catalog.rules_for(one.base))), None)
    if reading is None:
        return {}
    taken = chosen(asker, reading.base)
    story: dict[str, Any] = {"name": reading.base, "rules": list(_rules(asker, catalog, reading, taken and taken[0]))}
    return story if taken is None else story | _meaning(asker, *taken, reading, services)


def _rules(asker: Asker, catalog: Catalog, reading: Reading, taken: DiscoveryEntry | None) -> Iterator[dict[str, Any]]:
    for rule, _ in catalog.rules_for(reading.base):
        why = "; ".join(rule.clients.obstacles(asker))
        if not why:
            why = "the first that is for this client" if rule is taken else "another goes before it"
        yield {"rule": rule.owner, "priority": rule.priority, "taken": rule is taken, "why": why}


def _meaning(
    asker: Asker, rule: DiscoveryEntry, values: Mapping[str, str], reading: Reading, services: Services
) -> dict[str, Any]:
    selection = select(asker, rule, values, reading.port)
    stages = [_filled(selector, asker, values) for selector in rule.selectors]
    considered = (service for owner in sorted(services) for service in services[owner])
    return {
        "selectors": [stage if isinstance(stage, str) else [str(want) for want in stage] for stage in stages],
        "taken_selector": selection.stage if selection else None,
        "order": list(rule.order),
        "services": [_service(asker, service, stages, selection, reading.port) for service in considered],
        "endpoints": _endpoints(asker, selection) if selection else [],
        "why": "" if selection else "nothing that the client may discover is meant: as if the rule were not there",
    }


def _filled(selector: Selector, asker: Asker, values: Mapping[str, str]) -> tuple[Wanted, ...] | str:
    try:
        return selector.filled(asker.labels, values)
    except UnknownReferenceError as error:
        return f"nothing matches: there is no {error} here"


def _service(
    asker: Asker, service: ServiceEntry, stages: list[tuple[Wanted, ...] | str], selection: Selection | None, port: str
) -> dict[str, Any]:
    selected = selection is not None and service in selection.services
    why = "; ".join(_reasons(asker, service, stages, port))
    if selected and selection:
        why = f"selected by {_stage_name(selection.stage)}"
    elif not why:
        why = "its selector was not reached: one before it left endpoints that are up"
    return {"service": service.name, "tenant": service.tenant, "selected": selected, "why": why}


def _stage_name(stage: int) -> str:
    return f"failover[{stage - 1}]" if stage else "selector"


def _reasons(asker: Asker, service: ServiceEntry, stages: list[tuple[Wanted, ...] | str], port: str) -> Iterator[str]:
    """Why a service is not meant, each reason there is."""
    catalog: Catalog = asker.tenant.discovery
    me = asker.tenant.name
    if service not in catalog.visible.services:
        exported = service.exported_to(me)
        yield f"tenant {me} has no 'visible' for it" if exported else f"it is not exported to tenant {me}"
    if port and service.port != port:
        yield f"its port is {service.port or 'not named'}, not {port}"
    lacking = [_lacking(service, stage) for stage in stages]
    if all(lacking):
        yield from (f"{_stage_name(place)}: {why}" for place, why in enumerate(lacking))


def _lacking(service: ServiceEntry, stage: tuple[Wanted, ...] | str) -> str:
    if isinstance(stage, str):
        return stage
    unmet = [want for want in stage if not want.holds(service.labels)]
    return ", ".join(f"label {want.key} is {service.labels.get(want.key)!r}, wanted {want}" for want in unmet)


def _endpoints(asker: Asker, selection: Selection) -> list[dict[str, Any]]:
    """Endpoints in the order told, then the others."""
    told = [one.endpoint for family in ("A", "AAAA") for one in selection.told(family)]
    usable = [one.endpoint for one in selection.ranked]
    pairs = ((service, endpoint) for service in selection.services for endpoint in service.endpoints)
    every = [rank(asker, selection.rule, service, endpoint) for service, endpoint in pairs]
    every.sort(key=lambda one: (one.endpoint not in told, one.place(selection.rule.order)))
    return [_endpoint(one, told=one.endpoint in told, usable=one.endpoint in usable) for one in every]


def _endpoint(one: Ranked, *, told: bool, usable: bool) -> dict[str, Any]:
    if told:
        why = "down, but nothing else is left" if one.down else "told"
    elif usable:
        why = "behind the best class, or past maxEndpoints"
    else:
        why = f"{'down' if one.down else 'weight 0'}, and another is left"
    return {
        "endpoint": one.endpoint.subject,
        "service": one.service.name,
        "told": told,
        "why": why,
        "zone": one.endpoint.zone,
        "same_zone": not one.classes["zone"],
        "weight": one.endpoint.weight,
        "health": _signal(one.health) or {"value": "up", "why": "no signal"},
        "latency": _signal(one.latency) or {"value": "unknown", "why": "no signal"},
        "latency_class": one.classes["latency"],
    }


def _signal(signal: Signal | None) -> dict[str, Any] | None:
    if signal is None:
        return None
    return {"value": signal.value, "source": signal.source, "why": signal.reason, "expires": signal.expires}
