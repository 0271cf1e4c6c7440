"""What an import tells: for people a few lines an input, for programs one object. Pure but for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click

from compose.imports import Finding, Report

TITLES = {
    "pcap": "a pcap capture",
    "pcapng": "a pcapng capture",
    "dnstap": "dnstap frames",
    "zeek": "a Zeek dns.log",
    "zeek-json": "a Zeek dns.log in JSON",
    "json": "our own events as JSON lines",
}


_OLDER = (
    "These are stored, but detectors judge in order of time and pass over what is older: "
    "import old traffic into a tenant of its own"
)
_GONE = "what is older is taken away within the hour, unless its privacy.retentionDays says more"


@dataclass(slots=True)
class Result:
    """One input: what its report says, and what became of its events.

    Attributes:
        file: as given. source: of the events. epoch: of the import, 0 before the first event.
        first, last: Unix nanoseconds of the earliest and latest event.
        outcome: ``read`` (a dry run), ``published``, ``stored``, ``already imported`` or ``nothing to import``.
        behind: time of an event that the tenant had already and that is later than the first, Unix nanoseconds; 0
            without.
        retention_days: what the tenant keeps, where the first event is older than that; 0 otherwise.
    """

    file: str
    source: str
    report: Report = field(default_factory=Report)
    epoch: int = 0
    first: int = 0
    last: int = 0
    outcome: str = "read"
    behind: int = 0
    retention_days: int = 0

    def builtins(self) -> dict[str, Any]:
        """For programs."""
        report = self.report
        numbers = ("format", "records", "events", "unanswered", "unasked", "disordered")
        return {
            "file": self.file,
            "source": self.source,
            "epoch": str(self.epoch),
            "outcome": self.outcome,
            "first": _moment(self.first),
            "last": _moment(self.last),
            "behind": _moment(self.behind),
            "retention_days": self.retention_days,
            **{name: getattr(report, name) for name in numbers},
            "bad": _findings(report.bad),
            "skipped": _findings(report.skipped),
        }

    def show(self) -> None:
        """For people."""
        report = self.report
        title = TITLES.get(report.format, report.format)
        click.echo(f"{self.file}: {title}, {report.records} records, {report.events} queries: {self.outcome}")
        if report.events:
            epoch = f", epoch {self.epoch}" if self.epoch else ""
            click.echo(f"  {_moment(self.first)} to {_moment(self.last)}, source {self.source}{epoch}")
        if self.behind:
            click.echo(f"  the tenant had events until {_moment(self.behind)} already. {_OLDER}")
        if self.retention_days:
            click.echo(f"  the tenant keeps {self.retention_days} days; {_GONE}")
        _say(report.unanswered, "queries without an answer")
        _say(report.unasked, "answers without a query, taken for both")
        _say(report.disordered, "events too far out of order for the analysis to count them in their window")
        for word, findings in (("bad", report.bad), ("passed over", report.skipped)):
            for reason, found in sorted(findings.items(), key=lambda item: -item[1].count):
                click.echo(f"  {found.count} {word}: {reason} ({_places(found)})")


def _say(count: int, what: str) -> None:
    if count:
        click.echo(f"  {count} {what}")


def _places(found: Finding) -> str:
    more = ", ..." if found.count > len(found.examples) else ""
    return ", ".join(found.examples) + more


def _findings(findings: Mapping[str, Finding]) -> dict[str, Any]:
    return {reason: {"count": found.count, "examples": found.examples} for reason, found in findings.items()}


def _moment(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC" if time_ns else ""
