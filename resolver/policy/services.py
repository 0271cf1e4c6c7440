"""A Service object in the form discovery reads.

Finds everything that can be wrong in it on its own, with its key path.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.policy.reading import Report
from schemas.objects import Service


@dataclass(frozen=True, slots=True, eq=False)
class ServiceEntry:
    """A service of one tenant."""

    name: str


def compile_service(obj: Service, report: Report) -> ServiceEntry:  # noqa: ARG001
    """The entry of a service; what is wrong is reported and left out."""
    return ServiceEntry(obj.metadata.name)
