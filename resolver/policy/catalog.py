"""What one tenant can discover: its rules by name, and the services it may see.

A service is visible to the tenant that owns it, and to another if it is exported to that one *and* one of its
`visible` globs matches ``owner/service``: both sides must want it. Made when policy changes, kept while what it is made
of stays. What is not visible is not in the catalog, so that it cannot be found by any way of asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from resolver.policy.discovery import DiscoveryEntry
from resolver.policy.globs import label_matches
from resolver.policy.services import ServiceEntry, ServiceIndex
from resolver.policy.signals import EVERYBODY
from resolver.policy.steps import SLICE, Steps
from schemas.objects import Tenant

Services = Mapping[str, tuple[ServiceEntry, ...]]
"""Services by the tenant that owns them."""
Rules = tuple[DiscoveryEntry, ...]
RulesOf = Mapping[str, Rules]
"""Rules by the tenant they are for; those for all under EVERYBODY."""


class Catalog:
    """Rules and services of one tenant. Falsy when there are no rules.

    Args:
        rules: of this tenant and of all.
        visible: services it may discover.
        undisclosed: services that its answers may say exist, though it may not discover them.
    """

    __slots__ = ("_exact", "_templates", "undisclosed", "visible")

    def __init__(
        self,
        rules: Iterable[DiscoveryEntry] = (),
        visible: Iterable[ServiceEntry] = (),
        undisclosed: Iterable[ServiceEntry] = (),
    ) -> None:
        self._exact: dict[str, list[DiscoveryEntry]] = {}
        self._templates: dict[int, list[DiscoveryEntry]] = {}
        for rule in sorted(rules, key=lambda rule: (rule.template.rank(), rule.rank)):
            if rule.template.exact:
                self._exact.setdefault(".".join(rule.template.labels), []).append(rule)
            else:
                self._templates.setdefault(len(rule.template.labels), []).append(rule)
        self.visible, self.undisclosed = ServiceIndex(visible), ServiceIndex(undisclosed)

    def __bool__(self) -> bool:
        return bool(self._exact or self._templates)

    def rules_for(self, qname: str) -> Iterator[tuple[DiscoveryEntry, Mapping[str, str]]]:
        """Rules for a lower-case name, the one to be taken first, each with what stands at its placeholders.

        The name itself goes before templates, and of these the one with more literal labels; then priority decides.
        """
        for rule in self._exact.get(qname, ()):
            yield rule, {}
        if self._templates:
            labels = qname.split(".")
            for rule in self._templates.get(len(labels), ()):
                values = rule.template.match(labels)
                if values is not None:
                    yield rule, values


NOTHING = Catalog()


def foreign(tenant: Tenant, services: Services) -> Iterator[ServiceEntry]:
    """Services of other tenants that this one may discover."""
    me = tenant.metadata.name
    globs: dict[str, list[str]] = {}
    for glob in tenant.spec.visible:
        owner, _, name = glob.partition("/")
        globs.setdefault(owner, []).append(name)
    for owner in services if "*" in globs else globs:
        names = [*globs.get(owner, ()), *globs.get("*", ())]
        for service in services.get(owner, ()) if owner != me else ():
            if service.exported_to(me) and any(label_matches(name, service.name) for name in names):
                yield service


@dataclass(slots=True, eq=False)
class Catalogs:
    """Catalogs of the last build, each with what it was made of; entries are compared by identity."""

    services: Services = field(default_factory=dict)
    made: dict[str, tuple[tuple[object, ...], Catalog]] = field(default_factory=dict)

    def build(self, tenants: Iterable[Tenant], rules: RulesOf, services: Services) -> Steps[Mapping[str, Catalog]]:
        """Catalogs of the tenants that have rules, the same ones as before where nothing they show has changed."""
        same_services, self.services = services == self.services, services
        earlier, self.made = self.made, {}
        for place, tenant in enumerate(tenants):
            if not place % SLICE:
                yield
            name = tenant.metadata.name
            mine = (*rules.get(EVERYBODY, ()), *rules.get(name, ()))
            if not mine:
                continue
            known = earlier.get(name)
            if known and same_services and known[0][: len(mine) + 2] == (tenant, *mine, None):
                self.made[name] = known
            else:
                self.made[name] = _renewed(known, tenant, mine, services)
        return {name: catalog for name, (_, catalog) in self.made.items()}


def _renewed(
    known: tuple[tuple[object, ...], Catalog] | None, tenant: Tenant, rules: Rules, services: Services
) -> tuple[tuple[object, ...], Catalog]:
    others = sorted(foreign(tenant, services), key=lambda service: (service.tenant, service.name))
    visible = (*sorted(services.get(tenant.metadata.name, ()), key=lambda service: service.name), *others)
    undisclosed = tuple(_undisclosed(tenant, visible, services)) if tenant.spec.disclose_hidden else ()
    recipe = (tenant, *rules, None, *visible, None, *undisclosed)
    if known and known[0][1:] == recipe[1:]:
        return recipe, known[1]
    return recipe, Catalog(rules, visible, undisclosed)


def _undisclosed(tenant: Tenant, visible: Iterable[ServiceEntry], services: Services) -> Iterator[ServiceEntry]:
    shown = set(visible)
    for owned in services.values():
        yield from (one for one in owned if one.exported_to(tenant.metadata.name) and one not in shown)
