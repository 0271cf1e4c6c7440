"""Which endpoints a client is told for a discovered name, and in which order: by zone, health, latency and weight.

The same inputs (catalog, client, signals) give the same endpoints; chance has no part in it. A client keeps its place
in a weighted choice as long as the endpoints stay (weighted rendezvous hashing). Endpoints that a signal calls down are
left out as long as another is left, whatever the order. Pure; must not know messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import inf, log
from typing import NamedTuple

from resolver.policy.catalog import Catalog
from resolver.policy.discovery import DiscoveryEntry
from resolver.policy.selectors import UnknownReferenceError
from resolver.policy.services import EndpointEntry, ServiceEntry, ServiceIndex
from resolver.policy.signals import HEALTH, LATENCY, milliseconds
from resolver.tenant_view import Signal
from resolver.tenants import Asker

UNKNOWN_MS = 100.0
"""What an endpoint without a latency signal is taken to need."""
_DOWN = 2
_HEALTH = {"up": 0, "degraded": 1, "down": _DOWN}


class Ranked(NamedTuple):
    """One endpoint and what its place came from.

    Attributes:
        classes: by word of the order, what its place depends on: zone 0 (the client's) or 1, health 0 to 2, latency
            class, weight (the smaller the earlier).
        health, latency: signals used.
    """

    service: ServiceEntry
    endpoint: EndpointEntry
    classes: Mapping[str, float]
    health: Signal | None
    latency: Signal | None

    @property
    def down(self) -> bool:
        """Whether a signal calls it down."""
        return self.classes["health"] == _DOWN

    def place(self, order: tuple[str, ...]) -> tuple[float, ...]:
        """Sorts endpoints."""
        return tuple(map(self.classes.__getitem__, order))


@dataclass(frozen=True, slots=True)
class Selection:
    """What a rule means for one client.

    Attributes:
        stage: which selector it came from; 0 is the rule's own, then those of `failover`.
        services: those selected.
        ranked: their endpoints in order, those that are down only if nothing else is.
        valid_until: Unix seconds at which the first signal that was used expires.
    """

    rule: DiscoveryEntry
    stage: int
    services: tuple[ServiceEntry, ...]
    ranked: tuple[Ranked, ...]
    valid_until: float = inf

    def told(self, family: str = "") -> list[Ranked]:
        """Endpoints to tell, of one type of address or both: as many as the rule says, or those of the best class.

        The best class is that of all endpoints: who asks for both types must find them in the same place.
        """
        limit, order = self.rule.limit, self.rule.classes
        first = self.ranked[0].place(order) if self.ranked else ()
        best = self.ranked if limit else [one for one in self.ranked if one.place(order) == first]
        found = [one for one in best if not family or one.endpoint.family == family]
        return found[:limit] if limit else found


def chosen(asker: Asker, qname: str) -> tuple[DiscoveryEntry, Mapping[str, str]] | None:
    """The rule for this name and client, with what stands at its placeholders; None if there is none."""
    catalog: Catalog = asker.tenant.discovery
    return next((found for found in catalog.rules_for(qname) if found[0].clients.match(asker)), None)


def select(asker: Asker, rule: DiscoveryEntry, values: Mapping[str, str], port: str = "") -> Selection | None:
    """What a rule means for a client.

    Args:
        asker: who asks.
        rule: for the name asked.
        values: at the placeholders of its name.
        port: ``_name._protocol`` the services must have; empty for any.

    Returns:
        None when nothing that the client may discover has the labels: the name is then as good as missing.
    """
    until, last = inf, None
    for stage, services in _stages(asker, rule, values):
        kept = tuple(service for service in services if not port or service.port == port)
        if not kept:
            continue
        every = [rank(asker, rule, service, endpoint) for service in kept for endpoint in service.endpoints]
        until = min([until, *(signal.expires for one in every for signal in (one.health, one.latency) if signal)])
        found = Selection(rule, stage, kept, _usable(every, rule), until)
        if any(not one.down for one in every):
            return found
        if last is None or (every and not last.ranked):
            last = found
    return replace(last, valid_until=until) if last else None


def _usable(every: list[Ranked], rule: DiscoveryEntry) -> tuple[Ranked, ...]:
    """In order, without what is down, then without what has no weight, each as long as something is left."""
    found = [one for one in every if not one.down] or every
    found = [one for one in found if one.endpoint.weight] or found
    return tuple(sorted(found, key=lambda one: one.place(rule.order)))


def _stages(asker: Asker, rule: DiscoveryEntry, values: Mapping[str, str]) -> Iterable[tuple[int, list[ServiceEntry]]]:
    catalog: Catalog = asker.tenant.discovery
    return enumerate(_found(catalog.visible, asker, rule, values))


def _found(
    services: ServiceIndex, asker: Asker, rule: DiscoveryEntry, values: Mapping[str, str]
) -> Iterator[list[ServiceEntry]]:
    for selector in rule.selectors:
        try:
            yield services.find(selector.filled(asker.labels, values))
        except UnknownReferenceError:
            yield []


def named(asker: Asker, rule: DiscoveryEntry, values: Mapping[str, str], label: str) -> EndpointEntry | None:
    """The endpoint that SRV records call by this label, be it told at the moment or not; None if there is none."""
    services = (service for _, services in _stages(asker, rule, values) for service in services)
    return next((one for service in services for one in service.endpoints if one.label == label), None)


def hidden(asker: Asker, rule: DiscoveryEntry, values: Mapping[str, str]) -> bool:
    """Whether there is a service that the rule means and that may be said to exist, though it is not visible."""
    catalog: Catalog = asker.tenant.discovery
    return bool(catalog.undisclosed) and any(_found(catalog.undisclosed, asker, rule, values))


def rank(asker: Asker, rule: DiscoveryEntry, service: ServiceEntry, endpoint: EndpointEntry) -> Ranked:
    """An endpoint with its classes, by the signals that hold."""
    signals, zone = asker.tenant.signals, asker.labels.get("zone", "")
    health = signals.value(HEALTH, endpoint.subject) if signals else None
    latency = signals.value(LATENCY, endpoint.subject) if signals and LATENCY in rule.order else None
    classes = {
        "zone": 0 if zone and endpoint.zone == zone else 1,
        "health": _HEALTH.get(health.value, 0) if health else 0,
        "latency": latency_class(milliseconds(latency.value) or 0.0) if latency else _UNKNOWN,
        "weight": _share(rule.owner, asker.address, endpoint),
    }
    return Ranked(service, endpoint, classes, health, latency)


def latency_class(needed_ms: float) -> int:
    """Class of a latency: 0 below 4 ms, then one more with each doubling, so that jitter seldom moves anything."""
    return max(0, int(needed_ms).bit_length() - 2)


_UNKNOWN = latency_class(UNKNOWN_MS)


def _share(rule: str, client: str, endpoint: EndpointEntry) -> float:
    """Place of an endpoint among those of equal class, the smallest first: first as often as its weight says.

    Weighted rendezvous hashing: an exponential variate of rate `weight` drawn from a hash of rule, client, endpoint.
    """
    if not endpoint.weight:
        return inf
    digest = blake2b(f"{rule}\0{client}\0{endpoint.subject}".encode(), digest_size=8).digest()
    return -log((int.from_bytes(digest, "big") + 1) / (2**64 + 1)) / endpoint.weight
