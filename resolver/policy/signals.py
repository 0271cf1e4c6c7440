"""Context signals as the path sees them: facts with an expiry (a server is down, a client is suspect), by subject.

SignalBoard is what one tenant's view shows under one epoch: only kinds that some object in force uses, so that all
others cost nothing. It is made by signal_book.py. Must not know what signals mean to rules and discovery.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from schemas.objects import DiscoveryRule, DNSPolicy, PolicyObject, VirtualName

HEALTH, LATENCY, NEWLY_OBSERVED = "health", "latency", "newly_observed"
HEALTH_VALUES = ("up", "degraded", "down")
EVERYBODY = ""

Key = tuple[str, str]
"""Kind and canonical subject."""


@dataclass(frozen=True, slots=True)
class Held:
    """One signal as boards show it. expires: Unix seconds."""

    value: str
    source: str
    reason: str
    expires: float

    def says(self, other: Held) -> bool:
        """Whether the other says the same, be it for longer."""
        return (self.value, self.source, self.reason) == (other.value, other.source, other.reason)


@dataclass(frozen=True, slots=True, eq=False)
class SignalBoard:
    """Signals one tenant's view shows, its own before those for all; never changes. Falsy when there are none.

    earliest: Unix seconds at which the first of its own expires.
    """

    own: Mapping[Key, Held] = field(default_factory=dict)
    shared: Mapping[Key, Held] = field(default_factory=dict)
    earliest: float = inf

    def __bool__(self) -> bool:
        return bool(self.own or self.shared)

    def value(self, kind: str, subject: str) -> Held | None:
        """The signal of this kind about a subject in canonical form (see subject_of)."""
        key = kind, subject
        return self.own.get(key) or self.shared.get(key)

    def find(self, kind: str, subjects: Iterable[str]) -> Held | None:
        """The signal of this kind about the first of the subjects that has one."""
        return next((held for subject in subjects if (held := self.value(kind, subject)) is not None), None)


NO_SIGNALS = SignalBoard()


def endpoint_subject(address: str, port: int) -> str:
    """The subject that an address and port are signalled under."""
    host = ipaddress.ip_address(address)
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"


def subject_of(text: str) -> str:
    """A subject in canonical form: names lower case without final dot, addresses as Python writes them."""
    text = text.strip().lower()
    host, colon, port = text.rpartition(":")
    try:
        if colon and port.isdecimal() and (":" not in host or host.startswith("[")):
            return endpoint_subject(host.removeprefix("[").removesuffix("]"), int(port))
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text.removesuffix(".") or text


def kinds_in_use(objects: Iterable[PolicyObject]) -> dict[str, frozenset[str]]:
    """Kinds that these objects look at, by tenant; those that objects for all tenants look at under EVERYBODY."""
    found: dict[str, set[str]] = {}
    for obj in objects:
        if isinstance(obj, DNSPolicy | VirtualName | DiscoveryRule) and (kinds := _looked_at(obj)):
            for tenant in obj.spec.tenants or (EVERYBODY,):
                found.setdefault(tenant, set()).update(kinds)
    return {tenant: frozenset(kinds) for tenant, kinds in found.items()}


def _looked_at(obj: DNSPolicy | VirtualName | DiscoveryRule) -> set[str]:
    if isinstance(obj, VirtualName):
        return {HEALTH} if obj.spec.targets else set()
    if isinstance(obj, DiscoveryRule):
        return {HEALTH, LATENCY}
    kinds = {match.kind for rule in obj.spec.rules for match in rule.match.signal}
    return kinds | ({NEWLY_OBSERVED} if any(rule.match.newly_observed for rule in obj.spec.rules) else set())


def milliseconds(text: str) -> float | None:
    """The value of a latency signal, None if it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < inf else None
