"""A DiscoveryRule object in the form a tenant's view holds it.

Finds everything that can be wrong in it on its own, with its key path.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.policy.reading import Report
from schemas.objects import DiscoveryRule


@dataclass(frozen=True, slots=True, eq=False)
class DiscoveryEntry:
    """A name that means services."""

    name: str


def compile_discovery(obj: DiscoveryRule, report: Report) -> DiscoveryEntry:  # noqa: ARG001
    """The entry of a discovery rule; what is wrong is reported and left out."""
    return DiscoveryEntry(obj.metadata.name)
