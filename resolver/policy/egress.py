"""An EgressRule object in the form bindings are made by.

Finds everything that can be wrong in it on its own, with its key path.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.policy.reading import Report
from schemas.objects import EgressRule


@dataclass(frozen=True, slots=True, eq=False)
class EgressEntry:
    """What may be connected to."""

    name: str


def compile_egress(obj: EgressRule, report: Report) -> EgressEntry:  # noqa: ARG001
    """The entry of an egress rule; what is wrong is reported and left out."""
    return EgressEntry(obj.metadata.name)
