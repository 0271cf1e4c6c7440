"""What became of the records of an import: how many were read, and why others were not, with the first of each kind.

Filled in by every reader, shown by the command. Must not know formats; reasons are sentences of a fixed set, so that
the report stays small whatever the file holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

EXAMPLES = 3
"""Places named for each reason."""


@dataclass(slots=True)
class Finding:
    """One reason: how often, and where it was first seen."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """Counts of one import.

    Attributes:
        format: of the input, once it is known.
        records: packets, frames or lines read, good and bad.
        events: query events made of them.
        unanswered: of these, queries whose answer is not in the input.
        unasked: of these, answers whose query is not in the input.
        disordered: of these, events that come after a later one, more than the reader could put right.
        bad: reason -> records that cannot be read.
        skipped: reason -> records that are sound and make no event.
    """

    format: str = ""
    records: int = 0
    events: int = 0
    unanswered: int = 0
    unasked: int = 0
    disordered: int = 0
    bad: dict[str, Finding] = field(default_factory=dict)
    skipped: dict[str, Finding] = field(default_factory=dict)

    def spoiled(self, reason: str, where: str) -> None:
        """Count a record that cannot be read."""
        _count(self.bad, reason, where)

    def passed_over(self, reason: str, where: str) -> None:
        """Count a record that makes no event."""
        _count(self.skipped, reason, where)

    @property
    def bad_records(self) -> int:
        """Records that cannot be read, for whatever reason."""
        return sum(finding.count for finding in self.bad.values())


def _count(findings: dict[str, Finding], reason: str, where: str) -> None:
    finding = findings.setdefault(reason, Finding())
    finding.count += 1
    if len(finding.examples) < EXAMPLES:
        finding.examples.append(where)
