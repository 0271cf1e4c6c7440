"""An EgressRule object in the form bindings are made by.

Finds everything that can be wrong in an EgressRule on its own, with its key path. Which domain sets there are is
conflicts.py's; what a connection is allowed is decided by whoever enforces. This module must not know answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.policy.clients import Clients, compile_clients
from resolver.policy.patterns import PatternIndex, suffixes
from resolver.policy.reading import Report, parse_patterns
from resolver.tenants import Asker
from schemas.objects import EgressHttp, EgressPort, EgressRule

_WITH_HTTP = "tcp"


@dataclass(frozen=True, slots=True, eq=False)
class EgressEntry:
    """What may be connected to.

    Attributes:
        order: (priority, object): the smallest is considered first.
        names: it is for; empty together with `sets` is every name.
        sets: names of the domain sets it is for.
        at_least, grace: seconds an address stays open, see EgressRuleSpec.
    """

    name: str
    order: tuple[int, str]
    action: str
    clients: Clients
    names: PatternIndex[bool]
    sets: tuple[str, ...]
    at_least: int
    grace: int

    def covers(self, asker: Asker, qname: str) -> bool:
        """Whether the rule is for this client and name (lower case, without final dot)."""
        if self.clients and not self.clients.match(asker):
            return False
        if not self.names and not self.sets:
            return True
        return self.names.matches(qname) or self._in_set(asker, qname)

    def _in_set(self, asker: Asker, qname: str) -> bool:
        if not self.sets:
            return False
        names = suffixes(qname)
        found = (asker.sets.get(name) for name in self.sets)
        return any(entry is not None and entry.holds(names) for entry in found)


def compile_egress(obj: EgressRule, report: Report) -> EgressEntry:
    """The entry of an egress rule; what is wrong is reported and left out."""
    spec = obj.spec
    _check_ports(spec.ports, report)
    _check_http(spec.http, spec.ports, report)
    return EgressEntry(
        name=obj.metadata.name,
        order=(spec.priority, obj.metadata.name),
        action=spec.action,
        clients=compile_clients(spec.clients, "spec.clients", report),
        names=PatternIndex((pattern, True) for pattern in parse_patterns(spec.names, "spec.names", report)),
        sets=tuple(spec.domain_sets),
        at_least=spec.min_seconds,
        grace=spec.grace_seconds,
    )


def _check_ports(ports: list[EgressPort], report: Report) -> None:
    seen: dict[tuple[str, int, int], int] = {}
    for place, port in enumerate(ports):
        path = f"spec.ports[{place}]"
        last = port.end_port or port.port
        if last < port.port:
            report(f"{path}.endPort", f"expected a port from {port.port} on, got {last}")
        first = seen.setdefault((port.protocol, port.port, last), place)
        if first != place:
            report(path, f"the same ports stand in ports[{first}] already")


def _check_http(http: list[EgressHttp], ports: list[EgressPort], report: Report) -> None:
    if http and ports and not any(port.protocol == _WITH_HTTP for port in ports):
        report("spec.http", "HTTP needs a TCP port, the ports of this rule are none")
    for place, requests in enumerate(http):
        path = f"spec.http[{place}]"
        if not (requests.hosts or requests.methods or requests.paths):
            report(path, "expected hosts, methods or paths; a rule without http allows all of it")
        parse_patterns(requests.hosts, f"{path}.hosts", report)
