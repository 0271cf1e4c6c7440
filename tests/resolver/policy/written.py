"""Objects as the tests write them: YAML in, keys and objects out; and short ways to ask the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from resolver.policy.compiler import compile_policy
from resolver.policy.decision import Decision
from resolver.policy.engine import decide
from resolver.tenants import Compiled, identify
from schemas.documents import read_documents
from schemas.objects import PolicyObject
from schemas.signals import ContextSignal, Overlay, OverlayEntry

NOW = 1_800_000_000.0
TENANT = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: {name}}}
spec:
  default: {default}
  mode: {mode}
  clients: [{{subnets: [{subnet}]}}]
  workloads: [{{name: frontend, subnets: [{frontend}], labels: {{app: frontend}}}}]
  upstreams: [{{name: main, servers: ["udp://127.0.0.1:5301"]}}]
  feedback: {feedback}
  {more}
---
"""
FRONTEND, BACKEND = "10.0.1.10", "10.0.1.20"


def objects(text: str) -> dict[str, PolicyObject]:
    """Objects of YAML text, which must have the right shape."""
    documents, errors = read_documents(text, "test")
    assert not errors, errors
    return {document.key: document.obj for document in documents}


def tenant(
    name: str = "acme",
    number: int = 1,
    default: str = "allow",
    mode: str = "enforce",
    feedback: str = "{mode: enforce}",
    *,
    more: str = "",
) -> str:
    """A Tenant with the clients 10.0.number.0/24."""
    places = {"subnet": f"10.0.{number}.0/24", "frontend": f"10.0.{number}.10"}
    return TENANT.format(name=name, default=default, mode=mode, feedback=feedback, more=more, **places)


def rules(*lines: str, name: str = "p", tier: str = "tenant", tenants: str = "[acme]", more: str = "") -> str:
    """A DNSPolicy with these rules in flow style."""
    listed = "\n".join(f"  - {{{line}}}" for line in lines)
    return (
        f"apiVersion: nameward.io/v1\nkind: DNSPolicy\nmetadata: {{name: {name}}}\n"
        f"spec:\n  tier: {tier}\n  tenants: {tenants}\n{more}  rules:\n{listed}\n---\n"
    )


def virtual(name: str, *records: str, owner: str = "v", tenants: str = "[acme]") -> str:
    """A VirtualName with these records in flow style."""
    listed = "\n".join(f"  - {{{line}}}" for line in records)
    return (
        f"apiVersion: nameward.io/v1\nkind: VirtualName\nmetadata: {{name: {owner}}}\n"
        f"spec:\n  name: {name}\n  tenants: {tenants}\n  records:\n{listed}\n---\n"
    )


def service(
    name: str = "api",
    *,
    tenant: str = "acme",
    labels: str = "{app: api}",
    endpoints: str = "[{address: 10.9.0.1}]",
    exports: str = "[]",
    more: str = "",
) -> str:
    """A Service in flow style."""
    return (
        f"apiVersion: nameward.io/v1\nkind: Service\nmetadata: {{name: {name}}}\n"
        f"spec:\n  tenant: {tenant}\n  labels: {labels}\n  endpoints: {endpoints}\n  exports: {exports}\n  {more}\n---\n"
    )


def discovery(
    name: str, *, owner: str = "d", tenants: str = "[acme]", selector: str = "{app: api}", more: str = ""
) -> str:
    """A DiscoveryRule in flow style."""
    return (
        f"apiVersion: nameward.io/v1\nkind: DiscoveryRule\nmetadata: {{name: {owner}}}\n"
        f'spec:\n  name: "{name}"\n  tenants: {tenants}\n  selector: {selector}\n  {more}\n---\n'
    )


def entry(
    pattern: str,
    *,
    name: str = "e1",
    action: str = "deny",
    mode: str = "enforce",
    life: float = 600,
    detector: str = "tunnel",
    severity: str = "high",
    age: float = 0,
) -> OverlayEntry:
    """An overlay entry created `age` seconds before NOW that lives for `life` seconds from NOW."""
    now = datetime.fromtimestamp(NOW, UTC)
    return OverlayEntry(
        id=name,
        pattern=pattern,
        action=action,  # type: ignore[arg-type]
        mode=mode,  # type: ignore[arg-type]
        severity=severity,  # type: ignore[arg-type]
        reason="test",
        detector=detector,
        created=now - timedelta(seconds=age),
        expires=now + timedelta(seconds=life),
    )


def overlay(*entries: OverlayEntry, name: str = "acme", revision: int = 1) -> Overlay:
    """A tenant's overlay."""
    return Overlay(tenant=name, revision=revision, entries=entries, changed=datetime.fromtimestamp(NOW, UTC))


def signal(  # noqa: PLR0917 - in the order people say it
    kind: str, subject: str, value: str, tenant: str = "acme", life: float = 600, reason: str = "test", *, zone: bool = True
) -> ContextSignal:
    """A context signal that lives for `life` seconds from NOW; without `zone` its times say no time zone."""
    now = datetime.fromtimestamp(NOW, UTC)
    expires = now + timedelta(seconds=life)
    return ContextSignal(
        tenant=tenant, kind=kind, subject=subject, value=value, source="test", reason=reason,
        created=now, expires=expires if zone else expires.replace(tzinfo=None),
    )  # fmt: skip


def compiled(text: str, *overlays: Overlay) -> Compiled:
    """Policy of YAML text and overlays, at NOW."""
    by_tenant = {item.tenant: item for item in overlays}
    return compile_policy(objects(text), by_tenant, now=NOW, version="v", epoch=1)


def ask(
    policy: Compiled, qname: str, qtype: str = "A", *, client: str = BACKEND, transport: str = "udp", now: float = NOW
) -> Decision:
    """The decision on a query of a known client."""
    asker = identify(policy, client)
    assert asker is not None
    return decide(asker, qname, qtype, transport, now)
