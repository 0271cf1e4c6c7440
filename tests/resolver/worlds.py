"""A resolver with many tenants, and for each tenant a world of its own in which no other tenant exists.

But for one thing: who offers a tenant a service is there by name, since nobody finds the services of nobody. What a
tenant is told in the first must be what it is told in the second: byte for byte, and field by field in the event.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import msgspec

from resolver.rows import Template
from schemas.objects import (
    DiscoveryRule,
    DNSPolicy,
    DomainSet,
    EgressRule,
    PolicyObject,
    Service,
    Tenant,
    VirtualName,
    key_of,
)
from schemas.signals import ContextSignal, Overlay
from schemas.tenant_spec import TenantSpec
from tests.resolver.path import Path, ask
from tests.resolver.test_fastpath import serve

ZONE = [
    "www.example.org. 300 IN A 192.0.2.1",
    "alias.example.org. 40 IN CNAME www.example.org.",
    "api.example.net. 7 IN A 198.51.100.7",
    'text.example.net. 600 IN TXT "words"',
    "inside.example.org. 60 IN A 10.3.3.3",
    "www.search.example. 60 IN A 192.0.2.80",
]


def subnet(tenant: str) -> str:
    """First three octets of a tenant's clients: t0 has 127.0.1."""
    return f"127.0.{int(tenant[1:]) + 1}"


def told(template: Template) -> dict[str, object]:
    """What an event says of a query, but for the version of all policy."""
    hidden = {"policy_version", "generation", "slot"}
    return {name: getattr(template, name) for name in template.__slots__ if name not in hidden}


@dataclass
class World:
    """One resolver and the events of what it was asked."""

    path: Path = field(default_factory=lambda: Path(""))

    def __post_init__(self) -> None:
        """The same upstream everywhere."""
        self.path.upstream.zone = ZONE

    def put(self, key: str, obj: PolicyObject | None) -> bool:
        """Want an object; whether it is in force."""
        store = self.path.store
        before = dict(store.objects)
        store.put(key, obj)
        store.swap(self.path.now)
        others = {other: held for other, held in store.objects.items() if other != key}
        assert others == {other: held for other, held in before.items() if other != key}, "one change undid another"
        return store.objects.get(key) == obj

    def ask(self, message: bytes, client: str) -> tuple[bytes | None, dict[str, object]]:
        """One query as the UDP listener takes it: the answer and its event."""
        path = self.path
        known = path.fastpath.table().get((client, message[2:]))
        path.events.clear()
        answer = asyncio.run(serve(path, message, client))
        event = path.events[-1] if path.events else known.template if known is not None else None
        assert event is not None
        return answer, told(event)


@dataclass
class Worlds:
    """The shared resolver, and each tenant's own."""

    tenants: dict[str, Tenant]
    objects: dict[str, PolicyObject] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Every tenant is there from the start."""
        self.shared, self.own = World(), {name: World() for name in self.tenants}
        for name, tenant in self.tenants.items():
            self.put(key_of(tenant), tenant)
            assert self.own[name].path.store.objects

    def put(self, key: str, obj: PolicyObject | None) -> None:
        """Put an object in force in the shared resolver, and what of it concerns a tenant in the tenant's own."""
        if not self.shared.put(key, obj):
            self.shared.put(key, self.objects.get(key))
            return
        if obj is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = obj
        for name, world in self.own.items():
            for other, held in self.touched(key, obj):
                world.put(other, self.concerning(name, held) if held is not None else None)

    def touched(self, key: str, obj: PolicyObject | None) -> list[tuple[str, PolicyObject | None]]:
        """What must be looked at again in each tenant's own world when an object changes."""
        if isinstance(obj, Tenant):
            return list(self.objects.items())
        if isinstance(obj, Service):
            owner = f"Tenant/{obj.spec.tenant}/{obj.spec.tenant}"
            return [(owner, self.objects[owner]), (key, obj)]
        return [(key, obj)]

    def concerning(self, tenant: str, obj: PolicyObject) -> PolicyObject | None:
        """What of an object is a tenant's to know: None where nothing is."""
        if isinstance(obj, DomainSet):
            return obj
        if isinstance(obj, Tenant):
            return obj if obj.metadata.name == tenant else self.named(tenant, obj)
        if isinstance(obj, Service):
            return obj if self.visible(tenant, obj) else None
        if not isinstance(obj, DNSPolicy | VirtualName | DiscoveryRule | EgressRule):
            raise TypeError(obj)
        if not obj.spec.tenants:
            return obj
        if tenant not in obj.spec.tenants:
            return None
        return msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, tenants=[tenant]))

    def named(self, tenant: str, other: Tenant) -> Tenant | None:
        """Another tenant, no more than its name, if it offers this one a service."""
        services = [obj for obj in self.objects.values() if isinstance(obj, Service) and obj.spec.tenant == other.metadata.name]
        offered = any(self.visible(tenant, service) for service in services)
        return msgspec.structs.replace(other, spec=TenantSpec(default="deny")) if offered else None

    def visible(self, tenant: str, service: Service) -> bool:
        """Whether a service is the tenant's, or exported to it and wanted by it."""
        if service.spec.tenant == tenant:
            return True
        spec = self.objects[f"Tenant/{tenant}/{tenant}"].spec  # type: ignore[union-attr]
        name = f"{service.spec.tenant}/{service.metadata.name}"
        exported = not {tenant, "*"}.isdisjoint(service.spec.exports)
        return exported and any(fnmatchcase(name, glob) for glob in spec.visible)  # type: ignore[union-attr]

    def overlay(self, overlay: Overlay) -> None:
        """Put a tenant's overlay in force."""
        for world in (self.shared, self.own[overlay.tenant]):
            world.path.store.put_overlay(overlay.tenant, overlay)
            world.path.store.swap(world.path.now)

    def signal(self, tenant: str, kind: str, subject: str, value: str, seconds: float) -> None:
        """A fact about a subject, for one tenant or (empty) for all."""
        now = self.shared.path.now
        made, ends = (datetime.fromtimestamp(moment, UTC) for moment in (now, now + seconds))
        fact = ContextSignal(
            tenant=tenant, kind=kind, subject=subject, value=value, source="t", reason="t", created=made, expires=ends
        )
        for name, world in [("", self.shared), *self.own.items()]:
            if not name or tenant in {"", name}:
                world.path.store.put_signal(fact, now)
                world.path.store.swap(now)

    def wait(self, seconds: float) -> None:
        """Let time pass everywhere, with the swaps that the feed makes when something expires."""
        for world in (self.shared, *self.own.values()):
            path = world.path
            end = path.now + seconds
            while (expiry := path.store.next_expiry(path.now)) <= end:
                path.now = expiry
                path.store.swap(path.now)
            path.now = end

    def compare(self, tenant: str, host: int, name: str, qtype: str = "A", **options: bool) -> bytes | None:
        """Ask both worlds; the answer, which must be the same."""
        message, client = ask(name, qtype, **options), f"{subnet(tenant)}.{host}"
        shared, own = self.shared.ask(message, client), self.own[tenant].ask(message, client)
        assert shared == own, f"{tenant} sees others when it asks {name} {qtype}"
        return shared[0]


def renamed(answer: bytes | None, name: str, other: str) -> bytes | None:
    """An answer as it would be for another name of the same length, its id left out."""
    if answer is None:
        return None
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    instead = b"".join(bytes([len(label)]) + label.encode() for label in other.split("."))
    return answer[2:].replace(labels, instead)

