"""A DiscoveryRule object in the form a tenant's view holds it, and its name, which may be a template.

Finds everything that can be wrong in a DiscoveryRule on its own, with its key path. Which rule a query meets is
catalog.py's, which services it selects is selection.py's. This module must not know services or who asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from resolver.policy.clients import Clients, compile_clients
from resolver.policy.patterns import PatternError, canonical_name
from resolver.policy.reading import Report
from resolver.policy.selectors import Selector, compile_selector
from schemas.objects import DiscoveryRule

ORDER = ("zone", "health", "latency", "weight")
_PLACEHOLDER = re.compile(r"\{([^{}.]*)\}")
_KEY = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS_LABEL = re.compile(r"\d{1,3}(-\d{1,3}){3}|[0-9a-f]{4}(-[0-9a-f]{4}){7}")
_STAND_IN = "nw0placeholder"


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """A name, lower case without final dot, as labels; a placeholder is a label with its key in `keys`, else ``""``.

    Literal labels stand in `labels`, where placeholders are ``""``.
    """

    labels: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether it is a name, without placeholders."""
        return not any(self.keys)

    def match(self, labels: list[str]) -> Mapping[str, str] | None:
        """What stands at the placeholders, None where a name of as many labels does not match.

        A placeholder takes no label that begins with an underscore: those are services and protocols (RFC 8552).
        """
        values = {}
        for literal, key, label in zip(self.labels, self.keys, labels, strict=True):
            if not key and literal != label:
                return None
            if key:
                if label.startswith("_"):
                    return None
                values[key] = label
        return values

    def rank(self) -> tuple[int, tuple[bool, ...]]:
        """Sorts templates of one length: more literal labels first, then literals further left."""
        return sum(map(bool, self.keys)), tuple(map(bool, self.keys))


_NO_NAME = NameTemplate((), ())


@dataclass(frozen=True, slots=True, eq=False)
class DiscoveryEntry:
    """A name that means services.

    Attributes:
        owner: name of the object. template: the name.
        selectors: the rule's own, then those to fail over to.
        order: what endpoints are ordered by, most important first.
        limit: most endpoints told; 0 is all of the best class.
    """

    owner: str
    template: NameTemplate
    selectors: tuple[Selector, ...]
    clients: Clients
    priority: int
    order: tuple[str, ...]
    limit: int
    ttl: int

    @property
    def classes(self) -> tuple[str, ...]:
        """What endpoints are classed by: the order without weight, which only orders within a class."""
        return tuple(word for word in self.order if word != "weight")

    @property
    def rank(self) -> tuple[int, str]:
        """Sorts rules for one name."""
        return self.priority, self.owner


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read a name: as that of a rule; of a port below one (RFC 2782); or as SRV records call an endpoint.

    Attributes:
        base: the rule's name. port: ``_name._protocol`` before it. label: of an endpoint before it.
    """

    base: str
    port: str = ""
    label: str = ""


def readings(qname: str) -> Iterator[Reading]:
    """Ways to read a lower-case name, the plain one first."""
    yield Reading(qname)
    first, _, rest = qname.partition(".")
    if first.startswith("_"):
        second, _, base = rest.partition(".")
        if second.startswith("_") and base:
            yield Reading(base, port=f"{first}.{second}")
    elif rest and _ADDRESS_LABEL.fullmatch(first):
        yield Reading(rest, label=first)


def compile_discovery(obj: DiscoveryRule, report: Report) -> DiscoveryEntry:
    """The entry of a discovery rule; what is wrong is reported and left out."""
    spec = obj.spec
    template = _template(spec.name, report)
    keys = frozenset(filter(None, template.keys))
    selectors = [compile_selector(spec.selector, keys, "spec.selector", report)]
    for place, labels in enumerate(spec.failover):
        selectors.append(compile_selector(labels, keys, f"spec.failover[{place}]", report))
    for place, word in enumerate(spec.order):
        if word in spec.order[:place]:
            report(f"spec.order[{place}]", f"{word!r} stands above already")
    return DiscoveryEntry(
        owner=obj.metadata.name,
        template=template,
        selectors=tuple(selectors),
        clients=compile_clients(spec.clients, "spec.clients", report),
        priority=spec.priority,
        order=tuple(spec.order) or ORDER,
        limit=spec.max_endpoints,
        ttl=spec.ttl,
    )


def _template(text: str, report: Report) -> NameTemplate:
    keys = _PLACEHOLDER.findall(text)
    wrong = f"expected a domain name or a template such as {{app}}.svc.example, got {text!r}"
    try:
        labels = canonical_name(_PLACEHOLDER.sub(_STAND_IN, text)).split(".")
    except PatternError as error:
        report("spec.name", f"{wrong}: {error}")
        return _NO_NAME
    if labels.count(_STAND_IN) != len(keys) or any("{" in label or "}" in label for label in labels):
        report("spec.name", f"{wrong}: a placeholder is a whole label")
        return _NO_NAME
    for place, key in enumerate(keys):
        if not _KEY.fullmatch(key):
            report("spec.name", f"expected placeholders of small letters, digits and hyphens, got {{{key}}}")
        if key in keys[:place]:
            report("spec.name", f"{{{key}}} stands twice in {text!r}")
    if keys and len(keys) == len(labels):
        report("spec.name", f"{wrong}: a template needs a label that is no placeholder")
    left = iter(keys)
    placed = tuple(next(left) if label == _STAND_IN else "" for label in labels)
    literals = tuple("" if key else label for key, label in zip(placed, labels, strict=True))
    return NameTemplate(literals, placed)
