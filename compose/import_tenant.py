"""The tenant of an import: which workload its clients are, and how its privacy setting shows them.

Pure but for reading the key of pseudonyms. Must not know formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

from compose.failure import Failure
from compose.imports import Observed
from resolver.keys import load_key
from resolver.privacy import ClientView
from resolver.rows import Template
from resolver.subnets import SubnetIndex
from schemas.objects import Metadata, Tenant, TenantSpec
from schemas.tenant_spec import Privacy, Workload

Place = tuple[str, tuple[tuple[str, str], ...]]


ARCHIVED_DAYS = 3650
"""What a tenant made for imports keeps: recorded traffic is old, and would be past the usual days at once."""


def new_tenant(name: str) -> Tenant:
    """A tenant that no client belongs to: only imports bring it events, and it keeps them as long as can be said."""
    spec = TenantSpec(default="allow", privacy=Privacy(retention_days=ARCHIVED_DAYS))
    return Tenant(api_version="nameward.io/v1", metadata=Metadata(name=name), spec=spec)


@dataclass(slots=True)
class Attribution:
    """Makes events of an import those of a tenant.

    Args:
        tenant: whose they are.
        workload: of all clients; empty to find it by the tenant's subnets.
        view: shows clients, None where the tenant shows none or all of them.
    """

    tenant: Tenant
    workload: str
    view: ClientView | None
    _subnets: SubnetIndex[Workload] = field(init=False)
    _known: dict[str, tuple[str, Place | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        entries = [(ip_network(subnet), one) for one in self.tenant.spec.workloads for subnet in one.subnets]
        self._subnets = SubnetIndex(entries)

    def of(self, event: Observed) -> Observed:
        """The same event, of this tenant."""
        made: Template = event.template
        known = self._known.get(made.client)
        if known is None:
            if len(self._known) >= 65536:
                self._known.clear()
            known = self._known[made.client] = self._look(made.client)
        made.tenant, made.client = self.tenant.metadata.name, known[0]
        if known[1] is not None:
            made.workload, made.labels = known[1]
        return event

    def _look(self, client: str) -> tuple[str, Place | None]:
        """How the client is shown, and where it belongs; None leaves that as the input says."""
        try:
            address = ip_address(client)
        except ValueError:
            return ("" if self.tenant.spec.privacy.client != "clear" else client), self._named()
        found = self._subnets.get(address.version, int(address))
        place = self._named() or (_place(found) if found else None)
        return (self.view.show(self.tenant.spec.privacy.client, client) if self.view else client), place

    def _named(self) -> Place | None:
        if not self.workload:
            return None
        for one in self.tenant.spec.workloads:
            if one.name == self.workload:
                return _place(one)
        return self.workload, ()


def _place(workload: Workload) -> Place:
    return workload.name, tuple(sorted(workload.labels.items()))


def attribution(tenant: Tenant, workload: str, key_file: Path) -> Attribution:
    """How to make events those of a tenant.

    Args:
        tenant: as it stands.
        workload: of all clients; empty for what the tenant's subnets say.
        key_file: of the resolvers' pseudonyms, needed where the tenant wants them.

    Raises:
        Failure: if pseudonyms are wanted and the key cannot be read.
    """
    privacy = tenant.spec.privacy.client
    if privacy == "clear":
        return Attribution(tenant, workload, None)
    key = bytes(32)  # whoever shows no clients needs none
    if privacy == "pseudonym":
        try:
            key = load_key(key_file, make=False)
        except (OSError, ValueError) as error:
            wanted = f"tenant {tenant.metadata.name!r} shows clients as pseudonyms under the resolvers' key"
            raise Failure(f"{wanted}, which cannot be read: {error}; say where it is with --pseudonym-key") from error
    return Attribution(tenant, workload, ClientView(key))
